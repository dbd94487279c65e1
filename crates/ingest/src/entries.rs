//! The records of a run that a report means.

use std::sync::Arc;

use roboppi_ipc::{
    AgentText, CancelReason, Progress, ResultDetails, SessionInfo, ToolCall, ToolResult, Usage, UtcMillis,
    WaitCause, Waiting, WorkerEvent, WorkerKind, WorkerResult, WorkerStatus,
};
use roboppi_run::{
    AttemptPhase, AttemptRef, AttemptStatus, AttemptView, InvalidStepPath, Role, RunEvent, RunOutcome,
    RunStatus, RunView, StepPath, StepPlan, StepState, StepView,
};
use thiserror::Error;

use crate::emission::{Emission, Ending, Figures, StepUpdate};

/// The kind of worker of a step whose program is not known.
pub const EMITTED: WorkerKind = WorkerKind::from_static("EMITTED");

/// The step of reports that name none.
pub const MAIN_STEP: &str = "main";

/// Steps that a run may have.
const STEPS: usize = 10_000;

/// A record to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// In the journal.
    Journal(RunEvent),
    /// In the events of an attempt.
    Attempt(AttemptRef, WorkerEvent),
}

/// Why a report is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The run has ended.
    #[error("the run is over")]
    Over,
    /// A name cannot be the path of a step.
    #[error("`{0}` is no name of a step: {1}")]
    BadStep(String, InvalidStepPath),
    /// There are too many steps.
    #[error("the run has {STEPS} steps, and cannot have more")]
    TooManySteps,
    /// It started before.
    #[error("the run has started already")]
    Started,
    /// The journal of the run has as much as it may have.
    #[error("the run has as many steps and errors as a record can have")]
    Full,
}

/// The records that a report means for a run in this state. `worker` is the kind of worker of steps that begin.
///
/// # Errors
/// When the run is over, or a name cannot be one of a step.
pub fn entries(
    view: &RunView,
    worker: WorkerKind,
    now: UtcMillis,
    emission: Emission,
) -> Result<Vec<Entry>, Refused> {
    if matches!(view.status, RunStatus::Finished { .. }) {
        return Err(Refused::Over);
    }
    let named = emission.step().map(path).transpose()?;
    let mut book = Book { view, worker, now, entries: Vec::new() };
    match emission {
        // Its run has the name already: the caller made it.
        Emission::Start { steps, .. } => book.plan(&steps)?,
        Emission::Step(update) => book.step(update)?,
        Emission::Complete { outcome, detail } => book.complete(outcome, detail),
        Emission::Error { message, .. } => {
            book.entries.push(Entry::Journal(RunEvent::Warning { message, step: named }));
        }
        Emission::Activity { text, .. } if text.is_empty() => {}
        other => {
            if let Some(event) = worker_event(other) {
                let of = book.attempt(named)?;
                book.entries.push(Entry::Attempt(of, event));
            }
        }
    }
    Ok(book.entries)
}

fn path(text: &str) -> Result<StepPath, Refused> {
    StepPath::parse(text).map_err(|error| Refused::BadStep(text.escape_debug().take(80).collect(), error))
}

/// The event of a worker that a report means.
fn worker_event(emission: Emission) -> Option<WorkerEvent> {
    Some(match emission {
        Emission::Activity { text, .. } => WorkerEvent::Text(AgentText::new(text)),
        Emission::ToolCall { id, tool, input, parent, .. } => {
            WorkerEvent::ToolCall(ToolCall::new(id, tool, input).with_parent(parent))
        }
        Emission::ToolResult { id, ok, text, duration_ms, .. } => {
            WorkerEvent::ToolResult(ToolResult::new(id, ok, text).with_duration_ms(duration_ms))
        }
        Emission::Thinking { text, .. } => WorkerEvent::Thinking(AgentText::new(text)),
        Emission::Progress { message, percent, phase, .. } => {
            let percent =
                percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0));
            WorkerEvent::Progress(Progress::new(message).with_percent(percent).with_phase(phase))
        }
        Emission::Metric { name, value, unit, .. } => {
            let unit = if unit.is_empty() { unit } else { format!(" {unit}") };
            let message = format!("{name}: {value}{unit}");
            WorkerEvent::Progress(Progress::new(message).with_phase(Some(name)))
        }
        Emission::Usage(Figures { input_tokens, output_tokens, cache_read_tokens, cost_usd }) => {
            let usage = Usage::new(input_tokens, output_tokens).with_cache_read_tokens(cache_read_tokens);
            WorkerEvent::Usage(usage.with_cost_usd(cost_usd.filter(|cost| cost.is_finite() && *cost >= 0.0)))
        }
        Emission::Session { id, model } => WorkerEvent::Session(SessionInfo::new(id).with_model(model)),
        Emission::Waiting { why, permission } => {
            let cause = if permission { WaitCause::Permission } else { WaitCause::Other };
            WorkerEvent::Waiting(Waiting::new(why).with_cause(Some(cause)))
        }
        Emission::Unknown { raw } => WorkerEvent::Unknown { raw },
        Emission::Start { .. } | Emission::Step(_) | Emission::Error { .. } | Emission::Complete { .. } => {
            return None;
        }
    })
}

