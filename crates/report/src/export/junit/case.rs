//! What a step is as a test case.

use std::borrow::Cow;

use roboppi_attach::Liveness;
use roboppi_ipc::{CancelReason, WorkerStatus};
use roboppi_run::{AttemptView, RunOutcome, RunStatus, RunView, StepState, StepView};

use crate::units::limit_time;

/// A test case.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) name: String,
    pub(super) duration_ms: u64,
    pub(super) verdict: Verdict<'a>,
    /// `None` of the run itself.
    pub(super) step: Option<&'a StepView>,
}

/// The outcome of a test case.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// It succeeded, after failures that a retry made good.
    Passed { flaky: Vec<&'a AttemptView> },
    /// Its outcome is none, or does not count.
    Skipped { why: String },
    /// Its own work failed, in these attempts.
    Failed { why: String, attempts: Vec<&'a AttemptView> },
    /// It failed because of something else.
    Error { why: String, kind: &'static str },
}

impl Case<'_> {
    /// The last attempt that failed.
    pub(super) fn last_failure(&self) -> Option<&AttemptView> {
        self.step?.attempts.iter().rev().find(|attempt| is_failure(attempt))
    }
}

/// A case for each step, and one for the run when it failed and no step did.
pub(super) fn cases<'a>(view: &'a RunView, liveness: Liveness) -> Vec<Case<'a>> {
    let mut cases: Vec<_> = view.steps().map(|step| of_step(step, liveness)).collect();
    let is_bad = |case: &Case<'_>| matches!(case.verdict, Verdict::Failed { .. } | Verdict::Error { .. });
    if !cases.iter().any(is_bad) {
        cases.extend(of_run(view, liveness));
    }
    cases
}

/// What failed beside the steps: without it, a report of a run that never started a step would be green.
fn of_run<'a>(view: &RunView, liveness: Liveness) -> Option<Case<'a>> {
    let (why, kind, duration_ms) = match &view.status {
        RunStatus::Finished { outcome: RunOutcome::Succeeded, .. } => return None,
        RunStatus::Finished { outcome, detail, duration_ms, .. } => {
            let why = detail.clone().unwrap_or_else(|| format!("the run is {}", outcome.name()));
            (why, "run", *duration_ms)
        }
        _ if liveness == Liveness::Lost => {
            ("the process of the run ended without a result".to_owned(), "lost", 0)
        }
        RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => return None,
    };
    Some(Case { name: "(run)".to_owned(), duration_ms, verdict: Verdict::Error { why, kind }, step: None })
}

fn of_step(step: &StepView, liveness: Liveness) -> Case<'_> {
    let is_lost =
        liveness == Liveness::Lost && (step.state.is_active() || matches!(step.state, StepState::Retrying));
    let reason = step.reason(limit_time).map(Cow::into_owned);
    let or_state = || reason.clone().unwrap_or_else(|| step.state.name().to_owned());
    let verdict = match step.state {
        StepState::Succeeded => Verdict::Passed { flaky: step.flaky_failures().collect() },
        StepState::Incomplete => {
            Verdict::Skipped { why: format!("incomplete, and allowed to be: {}", or_state()) }
        }
        StepState::Failed | StepState::Skipped if step.allowed_to_fail => {
            Verdict::Skipped { why: format!("{}, and allowed to: {}", step.state.name(), or_state()) }
        }
        StepState::Failed => Verdict::Failed { why: or_state(), attempts: failures(step) },
        StepState::Skipped => Verdict::Skipped { why: or_state() },
        StepState::Cancelled if step.attempts.is_empty() => Verdict::Skipped {
            why: reason.map_or_else(|| "cancelled".to_owned(), |why| format!("cancelled: {why}")),
        },
        StepState::Cancelled => Verdict::Error { why: or_state(), kind: "cancelled" },
        StepState::Lost => Verdict::Error { why: or_state(), kind: "lost" },
        _ if is_lost => Verdict::Error {
            why: "the process of the run ended while it was under way".to_owned(),
            kind: "lost",
        },
        StepState::Pending
        | StepState::Ready
        | StepState::Starting
        | StepState::Running
        | StepState::Retrying
        | StepState::Ending => Verdict::Skipped { why: format!("not over: {}", or_state()) },
        StepState::Unknown(_) => Verdict::Error { why: or_state(), kind: "unknown" },
    };
    let duration_ms = step.duration_ms.unwrap_or_default();
    Case { name: step.plan.step.to_string(), duration_ms, verdict, step: Some(step) }
}

/// The attempts of the last iteration that did not succeed; the last attempt when all did, as with a missing output.
fn failures(step: &StepView) -> Vec<&AttemptView> {
    let iteration = step.iteration();
    let of_last = step.attempts.iter().filter(|attempt| attempt.of.iteration == iteration);
    let failed: Vec<_> = of_last.filter(|attempt| !succeeded(attempt)).collect();
    if failed.is_empty() { step.attempts.last().into_iter().collect() } else { failed }
}

fn succeeded(attempt: &AttemptView) -> bool {
    attempt.result().is_some_and(|result| result.status == WorkerStatus::Succeeded)
}

/// Whether the work of an attempt failed, and nothing around it.
pub(super) fn is_failure(attempt: &AttemptView) -> bool {
    attempt.failed_by_itself()
}

/// The word for how an attempt failed.
pub(super) fn kind_of(attempt: &AttemptView) -> &'static str {
    let Some(result) = attempt.result() else { return "not_over" };
    let details = result.details.as_ref();
    match details.and_then(|details| details.cancel_reason) {
        Some(CancelReason::Timeout) => "timeout",
        Some(CancelReason::Budget) => "budget",
        Some(CancelReason::Lost) => "lost",
        Some(
            CancelReason::User | CancelReason::FailFast | CancelReason::Parent | CancelReason::Unknown(_),
        ) => "cancelled",
        None if details.is_some_and(|details| details.signal.is_some()) => "signal",
        None if result.exit_code.is_some_and(|code| code != 0) => "exit_code",
        None => "failed",
    }
}
