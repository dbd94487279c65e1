//! Steps that passed on a retry: the same work, with the same inputs, failed and then succeeded.

use roboppi_ipc::{CancelReason, ErrorClass, WorkerResult, WorkerStatus};

use super::{AttemptStatus, AttemptView, RunView, StepView};
use crate::StepState;

impl AttemptView {
    /// Its result, once it is over.
    #[must_use]
    pub fn result(&self) -> Option<&WorkerResult> {
        match &self.status {
            AttemptStatus::Finished { result, .. } => Some(result),
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        }
    }

    /// Whether its own work failed: by itself, or because it took too long. A usage limit, a lost core and a cancellation are
    /// no failures of the work.
    #[must_use]
    pub fn failed_by_itself(&self) -> bool {
        let Some(result) = self.result() else { return false };
        let reason = result.details.as_ref().and_then(|details| details.cancel_reason);
        match (result.status, reason) {
            (_, Some(CancelReason::Timeout)) => result.status != WorkerStatus::Succeeded,
            (_, Some(_)) => false,
            (WorkerStatus::Failed, None) => result.error_class != Some(ErrorClass::RetryableRateLimit),
            (_, None) => false,
        }
    }
}

impl StepView {
    /// The failures of a step that succeeded nevertheless: attempts after which the same iteration of the same work passed
    /// on a retry. Empty for every other step. Attempts before a person asked for another one do not count: what was
    /// different from then on is not known.
    pub fn flaky_failures(&self) -> impl Iterator<Item = &AttemptView> + Clone {
        let succeeded = self.state == StepState::Succeeded;
        let passed = |failed: &AttemptView| {
            let of = &failed.of;
            let later = self.attempts.iter().filter(move |other| {
                other.of.iteration == of.iteration
                    && other.of.role == of.role
                    && other.of.attempt > of.attempt
                    && !other.superseded
            });
            later.filter_map(AttemptView::result).any(|result| result.status == WorkerStatus::Succeeded)
        };
        self.attempts
            .iter()
            .filter(move |attempt| succeeded && attempt.of.role == self.plan.role)
            .filter(|attempt| !attempt.superseded && attempt.failed_by_itself())
            .filter(move |attempt| passed(attempt))
    }

    /// How it passed: `failed twice, then succeeded on attempt 3`; `None` when it is not flaky.
    #[must_use]
    pub fn flaky_words(&self) -> Option<String> {
        let failures = self.flaky_failures();
        let last = failures.clone().last()?;
        let times = match failures.count() {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            count => format!("{count} times"),
        };
        let later = self.attempts.iter().filter(|other| {
            other.of.iteration == last.of.iteration
                && other.of.role == last.of.role
                && other.of.attempt > last.of.attempt
                && other.result().is_some_and(|result| result.status == WorkerStatus::Succeeded)
        });
        let passed = later.map(|attempt| attempt.of.attempt).max()?;
        Some(format!("failed {times}, then succeeded on attempt {passed}"))
    }

    /// Whether it passed on a retry only.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.flaky_failures().next().is_some()
    }
}