/// Collects the records of one report.
struct Book<'a> {
    view: &'a RunView,
    worker: WorkerKind,
    now: UtcMillis,
    entries: Vec<Entry>,
}

impl Book<'_> {
    fn journal(&mut self, event: RunEvent) {
        self.entries.push(Entry::Journal(event));
    }

    fn find(&self, step: &StepPath) -> Option<&StepView> {
        self.view.steps.iter().map(|found| &**found).find(|found| found.plan.step == *step)
    }

    /// Adds steps to the plan that are not in it.
    fn plan(&mut self, steps: &[String]) -> Result<(), Refused> {
        let mut nodes: Vec<Arc<StepPlan>> = Vec::new();
        for step in steps {
            let step = path(step)?;
            if self.find(&step).is_none() && nodes.iter().all(|node| node.step != step) {
                nodes.push(self.node(step));
            }
        }
        if self.view.steps.len() + nodes.len() > STEPS {
            return Err(Refused::TooManySteps);
        }
        if !nodes.is_empty() {
            self.journal(RunEvent::PlanExtended { nodes });
        }
        Ok(())
    }

    fn node(&self, step: StepPath) -> Arc<StepPlan> {
        Arc::new(StepPlan {
            step,
            worker: self.worker,
            depends_on: Vec::new(),
            description: None,
            timeout_ms: None,
            max_attempts: 1,
            max_iterations: None,
            role: Role::Work,
            host: roboppi_run::HostId::here(),
            check: None,
        })
    }

    /// The attempt that a report belongs to: of the named step, or of the one that began last. It begins when there is none.
    fn attempt(&mut self, named: Option<StepPath>) -> Result<AttemptRef, Refused> {
        let step = named.or_else(|| {
            let active = self.view.steps.iter().filter(|step| step.state.is_active());
            active.max_by_key(|step| step.changed_at).map(|step| step.plan.step.clone())
        });
        let step = step.unwrap_or_else(|| MAIN_STEP.into());
        let open = self.find(&step).and_then(open_attempt).map(|attempt| attempt.of.clone());
        open.map_or_else(|| self.begin(&step), Ok)
    }

    /// Begins the next attempt of a step.
    fn begin(&mut self, step: &StepPath) -> Result<AttemptRef, Refused> {
        if self.find(step).is_none() {
            if self.view.steps.len() >= STEPS {
                return Err(Refused::TooManySteps);
            }
            let node = self.node(step.clone());
            self.journal(RunEvent::PlanExtended { nodes: vec![node] });
        }
        let before =
            self.find(step).and_then(|found| found.attempts.last()).map_or(0, |last| last.of.attempt);
        let of = AttemptRef { attempt: before.saturating_add(1), ..AttemptRef::first(step.clone()) };
        self.journal(changed(step, StepState::Running, None, None));
        self.journal(RunEvent::AttemptStarted {
            job_id: format!("{step}#{}", of.attempt).as_str().into(),
            base: of.base(),
            of: of.clone(),
            fingerprint: None,
            resumed_session: None,
        });
        self.journal(RunEvent::AttemptPhase {
            of: of.clone(),
            phase: AttemptPhase::Running { process: None },
        });
        Ok(of)
    }

    fn step(&mut self, update: StepUpdate) -> Result<(), Refused> {
        let StepUpdate { step, state: ending, detail, duration_ms } = update;
        let step = path(&step)?;
        let open = self.find(&step).and_then(open_attempt).map(|attempt| attempt.of.clone());
        match (ending, open) {
            (None, Some(_)) => {}
            (None, None) => drop(self.begin(&step)?),
            (Some(Ending::Skipped), None) => {
                self.plan(&[step.as_str().to_owned()])?;
                self.journal(changed(&step, StepState::Skipped, detail, None));
            }
            // Its process was killed between the two records of an end.
            (Some(ending), None) if self.find(&step).is_some_and(ends_here) => {
                self.journal(changed(&step, state(ending), detail, duration_ms));
            }
            (Some(ending), open) => {
                let of = open.map_or_else(|| self.begin(&step), Ok)?;
                self.end(of, ending, detail, duration_ms);
            }
        }
        Ok(())
    }

    /// Ends an attempt and its step.
    fn end(&mut self, of: AttemptRef, ending: Ending, detail: Option<String>, duration_ms: Option<u64>) {
        let begun = self.find(&of.step).and_then(open_attempt).map_or(self.now, |attempt| attempt.started_at);
        let took = duration_ms.unwrap_or_else(|| self.now.0.saturating_sub(begun.0));
        let result = result(ending, detail.clone()).with_duration_ms(took);
        let step = of.step.clone();
        // The lengths are known where the files are.
        self.journal(RunEvent::AttemptFinished {
            of,
            result: Arc::new(result),
            last_seq: None,
            log_bytes: 0,
            events_bytes: 0,
        });
        self.journal(changed(&step, state(ending), detail, Some(took)));
    }

    fn complete(&mut self, ending: Ending, detail: Option<String>) {
        let open: Vec<_> = self
            .view
            .steps
            .iter()
            .filter_map(|step| open_attempt(step))
            .map(|attempt| attempt.of.clone())
            .collect();
        for of in open {
            self.end(of, ending, detail.clone(), None);
        }
        let is_waiting = |step: &&Arc<StepView>| !step.state.is_final() && step.attempts.is_empty();
        let waiting: Vec<_> =
            self.view.steps.iter().filter(is_waiting).map(|step| step.plan.step.clone()).collect();
        for step in waiting {
            self.journal(changed(&step, StepState::Skipped, None, None));
        }
        let began = self.view.head.as_ref().map_or(self.now, |head| head.started_at);
        let (outcome, exit_code) = outcome(ending);
        self.journal(RunEvent::RunFinished {
            outcome,
            exit_code,
            duration_ms: self.now.0.saturating_sub(began.0),
            detail,
            flaky: self.view.flaky_steps().map(|step| step.plan.step.clone()).collect(),
        });
    }
}

