//! Makes the figures of a run of its record.

use std::collections::{BTreeMap, HashMap};

use roboppi_ipc::{CancelReason, ToolResult, Usage, UtcMillis, WorkerEvent, WorkerResult, WorkerStatus};
use roboppi_run::{
    AttemptRecord, AttemptRef, AttemptStatus, AttemptView, JournalRecord, RunEvent, RunRecord, RunStatus,
    RunView, StepState, StepView,
};

use crate::names::{bounded, entry};
use crate::recent::keep_latest;
use crate::{AgentFigures, Group, Outcome, RECENT, Recent, RecentKind, RunFigures, StepFigures};

/// Calls of an attempt that may be under way at the same time. The result of one beyond them is not looked for.
const OPEN_CALLS: usize = 10_000;

/// The tool of a result whose call is not recorded.
const UNKNOWN: &str = "(unknown)";

/// Folds the record of one run. Records come in the order of their file, each once; an attempt's events come before its end.
#[derive(Debug, Default)]
pub struct RunFold {
    /// The run from its journal alone: of tool calls it would keep the latest only.
    view: RunView,
    /// What attempts have that are under way.
    attempts: HashMap<AttemptRef, AttemptFold>,
    /// What attempts used that ended without a report of it.
    used: HashMap<AttemptRef, Usage>,
    tools: BTreeMap<String, Group>,
    events_missing: u64,
    recent: Vec<Recent>,
    last_at: UtcMillis,
}

/// What is known of an attempt from its events.
#[derive(Debug, Default)]
struct AttemptFold {
    /// Calls without a result: the tool, and when it was called.
    open: HashMap<String, (String, UtcMillis)>,
    usage: Option<Usage>,
}

impl RunFold {
    /// Folds one record.
    pub fn apply(&mut self, record: &RunRecord) {
        match record {
            RunRecord::Journal(record) => self.apply_journal(record),
            RunRecord::Attempt(of, record) => self.apply_attempt(of, record),
        }
    }

    fn apply_journal(&mut self, record: &JournalRecord) {
        self.last_at = self.last_at.max(record.ts);
        self.view.apply_journal(record);
        match &record.event {
            RunEvent::AttemptFinished { of, .. } => self.attempt_ended(of),
            RunEvent::StepChanged { step, state, duration_ms, .. } if state.is_final() => {
                let outcome = of_state(*state);
                self.note(record.ts, step.as_str(), RecentKind::Step, outcome, *duration_ms);
            }
            _ => {}
        }
    }

    /// Calls without a result have none any more.
    fn attempt_ended(&mut self, of: &AttemptRef) {
        let Some(attempt) = self.attempts.remove(of) else { return };
        for (tool, _) in attempt.open.into_values() {
            self.tool(&tool).add(Outcome::Lost, None);
        }
        if let Some(usage) = attempt.usage {
            self.used.insert(of.clone(), usage);
        }
    }

    fn apply_attempt(&mut self, of: &AttemptRef, record: &AttemptRecord) {
        match &record.event {
            WorkerEvent::ToolCall(call) => {
                let name = bounded(&call.name);
                let open = &mut self.attempts.entry(of.clone()).or_default().open;
                let lost = if open.len() < OPEN_CALLS || open.contains_key(&call.id) {
                    open.insert(call.id.clone(), (name, record.ts)).map(|(name, _)| name)
                } else {
                    Some(name)
                };
                if let Some(lost) = lost {
                    self.tool(&lost).add(Outcome::Lost, None);
                }
            }
            WorkerEvent::ToolResult(result) => self.result(of, record.ts, result),
            WorkerEvent::Usage(usage) => {
                self.attempts.entry(of.clone()).or_default().usage = Some(*usage);
            }
            WorkerEvent::Gap(gap) => {
                self.events_missing = self.events_missing.saturating_add(gap.recorded);
            }
            WorkerEvent::LogGrew(_) => return,
            _ => {}
        }
        self.last_at = self.last_at.max(record.ts);
    }

    fn result(&mut self, of: &AttemptRef, ts: UtcMillis, result: &ToolResult) {
        let open = self.attempts.get_mut(of).and_then(|attempt| attempt.open.remove(&result.id));
        // The call may be among the events that are missing.
        let (tool, called) = open.map_or((UNKNOWN.to_owned(), None), |(tool, called)| (tool, Some(called)));
        let took = result.duration_ms.or_else(|| ts.0.checked_sub(called?.0));
        let outcome = if result.ok { Outcome::Succeeded } else { Outcome::Failed };
        self.tool(&tool).add(outcome, took);
        self.note(ts, of.step.as_str(), RecentKind::Tool(tool), outcome, took);
    }

    fn tool(&mut self, name: &str) -> &mut Group {
        entry(&mut self.tools, name, RunFigures::TOOLS)
    }

