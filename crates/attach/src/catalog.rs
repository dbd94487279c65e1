//! What runs there are, and how each is.

use std::collections::BTreeSet;
use std::sync::Arc;

use roboppi_board::{Origin, RowState, RunRow, StepNumbers, Usage};
use roboppi_ipc::UtcMillis;
use roboppi_record::{Imported, RecordError, RunDir, StateRoot};
use roboppi_run::{Manifest, Progress, ProgressBasis, RunHandle, RunId, RunOutcome, RunStatus, StepState};
use serde::{Deserialize, Serialize};

use crate::follower::RunReader;
use crate::liveness::{OwnerState, facts, lock_state, owner_state};
use crate::remembered::{Finding, Memory};
use crate::{Forecasts, Liveness, LocalRun};

/// A run in a list.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Which one.
    pub id: RunId,
    /// Its short name, when it has one.
    pub handle: Option<RunHandle>,
    /// The way to its record.
    pub local: LocalRun,
    /// What was started; absent when `run.json` cannot be read.
    pub manifest: Option<Manifest>,
    /// How it is.
    pub liveness: Liveness,
    /// When a program that records itself was last heard of, if it is lost.
    pub silent_since: Option<UtcMillis>,
    /// Steps that are over, and all there are.
    pub steps: (usize, usize),
    /// Steps that succeeded, in this run or in one before whose result was kept.
    pub succeeded: usize,
    /// Steps that failed and were not allowed to, or were lost.
    pub failed: usize,
    /// Why it did not succeed, in a sentence.
    pub reason: Option<String>,
    /// What its agents used; absent when no worker reported any use.
    pub usage: Option<Usage>,
    /// When it began, by its record.
    pub started_at: Option<UtcMillis>,
    /// When it ended, or something of it was recorded last.
    pub last_at: Option<UtcMillis>,
    /// Milliseconds it took, or takes so far when it is live.
    pub duration_ms: Option<u64>,
    /// Runs that did the steps it kept, and have their logs.
    pub origins: Vec<RunId>,
    /// Nobody may remove it.
    pub pinned: bool,
    /// Where it came from, when that is another machine.
    pub imported: Option<Imported>,
    /// What is wrong with its record.
    pub damage: Option<String>,
}

/// What is known of a run from its files alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    manifest: Option<Manifest>,
    /// How it ended, and in how many milliseconds.
    finished: Option<(RunOutcome, u64)>,
    started_at: Option<UtcMillis>,
    steps: (usize, usize),
    succeeded: usize,
    failed: usize,
    reason: Option<String>,
    /// Tokens, cost in US dollars, and whether that is a lower bound.
    usage: Option<(u64, Option<f64>, bool)>,
    last_at: Option<UtcMillis>,
    /// Runs that did the steps it kept.
    origins: BTreeSet<RunId>,
    damage: Option<String>,
    /// The journal ends in the middle of a line.
    torn: bool,
}

impl Finding for Facts {
    const FILE: &'static str = "runs.cache";
    const FORMAT: u32 = 4;

    fn of(dir: &RunDir) -> Self {
        let mut damage = None;
        let manifest = dir.manifest().map_err(|error| damage = Some(error.to_string())).ok();
        let mut reader = RunReader::new(dir.clone());
        reader.only_the_journal();
        let mut view = reader.begin();
        reader.read(&mut |record| view.apply(&record));
        let damage = damage.or_else(|| reader.problems().first().cloned());
        let done = view.steps.iter().filter(|step| step.state.is_final()).count();
        let counts = |state| matches!(state, StepState::Succeeded | StepState::Incomplete);
        let succeeded = view.steps.iter().filter(|step| counts(step.state)).count();
        let finished = match &view.status {
            RunStatus::Finished { outcome, duration_ms, .. } => Some((*outcome, *duration_ms)),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => None,
        };
        let started_at = view.head.as_ref().map(|head| head.started_at);
        let torn = reader.torn();
        let kept = view.steps.iter().filter_map(|step| step.kept.as_ref());
        let origins = kept.map(|kept| kept.run.clone()).collect();
        let steps = (done, view.steps.len());
        let row = view.head.as_ref().map(|head| {
            let mut row = RunRow::new(head.run_id.clone());
            row.take_view(&view, RowState::Unknown);
            row
        });
        Self {
            manifest,
            finished,
            started_at,
            steps,
            succeeded,
            failed: row.as_ref().map_or(0, |row| row.steps.failed),
            usage: row
                .as_ref()
                .and_then(|row| row.usage)
                .map(|usage| (usage.tokens, usage.cost_usd, usage.is_lower_bound)),
            last_at: row.as_ref().and_then(|row| row.last_at),
            reason: row.and_then(|row| row.detail),
            origins,
            damage,
            torn,
        }
    }

    fn is_settled(&self) -> bool {
        self.finished.is_some() && self.damage.is_none() && !self.torn
    }
}