/// The attempt of a step that has not ended.
fn open_attempt(step: &StepView) -> Option<&AttemptView> {
    step.attempts.last().filter(|attempt| !matches!(attempt.status, AttemptStatus::Finished { .. }))
}

/// Whether the last attempt of a step is over, and the step is not.
fn ends_here(step: &StepView) -> bool {
    let is_over = |last: &AttemptView| matches!(last.status, AttemptStatus::Finished { .. });
    step.state.is_active() && step.attempts.last().is_some_and(is_over)
}

fn changed(step: &StepPath, state: StepState, detail: Option<String>, duration_ms: Option<u64>) -> RunEvent {
    RunEvent::StepChanged {
        step: step.clone(),
        state,
        detail,
        duration_ms,
        allowed_to_fail: false,
        limit_until: None,
    }
}

fn result(ending: Ending, detail: Option<String>) -> WorkerResult {
    let (status, reason) = match ending {
        Ending::Succeeded => (WorkerStatus::Succeeded, None),
        Ending::Failed => (WorkerStatus::Failed, None),
        Ending::Cancelled | Ending::Skipped => (WorkerStatus::Cancelled, Some(CancelReason::User)),
        Ending::TimedOut => (WorkerStatus::Failed, Some(CancelReason::Timeout)),
        Ending::Lost => (WorkerStatus::Failed, Some(CancelReason::Lost)),
    };
    let result = WorkerResult::of_status(status);
    if reason.is_none() && (detail.is_none() || ending == Ending::Succeeded) {
        return result;
    }
    result.with_details(ResultDetails::default().with_cancel_reason(reason).with_error(detail))
}

const fn state(ending: Ending) -> StepState {
    match ending {
        Ending::Succeeded => StepState::Succeeded,
        Ending::Failed | Ending::TimedOut => StepState::Failed,
        Ending::Cancelled | Ending::Skipped => StepState::Cancelled,
        Ending::Lost => StepState::Lost,
    }
}

/// The outcome of a run, and the exit code that a run of a workflow would have.
const fn outcome(ending: Ending) -> (RunOutcome, u8) {
    match ending {
        Ending::Succeeded => (RunOutcome::Succeeded, 0),
        Ending::Failed => (RunOutcome::Failed, 1),
        Ending::Cancelled | Ending::Skipped => (RunOutcome::Cancelled, 130),
        Ending::TimedOut => (RunOutcome::TimedOut, 124),
        Ending::Lost => (RunOutcome::Lost, 3),
    }
}

#[cfg(test)]
mod tests;
