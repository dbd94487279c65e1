//! What came of an attempt.

use std::sync::Arc;

use roboppi_ipc::{
    Cancel, CancelReason, ErrorClass, JobCompleted, Observation, ResultDetails, WorkerResult, WorkerStatus,
};
use roboppi_workflow::AttemptEnd;

use super::attempt::{AttemptFinish, AttemptStop};

/// The exit code with which a script says that what it has checked is not complete.
const NOT_COMPLETE: i32 = 1;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptDone {
    /// How the run takes it.
    pub end: AttemptEnd,
    /// Its result, as the record has it.
    pub result: Arc<WorkerResult>,
    /// It was handed to the core, so the journal has its start.
    pub started: bool,
}

impl AttemptDone {
    pub(super) fn of(finish: AttemptFinish, started: bool, order: Option<Cancel>) -> Self {
        let done = match finish {
            AttemptFinish::Completed(completed) => of_completion(*completed),
            AttemptFinish::Stopped(stop) => stopped(stop, started),
        };
        let for_budget = order.is_some_and(|order| order.reason == CancelReason::Budget);
        if for_budget { done.ended_for_budget() } else { done }
    }

    /// The exit code 1 of a script that checks the work of others says that this is not complete: the script has done what it is
    /// for.
    pub(super) fn of_script_that_checks(mut self) -> Self {
        let was_ended = self.result.details.as_ref().is_some_and(|details| details.cancel_reason.is_some());
        let found_incomplete =
            self.result.status == WorkerStatus::Failed && self.result.exit_code == Some(NOT_COMPLETE);
        if found_incomplete && !was_ended && matches!(self.end, AttemptEnd::Failed { .. }) {
            self.end = AttemptEnd::Succeeded;
        }
        self
    }

    /// It was ended because a budget is spent, unless it was done before, or is lost. A core knows of no budget: it was asked to
    /// end a worker.
    fn ended_for_budget(mut self) -> Self {
        let is_lost = matches!(self.end, AttemptEnd::Lost { .. });
        if self.result.status != WorkerStatus::Succeeded && !is_lost {
            let result = Arc::make_mut(&mut self.result);
            result.status = WorkerStatus::Failed;
            result.error_class = Some(ErrorClass::Budget);
        }
        self
    }
}

fn of_completion(completed: JobCompleted) -> AttemptDone {
    let result = completed.into_result();
    AttemptDone { end: AttemptEnd::from(&result), result: result.into(), started: true }
}

fn stopped(stop: AttemptStop, started: bool) -> AttemptDone {
    let (status, error_class, reason, detail) = match &stop {
        AttemptStop::Failed(class, detail) => (WorkerStatus::Failed, *class, None, detail.clone()),
        AttemptStop::Cancelled(reason) => {
            let detail = format!("cancelled before its worker started ({})", reason.name());
            (WorkerStatus::Cancelled, Some(ErrorClass::RetryableTransient), Some(*reason), detail)
        }
        AttemptStop::Lost(detail) => (
            WorkerStatus::Failed,
            Some(ErrorClass::RetryableTransient),
            Some(CancelReason::Lost),
            detail.clone(),
        ),
    };
    let details = ResultDetails::default().with_cancel_reason(reason).with_error(Some(detail.clone()));
    let result = WorkerResult::of_status(status)
        .with_observations(vec![Observation::text(detail.clone())])
        .with_error_class(error_class)
        .with_details(details);
    let end = match stop {
        AttemptStop::Failed(class, detail) => AttemptEnd::Failed { class, detail, retry_at: None },
        AttemptStop::Cancelled(reason) => AttemptEnd::Cancelled { reason, detail },
        AttemptStop::Lost(detail) => AttemptEnd::Lost { detail },
    };
    AttemptDone { end, result: result.into(), started }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::JobOutcome;

    use super::*;

    #[test]
    fn a_script_that_checks_says_no_with_the_exit_code_1() {
        let with = |status, code, reason| {
            let details = ResultDetails::default().with_cancel_reason(reason);
            let result = WorkerResult::of_status(status).with_exit_code(Some(code)).with_details(details);
            let done = AttemptDone { end: AttemptEnd::from(&result), result: result.into(), started: true };
            done.of_script_that_checks().end == AttemptEnd::Succeeded
        };
        assert!(with(WorkerStatus::Failed, 1, None) && with(WorkerStatus::Succeeded, 0, None));
        assert!(!with(WorkerStatus::Failed, 2, None) && !with(WorkerStatus::Failed, 143, None));
        assert!(!with(WorkerStatus::Failed, 1, Some(CancelReason::Timeout)));
        assert!(!with(WorkerStatus::Cancelled, 1, Some(CancelReason::User)));
    }

    #[test]
    fn a_completion_without_a_result_keeps_outcome_and_class() {
        let done = of_completion(JobCompleted {
            job_id: "j".into(),
            outcome: JobOutcome::Failed,
            result: None,
            error_class: Some(ErrorClass::NonRetryable),
        });
        assert!(matches!(done.end, AttemptEnd::Failed { class: Some(ErrorClass::NonRetryable), .. }));
    }
}