impl RunView {
    /// Steps that passed on a retry only, in the order of the file.
    pub fn flaky_steps(&self) -> impl Iterator<Item = &StepView> + Clone {
        self.steps().filter(|step| step.is_flaky())
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{ResultDetails, UtcMillis, WorkerKind};

    use super::*;
    use crate::{AttemptRef, JournalRecord, Role, RunCommand, RunEvent, RunId, RunMode, StepPath, StepPlan};

    fn events(attempts: &[(u32, u32, WorkerResult)], between: Option<&(usize, RunEvent)>) -> RunView {
        let plan = StepPlan {
            step: "a".into(),
            worker: WorkerKind::CUSTOM,
            depends_on: Vec::new(),
            description: None,
            timeout_ms: None,
            max_attempts: 3,
            max_iterations: None,
            role: Role::Work,
            check: None,
            host: crate::HostId::here(),
        };
        let started = RunEvent::RunStarted {
            run_id: RunId::parse("r1").unwrap(),
            handle: None,
            name: "n".into(),
            workflow: String::new(),
            workspace: "/w".into(),
            context_dir: "/c".into(),
            mode: RunMode::Direct,
            timeout_ms: 1,
            concurrency: 1,
            stream_stdio: true,
            steps: vec![plan.into()],
            only: Vec::new(),
            resumes: None,
        };
        let mut events = vec![started];
        for (index, (iteration, attempt, result)) in attempts.iter().enumerate() {
            if let Some((at, event)) = between
                && *at == index
            {
                events.push(event.clone());
            }
            let of = AttemptRef {
                iteration: *iteration,
                attempt: *attempt,
                ..AttemptRef::first(StepPath::from("a"))
            };
            events.push(RunEvent::AttemptStarted {
                of: of.clone(),
                job_id: of.to_string().as_str().into(),
                base: of.base(),
                fingerprint: None,
                resumed_session: None,
            });
            events.push(RunEvent::AttemptFinished {
                of,
                result: result.clone().into(),
                last_seq: None,
                log_bytes: 0,
                events_bytes: 0,
            });
        }
        let state = match attempts.last() {
            Some((.., result)) if result.status == WorkerStatus::Succeeded => StepState::Succeeded,
            _ => StepState::Failed,
        };
        events.push(RunEvent::StepChanged {
            step: "a".into(),
            state,
            detail: None,
            duration_ms: None,
            allowed_to_fail: false,
            limit_until: None,
        });
        let mut view = RunView::default();
        for (index, event) in events.into_iter().enumerate() {
            view.apply_journal(&JournalRecord { seq: index as u64 + 1, ts: UtcMillis(1), event });
        }
        view
    }

    fn result(status: WorkerStatus) -> WorkerResult {
        WorkerResult::of_status(status)
    }

    fn ended(reason: CancelReason) -> WorkerResult {
        let details = ResultDetails::default().with_cancel_reason(Some(reason));
        result(WorkerStatus::Cancelled).with_details(details)
    }

    fn failures(attempts: &[(u32, u32, WorkerResult)]) -> Vec<u32> {
        let view = events(attempts, None);
        view.steps[0].flaky_failures().map(|attempt| attempt.of.attempt).collect()
    }

    #[test]
    fn a_step_is_flaky_that_failed_and_then_passed() {
        let (failed, passed) = (result(WorkerStatus::Failed), result(WorkerStatus::Succeeded));
        let late = || ended(CancelReason::Timeout);
        assert_eq!(failures(&[(1, 1, failed.clone()), (1, 2, late()), (1, 3, passed.clone())]), [1, 2]);
        assert_eq!(failures(&[(1, 1, passed.clone())]), [0; 0]);
        assert_eq!(failures(&[(1, 1, failed.clone()), (1, 2, failed.clone())]), [0; 0]);
        // Another iteration is other work.
        assert_eq!(failures(&[(1, 1, failed.clone()), (2, 1, passed)]), [0; 0]);
    }

    #[test]
    fn a_limit_a_lost_core_and_a_cancellation_are_no_flakes() {
        let passed = || result(WorkerStatus::Succeeded);
        let limit = result(WorkerStatus::Failed).with_error_class(Some(ErrorClass::RetryableRateLimit));
        for first in [limit, ended(CancelReason::Lost), ended(CancelReason::User)] {
            assert_eq!(failures(&[(1, 1, first), (1, 2, passed())]), [0; 0]);
        }
    }

    #[test]
    fn a_retry_that_a_person_asked_for_is_no_flake() {
        let attempts = [(1, 1, result(WorkerStatus::Failed)), (1, 2, result(WorkerStatus::Succeeded))];
        let command = |refused: Option<&str>| RunEvent::Command {
            command: RunCommand::RetryStep("a".into()),
            by: None,
            user: None,
            refused: refused.map(str::to_owned),
        };
        assert!(!events(&attempts, Some(&(1, command(None)))).steps[0].is_flaky());
        assert!(events(&attempts, Some(&(1, command(Some("it runs"))))).steps[0].is_flaky());
        // Nor is what was flaky before: of the retry alone it is known how the step ended.
        let mut before = attempts.to_vec();
        before.push((1, 3, result(WorkerStatus::Succeeded)));
        assert!(!events(&before, Some(&(2, command(None)))).steps[0].is_flaky());
        assert!(events(&before, None).steps[0].is_flaky());
        let limited = result(WorkerStatus::Failed).with_error_class(Some(ErrorClass::RetryableRateLimit));
        let mut limits = attempts.to_vec();
        limits.insert(1, (1, 2, limited));
        limits[2].1 = 3;
        limits.push((1, 4, ended(CancelReason::Lost)));
        let mut view = events(&limits, None);
        let step = std::sync::Arc::make_mut(&mut view.steps[0]);
        step.state = StepState::Succeeded;
        assert_eq!(step.flaky_words().unwrap(), "failed once, then succeeded on attempt 3");
        let flaky = events(&attempts, None);
        let words: Vec<_> = flaky.flaky_steps().map(StepView::flaky_words).collect();
        assert_eq!(words, [Some("failed once, then succeeded on attempt 2".to_owned())]);
    }
}