impl RunSummary {
    fn from_facts(dir: RunDir, id: RunId, facts: Facts, now: UtcMillis) -> Self {
        let Facts { manifest, finished, started_at, steps, succeeded, origins, mut damage, torn, .. } = facts;
        let liveness = finished.map_or_else(
            || liveness_without_end(&dir, manifest.as_ref()),
            |(outcome, _)| Liveness::Finished(outcome),
        );
        let so_far = || started_at.map(|started| now.0.saturating_sub(started.0));
        let duration_ms = match (liveness, finished) {
            (_, Some((_, duration_ms))) => Some(duration_ms),
            (Liveness::Live, None) => so_far(),
            (_, None) => None,
        };
        // Whoever lives may be writing that line.
        if torn && !liveness.may_live() {
            let path = dir.journal_path();
            damage.get_or_insert_with(|| format!("{} ends in the middle of a line", path.display()));
        }
        let (pinned, imported) = (dir.is_pinned(), dir.imported());
        let handle = match &imported {
            Some(imported) => imported.handle,
            None => manifest.as_ref().and_then(|manifest| manifest.handle),
        };
        let origins = origins.into_iter().collect();
        let emitted = manifest.as_ref().is_some_and(|manifest| manifest.silent_after_ms.is_some());
        let silent_since = (emitted && liveness == Liveness::Lost).then(|| dir.last_sign()).flatten();
        Self {
            id,
            handle,
            local: dir.into(),
            manifest,
            liveness,
            silent_since,
            steps,
            succeeded,
            failed: facts.failed,
            reason: facts.reason,
            usage: facts.usage.map(|(tokens, cost_usd, is_lower_bound)| Usage {
                tokens,
                cost_usd,
                is_lower_bound,
            }),
            started_at,
            last_at: facts.last_at,
            duration_ms,
            origins,
            pinned,
            imported,
            damage,
        }
    }

    /// What to call it in a command: its handle, or else its id.
    #[must_use]
    pub fn short_name(&self) -> String {
        self.handle.map_or_else(|| self.id.to_string(), |handle| handle.to_string())
    }

    /// How far it is. Reads the record of a run that may go on.
    pub fn progress(&self, forecasts: &mut Forecasts, now: UtcMillis) -> Progress {
        if self.liveness.may_live()
            && let Ok(view) = self.local.record().view()
        {
            return forecasts.progress(&view, now);
        }
        let (done, total) = self.steps;
        let is_over = matches!(self.liveness, Liveness::Finished(_));
        let basis = if is_over { ProgressBasis::Exact } else { ProgressBasis::Steps };
        Progress { done, total, basis, ..Progress::default() }
    }

    /// The run as a row of a board.
    #[must_use]
    pub fn row(&self) -> RunRow {
        let mut row = RunRow::new(self.id.clone());
        if let Some(manifest) = &self.manifest {
            row.name.clone_from(&manifest.name);
            row.workflow.clone_from(&manifest.workflow);
            row.workspace.clone_from(&manifest.workspace);
            row.host.clone_from(&manifest.host);
            row.mode = Some(manifest.mode);
        }
        let manifest_time = self.manifest.as_ref().map(|manifest| manifest.started_at);
        row.handle = self.handle;
        row.origin = if self.imported.is_some() { Origin::Imported } else { Origin::Local };
        row.state = state_of(self.liveness);
        row.detail.clone_from(&self.reason);
        row.started_at = self.started_at.or(manifest_time);
        row.last_at = self.last_at;
        if !row.state.may_live() {
            row.duration_ms = self.duration_ms;
            row.finished_at = self.last_at.filter(|_| self.duration_ms.is_some());
        }
        let (done, total) = self.steps;
        row.steps = StepNumbers {
            total,
            succeeded: self.succeeded,
            running: 0,
            failed: self.failed,
            other: done.saturating_sub(self.succeeded + self.failed),
        };
        row.usage = self.usage;
        row.pinned = self.pinned;
        row.damage.clone_from(&self.damage);
        row
    }

    /// All runs, the one that began last first. What was found out about a run is remembered beside the runs until a file of it changes.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub fn all(root: &StateRoot, now: UtcMillis) -> Result<Vec<Self>, RecordError> {
        let runs: Vec<_> =
            root.runs()?.into_iter().filter_map(|id| Some((root.open_run(&id).ok()?, id))).collect();
        let mut memory = Memory::<Facts>::read(root);
        let facts = memory.of_all(&runs);
        // A list that cannot be remembered is a list all the same. What is another user's is left as it is.
        if root.is_of_this_user() {
            let _ = memory.write(root);
        }
        let found = runs.into_iter().zip(facts);
        // The memory has them no longer, except those it remembers.
        drop(memory);
        let facts = |facts| Arc::try_unwrap(facts).unwrap_or_else(|shared| Facts::clone(&shared));
        Ok(found.map(|((dir, id), found)| Self::from_facts(dir, id, facts(found), now)).collect())
    }
}

/// The state on a board.
pub(crate) const fn state_of(liveness: Liveness) -> RowState {
    match liveness {
        Liveness::Live => RowState::Running,
        Liveness::Finished(outcome) => RowState::Finished(outcome),
        Liveness::Lost => RowState::Lost,
        Liveness::Elsewhere { .. } => RowState::Elsewhere,
    }
}

/// How a run is that does not say that it is over.
pub(crate) fn liveness_without_end(dir: &RunDir, manifest: Option<&Manifest>) -> Liveness {
    let lock = lock_state(&dir.lock_probe());
    match owner_state(&facts(dir, manifest, lock, false)) {
        OwnerState::Alive => Liveness::Live,
        OwnerState::Gone => Liveness::Lost,
        OwnerState::Unknown => Liveness::Elsewhere { last_sign: dir.last_sign() },
    }
}
