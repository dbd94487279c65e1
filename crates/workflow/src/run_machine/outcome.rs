//! How a run ended.

use roboppi_ipc::CancelReason;
use roboppi_run::{RunOutcome, StepState};

use super::schedule::time_words;
use super::step::{RunStep, StepPhase};
use super::{Phase, RunMachine};

/// The exit code of a run. `signal` is the number of the signal that ended it, when it was one. An outcome that is not known
/// is not success.
#[must_use]
pub const fn exit_code(outcome: RunOutcome, signal: Option<u8>) -> u8 {
    match outcome {
        RunOutcome::Succeeded => 0,
        RunOutcome::Failed | RunOutcome::Unknown(_) => 1,
        RunOutcome::Lost => 3,
        RunOutcome::TimedOut => 124,
        RunOutcome::Cancelled => match signal {
            Some(number) if number < 128 => 128 + number,
            Some(_) | None => 130,
        },
    }
}

/// The exit code of a run that failed because of usage limits and for no other reason: `EX_TEMPFAIL`, try again later.
pub const TRY_AGAIN_LATER: u8 = 75;

impl RunMachine {
    /// Whether usage limits are the only reason for which the run failed.
    pub(super) fn is_limited(&self) -> bool {
        let goes_on = match self.phase {
            Phase::Running => true,
            Phase::Ending(cancel) => cancel.reason == CancelReason::FailFast,
            Phase::Idle | Phase::Finished => false,
        };
        if !goes_on || self.stopped_by_budget {
            return false;
        }
        let failed = |step: &&RunStep| {
            !step.ended_by_fail_fast
                && step.member_of.is_none()
                && matches!(step.life, StepPhase::Over { state, excused: false, .. }
                if !matches!(state, StepState::Succeeded | StepState::Incomplete | StepState::Skipped))
        };
        let mut failed = self.steps.iter().filter(failed).peekable();
        failed.peek().is_some() && failed.all(|step| step.is_limited)
    }

    /// Outcome and reason, once every step is over.
    pub(super) fn outcome(&self) -> (RunOutcome, Option<String>) {
        let names = |wanted: &[StepState]| {
            // What members mean for the run, their groups say.
            let own = self.steps.iter().filter(|step| step.member_of.is_none());
            let matches = own.filter(|step| match step.life {
                StepPhase::Over { state, excused, .. } => {
                    !excused && !step.ended_by_fail_fast && wanted.contains(&state)
                }
                _ => false,
            });
            matches.map(|step| step.id.as_str()).collect::<Vec<_>>()
        };
        let lost = names(&[StepState::Lost]);
        let ending = match self.phase {
            Phase::Ending(cancel) => Some(cancel.reason),
            Phase::Idle | Phase::Running | Phase::Finished => None,
        };
        if ending == Some(CancelReason::Lost) {
            let detail = if lost.is_empty() { None } else { Some(listed("lost with the core", &lost)) };
            return (RunOutcome::Lost, detail.or_else(|| Some("the core was lost".to_owned())));
        }
        if !lost.is_empty() {
            return (RunOutcome::Lost, Some(listed("lost", &lost)));
        }
        match ending {
            Some(CancelReason::Timeout) => {
                let detail = format!("the run timed out after {} (`timeout`)", time_words(self.timeout));
                return (RunOutcome::TimedOut, Some(detail));
            }
            Some(CancelReason::Budget) => {
                return (RunOutcome::Failed, Some("the budget of the run was used up".to_owned()));
            }
            Some(CancelReason::User) => {
                return (RunOutcome::Cancelled, Some("cancelled by the user".to_owned()));
            }
            Some(CancelReason::Parent | CancelReason::Lost) => {
                let detail = "a signal, or the terminal was closed";
                return (RunOutcome::Cancelled, Some(detail.to_owned()));
            }
            Some(CancelReason::Unknown(reason)) => {
                return (RunOutcome::Cancelled, Some(format!("ended with the reason `{reason}`")));
            }
            Some(CancelReason::FailFast) | None => {}
        }
        if let Some(detail) = self.spent.as_ref().filter(|_| self.stopped_by_budget) {
            return (RunOutcome::Failed, Some(detail.clone()));
        }
        let failed = names(&[StepState::Failed, StepState::Cancelled]);
        if !failed.is_empty() {
            let what = if self.is_limited() { "stopped by a usage limit" } else { "failed" };
            return (RunOutcome::Failed, Some(listed(what, &failed)));
        }
        if !names(&[StepState::Skipped]).is_empty() {
            return (RunOutcome::Failed, Some("the steps wait for each other".to_owned()));
        }
        let remarks = [(StepState::Incomplete, "incomplete"), (StepState::Skipped, "skipped by the user")];
        let remarks = remarks.into_iter().filter_map(|(state, what)| {
            let is_it = |step: &&RunStep| step.life.state() == state && !step.is_left_out;
            let steps = self.steps.iter().filter(is_it);
            let names: Vec<_> = steps.map(|step| step.id.as_str()).collect();
            (!names.is_empty()).then(|| listed(what, &names))
        });
        let remarks: Vec<_> = remarks.collect();
        (RunOutcome::Succeeded, (!remarks.is_empty()).then(|| remarks.join("; ")))
    }
}

/// `failed: a, b and 3 more`.
pub(super) fn listed(what: &str, names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => format!("{what}: {shown}"),
        more => format!("{what}: {shown} and {more} more"),
    }
}