    fn note(&mut self, at: UtcMillis, step: &str, kind: RecentKind, outcome: Outcome, took: Option<u64>) {
        self.recent.push(Recent { at, step: bounded(step), kind, outcome, duration_ms: took });
        if self.recent.len() >= 2 * RECENT {
            keep_latest(&mut self.recent, RECENT);
        }
    }

    /// Whether the record has the end of the run.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.view.status, RunStatus::Finished { .. })
    }

    /// The figures so far; `None` of a record without a beginning.
    #[must_use]
    pub fn figures(&self) -> Option<RunFigures> {
        let head = self.view.head.as_ref()?;
        let finished = match &self.view.status {
            RunStatus::Finished { outcome, duration_ms, .. } => Some((*outcome, *duration_ms)),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => None,
        };
        let mut figures = RunFigures {
            id: head.run_id.clone(),
            handle: head.handle,
            name: bounded(&head.name),
            workflow: head.workflow.clone(),
            started_at: head.started_at,
            last_at: self.last_at,
            finished,
            steps: Vec::new(),
            more_steps: Group::default(),
            agents: BTreeMap::new(),
            tools: self.tools.clone(),
            events_missing: self.events_missing,
            recent: self.recent.clone(),
        };
        keep_latest(&mut figures.recent, RECENT);
        for attempt in self.attempts.values() {
            for (tool, _) in attempt.open.values() {
                entry(&mut figures.tools, tool, RunFigures::TOOLS).add(Outcome::Running, None);
            }
        }
        for step in &self.view.steps {
            self.add_step(&mut figures, step);
        }
        Some(figures)
    }

    fn add_step(&self, figures: &mut RunFigures, step: &StepView) {
        let of_step = step_figures(step);
        if figures.steps.len() < RunFigures::STEPS {
            figures.steps.push(of_step);
        } else {
            figures.more_steps.add(of_step.outcome, of_step.duration_ms);
        }
        for attempt in step.attempts.iter().filter(|attempt| step.is_agent_in(&attempt.of)) {
            let kind = step.worker_of(&attempt.of);
            let agents = entry::<AgentFigures>(&mut figures.agents, kind.name(), RunFigures::TOOLS);
            let (outcome, took) = of_attempt(attempt);
            let live = || self.attempts.get(&attempt.of).and_then(|attempt| attempt.usage.as_ref());
            let reported = attempt.usage();
            let usage = reported.as_ref().or_else(|| self.used.get(&attempt.of)).or_else(live);
            agents.add(outcome, took, usage);
        }
    }
}

fn step_figures(step: &StepView) -> StepFigures {
    let timed_out = || step.attempts.last().is_some_and(|attempt| of_attempt(attempt).0 == Outcome::TimedOut);
    let outcome = match of_state(step.state) {
        Outcome::Succeeded if step.kept.is_some() => Outcome::Kept,
        Outcome::Failed if timed_out() => Outcome::TimedOut,
        outcome => outcome,
    };
    StepFigures {
        step: bounded(step.plan.step.as_str()),
        outcome,
        started_at: step.started_at,
        ended_at: step.state.is_final().then_some(step.changed_at),
        duration_ms: step.duration_ms,
    }
}

const fn of_state(state: StepState) -> Outcome {
    match state {
        StepState::Succeeded => Outcome::Succeeded,
        StepState::Incomplete => Outcome::Incomplete,
        StepState::Failed => Outcome::Failed,
        StepState::Skipped => Outcome::Skipped,
        StepState::Cancelled => Outcome::Cancelled,
        StepState::Lost => Outcome::Lost,
        StepState::Starting | StepState::Running | StepState::Ending | StepState::Retrying => {
            Outcome::Running
        }
        StepState::Pending | StepState::Ready => Outcome::Waiting,
        StepState::Unknown(_) => Outcome::Unknown,
    }
}

/// How an attempt ended, and how long it took.
fn of_attempt(attempt: &AttemptView) -> (Outcome, Option<u64>) {
    match &attempt.status {
        AttemptStatus::Finished { result, .. } => (of_result(result), Some(result.duration_ms)),
        AttemptStatus::Started | AttemptStatus::Phase(_) => (Outcome::Running, None),
    }
}

fn of_result(result: &WorkerResult) -> Outcome {
    let reason = result.details.as_deref().and_then(|details| details.cancel_reason);
    match (result.status, reason) {
        (WorkerStatus::Succeeded, _) => Outcome::Succeeded,
        (_, Some(CancelReason::Lost)) => Outcome::Lost,
        (_, Some(CancelReason::Timeout)) => Outcome::TimedOut,
        (WorkerStatus::Failed, _) => Outcome::Failed,
        (WorkerStatus::Cancelled, _) => Outcome::Cancelled,
        (WorkerStatus::Unknown(_), _) => Outcome::Unknown,
    }
}

#[cfg(test)]
pub(crate) mod tests;
