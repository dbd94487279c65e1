//! Which steps take long.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use roboppi_ipc::UtcMillis;
use roboppi_run::{
    AttemptPhase, AttemptRef, AttemptStatus, AttemptView, RunView, StepPath, StepState, StepView,
};

/// Finds attempts that run for longer than a limit, each once. Times are those of the record, so a viewer that comes later
/// finds the same.
#[derive(Debug)]
pub(super) struct SlowSteps {
    /// In milliseconds; zero finds none.
    limit: u64,
    /// When running steps are slow.
    due: BTreeSet<(UtcMillis, StepPath)>,
    /// The same by step, with the attempt.
    running: HashMap<StepPath, (UtcMillis, AttemptRef)>,
    /// Attempts that were found, while their step is not over.
    found: HashMap<StepPath, AttemptRef>,
}

impl SlowSteps {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            due: BTreeSet::new(),
            running: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// Takes note of the state of a step.
    pub(super) fn note(&mut self, step: &StepView) {
        if self.limit == 0 {
            return;
        }
        let path = &step.plan.step;
        if step.state.is_final() {
            self.found.remove(path);
        }
        let attempt = step
            .attempts
            .last()
            .filter(|attempt| step.state == StepState::Running && attempt.finished_at.is_none());
        let current = self.running.get(path).map(|(_, of)| of);
        if current == attempt.map(|attempt| &attempt.of) {
            return;
        }
        if let Some((due, _)) = self.running.remove(path) {
            self.due.remove(&(due, path.clone()));
        }
        let Some(attempt) = attempt else { return };
        if self.found.get(path) == Some(&attempt.of) {
            return;
        }
        let due = UtcMillis(running_since(attempt).0.saturating_add(self.limit));
        self.due.insert((due, path.clone()));
        self.running.insert(path.clone(), (due, attempt.of.clone()));
    }

    /// Takes note of all steps of a view.
    pub(super) fn note_all(&mut self, view: &RunView) {
        view.steps().for_each(|step| self.note(step));
    }

    /// When the next step is slow.
    pub(super) fn next(&self) -> Option<UtcMillis> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next step that is slow by `now`, and since when it is.
    pub(super) fn take(&mut self, now: UtcMillis) -> Option<(UtcMillis, StepPath)> {
        if self.next()? > now {
            return None;
        }
        let (due, path) = self.due.pop_first()?;
        if let Some((_, of)) = self.running.get(&path) {
            self.found.insert(path.clone(), of.clone());
        }
        Some((due, path))
    }
}

/// Since when the worker of an attempt is alive.
pub(super) fn running_since(attempt: &AttemptView) -> UtcMillis {
    match attempt.status {
        AttemptStatus::Phase(AttemptPhase::Running { .. }) => attempt.status_at,
        _ => attempt.started_at,
    }
}
