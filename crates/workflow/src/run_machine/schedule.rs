//! Starting, finishing and trying again.

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono, UtcMillis};
use roboppi_run::{AttemptRef, StepState, cancel_words, units};

use super::attempt_end::without_limit;
use super::step::{StepPhase, VisiblePhase};
use super::{AttemptEnd, Phase, RunEffect, RunMachine, RunTimerSubject};
use crate::control::chance;
use crate::definition::OnFailure;

/// Time between the end of a failed attempt, counted from 1, and the start of the next one.
#[must_use]
pub fn retry_delay(failed_attempt: u32) -> Duration {
    let doublings = failed_attempt.saturating_sub(1).min(10);
    Duration::from_millis((100 << doublings).min(5000))
}

/// How a step that will not be tried again is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The steps after it go on.
    Satisfies,
    /// The steps after it are skipped.
    Blocks,
}

/// A failure that a step is left at.
#[derive(Clone, Copy)]
pub(super) struct Failure {
    pub(super) state: StepState,
    /// The steps after it do not go on, whatever it says.
    pub(super) is_fatal: bool,
    /// The end of the usage limit that was the reason.
    pub(super) limit_until: Option<UtcMillis>,
}

/// Whether a failure leaves the session of an agent as it was: what failed was on the way to its service.
const fn leaves_session(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::RetryableTransient
            | ErrorClass::RetryableRateLimit
            | ErrorClass::RetryableNetwork
            | ErrorClass::RetryableService
    )
}

impl RunMachine {
    pub(super) fn begin(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        if self.phase == Phase::Idle && self.began_at.is_none() {
            self.began_at = Some(now);
            self.deadline = Some(self.set_timer(RunTimerSubject::Deadline, self.timeout, out));
        }
    }

    pub(super) fn start(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        if self.phase != Phase::Idle {
            return;
        }
        self.begin(now, out);
        self.phase = Phase::Running;
        self.announce_continued(out);
        for index in self.kept.clone() {
            self.change(index, StepState::Succeeded, None, out);
        }
        for index in 0..self.steps.len() {
            self.make_ready_if_free(index);
        }
    }

    /// Lets a step start that waits and has nothing left to wait for.
    pub(super) fn make_ready_if_free(&mut self, index: usize) {
        let step = &self.steps[index];
        if step.blockers == 0 && step.life == StepPhase::Waiting && self.phase == Phase::Running {
            if step.control.condition.is_some() {
                self.to_judge.push_back(index);
            } else {
                self.make_ready(index);
            }
        }
    }

    pub(super) fn make_ready(&mut self, index: usize) {
        self.steps[index].life = StepPhase::Ready;
        self.ready.insert(index);
        self.unannounced.insert(index);
    }

    /// Starts what may start, and ends the run when nothing is left.
    pub(super) fn settle(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        loop {
            self.judge(now, out);
            self.settle_groups(now, out);
            self.start_ready(now, out);
            // One whose last member did not start is done, and what waited for it may be judged.
            if !self.settle_groups(now, out) && self.to_judge.is_empty() {
                break;
            }
        }
        if self.phase == Phase::Running {
            while let Some(index) = self.unannounced.pop_first() {
                self.change(index, StepState::Ready, None, out);
            }
            // Cannot happen to a checked workflow. One that waits for itself must still come to an end.
            if self.active == 0 && self.retrying == 0 && self.ready.is_empty() {
                self.to_judge.clear();
                for index in 0..self.steps.len() {
                    if self.steps[index].life == StepPhase::Waiting {
                        let detail = "a step it depends on can never end".to_owned();
                        let state = self.steps[index].state_without_a_start();
                        self.over(now, index, state, false, Some(detail), out);
                    }
                }
            }
        }
        let begun = matches!(self.phase, Phase::Running | Phase::Ending(_));
        if begun && self.open == 0 {
            let (outcome, detail) = self.outcome();
            let is_limited = self.is_limited();
            let duration = self.began_at.map_or(Duration::ZERO, |began| now.since(began));
            self.phase = Phase::Finished;
            out.push(RunEffect::Finish { outcome, detail, duration, is_limited });
        }
    }

    /// Starts steps that are ready, as far as there are slots.
    fn start_ready(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        while self.phase == Phase::Running
            && self.active < self.slots()
            && let Some(index) = self.next_ready()
        {
            self.unannounced.remove(&index);
            if self.has_no_budget(index) || !self.is_held(now, index, out) {
                self.start_attempt(now, index, out);
            }
        }
    }

    pub(super) fn start_attempt(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        if self.has_no_budget(index) {
            return self.refuse_start(now, index, out);
        }
        self.active += 1;
        let step = &mut self.steps[index];
        step.rounds.start_attempt();
        step.is_unstarted = false;
        step.ignores_limit = false;
        step.is_limited = false;
        let continues = std::mem::take(&mut step.continues);
        step.started_at.get_or_insert(now);
        step.attempt_began = now;
        step.life = StepPhase::Active { shown: VisiblePhase::Starting, asked: None };
        let of = step.of();
        let checks = step.rounds.is_checking().then(|| "checking whether it is complete".to_owned());
        self.change(index, StepState::Starting, checks, out);
        if self.steps[index].group.is_some() && !self.steps[index].rounds.is_checking() {
            return self.open_group(index, out);
        }
        out.push(RunEffect::StartAttempt { of, continues });
    }

    /// The worker of an attempt was seen to be further.
    pub(super) fn attempt_shown(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        state: StepState,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of) else { return };
        let further = if state == StepState::Ending { VisiblePhase::Ending } else { VisiblePhase::Running };
        if let StepPhase::Active { shown, .. } = &mut self.steps[index].life
            && *shown < further
        {
            *shown = further;
            if further == VisiblePhase::Running {
                self.steps[index].attempt_began = now;
            }
            self.change(index, state, None, out);
        }
    }

    pub(super) fn attempt_finished(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        end: AttemptEnd,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of) else { return };
        let StepPhase::Active { shown, asked } = self.steps[index].life else { return };
        let no_more = self.budget_after_attempt(index);
        let running = self.phase == Phase::Running;
        let for_budget = running && is_for(CancelReason::Budget, asked);
        // Who was done before it could be ended goes on: what follows costs nothing, or does not start.
        let asked = asked.filter(|_| !for_budget || end != AttemptEnd::Succeeded);
        if end == AttemptEnd::Succeeded {
            self.limit_disproved(now, index);
            return if self.steps[index].rounds.is_checking() {
                self.check_done(now, index, shown, asked, out);
            } else {
                self.collect(now, index, shown, asked, out);
            };
        }
        self.active -= 1;
        let may_retry = asked.is_none() && no_more.is_none();
        let end = self.in_words(index, end, no_more.as_deref().filter(|_| asked.is_none()));
        match end {
            AttemptEnd::Succeeded => {}
            AttemptEnd::Failed { .. } | AttemptEnd::TimedOut { .. } | AttemptEnd::Cancelled { .. }
                if for_budget && !matches!(end, AttemptEnd::Cancelled { reason: CancelReason::Lost, .. }) =>
            {
                self.ended_for_budget(now, index, out);
            }
            AttemptEnd::Failed { class: Some(ErrorClass::Budget), .. } if no_more.is_some() => {
                self.ended_for_budget(now, index, out);
            }
            end => self.did_not_succeed(now, index, end, asked, may_retry, out),
        }
    }

    /// An attempt has ended otherwise, and not because of a budget.
    fn did_not_succeed(
        &mut self,
        now: Mono,
        index: usize,
        end: AttemptEnd,
        asked: Option<Cancel>,
        may_retry: bool,
        out: &mut Vec<RunEffect>,
    ) {
        let transient = Some(ErrorClass::RetryableTransient);
        match end {
            AttemptEnd::Succeeded => {}
            // It came up against a limit of its own while the run was ended because another step failed.
            AttemptEnd::Failed { detail, retry_at: Some(until), .. }
                if is_for(CancelReason::FailFast, asked) =>
            {
                let failure = Failure { state: StepState::Failed, is_fatal: false, limit_until: Some(until) };
                self.give_up(now, index, failure, detail, out);
            }
            AttemptEnd::Failed { class, detail, retry_at } => {
                self.steps[index].continues = class.is_some_and(leaves_session);
                let until = retry_at.filter(|_| may_retry);
                if !until.is_some_and(|until| self.limit_reached(now, index, until, &detail, out)) {
                    self.failed(now, index, StepState::Failed, class, may_retry, detail, out);
                }
            }
            AttemptEnd::Lost { detail } | AttemptEnd::Cancelled { reason: CancelReason::Lost, detail } => {
                self.failed(now, index, StepState::Lost, transient, may_retry, detail, out);
            }
            // Asked to end, and ended by force of that: whose clock was faster does not matter.
            AttemptEnd::Cancelled { detail, .. } | AttemptEnd::TimedOut { detail } if asked.is_some() => {
                let reason = asked.map_or(CancelReason::User, |asked| asked.reason);
                self.ended_on_request(now, index, reason, &detail, out);
            }
            // Not our doing: its own limits, or someone who reached the core another way.
            AttemptEnd::TimedOut { detail }
            | AttemptEnd::Cancelled { reason: CancelReason::Timeout, detail } => {
                let detail = self.timed_out_words(index, &detail);
                self.failed(now, index, StepState::Failed, transient, may_retry, detail, out);
            }
            AttemptEnd::Cancelled { reason: CancelReason::Budget, detail } => {
                let class = Some(ErrorClass::NonRetryable);
                self.failed(now, index, StepState::Failed, class, false, detail, out);
            }
            AttemptEnd::Cancelled { reason, detail } => {
                self.ended_on_request(now, index, reason, &detail, out);
            }
        }
    }

    /// An attempt was ended because that was requested: nobody tries it again.
    fn ended_on_request(
        &mut self,
        now: Mono,
        index: usize,
        reason: CancelReason,
        detail: &str,
        out: &mut Vec<RunEffect>,
    ) {
        // The step has a limit of its own, which it is not.
        let why = match reason {
            CancelReason::Timeout => match self.overdue_group(index) {
                Some(group) => format!("the time limit of `{group}` was reached").into(),
                None => "the time limit of the run was reached".into(),
            },
            other => cancel_words(other),
        };
        let how = without_limit(detail);
        let detail = if how.is_empty() { why.into_owned() } else { format!("{why}; {how}") };
        self.over(now, index, StepState::Cancelled, false, Some(detail), out);
        self.release(now, index, Verdict::Blocks, out);
    }

    /// That an attempt had no time left: after which time, by which limit, and how it ended.
    fn timed_out_words(&self, index: usize, detail: &str) -> String {
        let is_idle = detail.starts_with("(`idle`)");
        let limit = self.steps[index].timeout().filter(|_| !is_idle);
        let after = limit.map_or(String::new(), |limit| format!(" after {}", time_words(limit)));
        let whose = if self.steps[index].rounds.is_checking() { "its check " } else { "" };
        format!("{whose}timed out{after} {detail}")
    }

    /// How an attempt ended, with whether it was a check, and with why there is no other attempt although some are left.
    fn in_words(&mut self, index: usize, end: AttemptEnd, no_more: Option<&str>) -> AttemptEnd {
        let rounds = self.steps[index].rounds;
        let end = if rounds.is_checking() { end.of_check() } else { end };
        match no_more.filter(|_| rounds.attempts().are_left()) {
            Some(why) => {
                self.stopped_by_budget |= self.has_no_budget(index);
                end.not_tried_again(why)
            }
            None => end,
        }
    }

    /// The worker of an attempt has succeeded: what it made is collected, within what is left of its time.
    fn collect(
        &mut self,
        now: Mono,
        index: usize,
        shown: VisiblePhase,
        asked: Option<Cancel>,
        out: &mut Vec<RunEffect>,
    ) {
        let step = &self.steps[index];
        let of = step.of();
        if step.collects && asked.is_some() {
            self.active -= 1;
            let detail = "ended before its outputs were collected".to_owned();
            self.over(now, index, StepState::Cancelled, false, Some(detail), out);
            return self.release(now, index, Verdict::Blocks, out);
        }
        let mut deadline = None;
        if step.collects {
            let left = step.timeout().map(|limit| limit.saturating_sub(now.since(step.attempt_began)));
            let subject = RunTimerSubject::Collecting(step.id.clone());
            self.change(index, shown.state(), Some("collecting its outputs".to_owned()), out);
            deadline = left.map(|left| self.set_timer(subject, left, out));
        }
        self.steps[index].life = StepPhase::Collecting { shown, asked, deadline, overdue: false };
        out.push(RunEffect::CollectOutputs { of });
    }

    pub(super) fn outputs_collected(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        result: Result<(), String>,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of) else { return };
        let StepPhase::Collecting { shown, asked, overdue, .. } = self.steps[index].life else { return };
        if result.is_ok() {
            // Whose own time was over, and who was done all the same, goes on.
            let own_time = |asked: &Cancel| overdue && asked.reason == CancelReason::Timeout;
            let asked = asked.filter(|asked| asked.force || !own_time(asked));
            return self.work_done(now, index, shown, asked, out);
        }
        self.active -= 1;
        match result {
            Ok(()) => {}
            Err(problem) if overdue => {
                let problem = format!("(`timeout`) while its outputs were collected: {problem}");
                let detail = self.timed_out_words(index, &problem);
                let transient = Some(ErrorClass::RetryableTransient);
                // Somebody who forced its end does not command for another attempt.
                let may_retry = asked.is_none_or(|asked| !asked.force);
                self.failed(now, index, StepState::Failed, transient, may_retry, detail, out);
            }
            Err(problem) if asked.is_some() => {
                let detail = format!("ended while its outputs were collected: {problem}");
                self.over(now, index, StepState::Cancelled, false, Some(detail), out);
                self.release(now, index, Verdict::Blocks, out);
            }
            Err(problem) => {
                let detail = format!("its outputs could not be collected: {problem}");
                self.failed(now, index, StepState::Failed, None, false, detail, out);
            }
        }
    }

    /// An attempt did not succeed: try again, or leave it at `state`.
    #[expect(clippy::too_many_arguments, reason = "one failure is that many facts")]
    pub(super) fn failed(
        &mut self,
        now: Mono,
        index: usize,
        state: StepState,
        class: Option<ErrorClass>,
        may_retry: bool,
        detail: String,
        out: &mut Vec<RunEffect>,
    ) {
        let step = &self.steps[index];
        let fatal = class == Some(ErrorClass::Fatal);
        let may_retry = may_retry && class != Some(ErrorClass::Budget);
        let attempts = step.rounds.attempts();
        let (attempt, most) = (attempts.made(), attempts.allowed());
        let running = self.phase == Phase::Running;
        let policy = step.control.retry.as_ref();
        let is_covered = policy.is_none_or(|policy| policy.covers(class));
        if running && may_retry && !fatal && is_covered && attempts.are_left() {
            let own =
                policy.map(|policy| policy.delay(attempt, chance(self.seed, step.id.as_str(), attempt)));
            let after = own.unwrap_or_else(|| retry_delay(attempt));
            let epoch = self.set_timer(RunTimerSubject::Retry(step.id.clone()), after, out);
            self.retrying += 1;
            self.steps[index].life = StepPhase::Retrying { epoch };
            let next = own.map_or_else(String::new, |wait| format!("; next attempt in {}", time_words(wait)));
            let detail = format!("attempt {attempt} of {most}: {detail}{next}");
            self.change(index, StepState::Retrying, Some(detail), out);
            return;
        }
        let detail = if is_covered || !attempts.are_left() || fatal || !may_retry {
            detail
        } else {
            let class = class.map_or_else(|| "none".to_owned(), |class| class.name().to_owned());
            format!("{detail}; not retried: its class, {class}, is not one of `retry.on`")
        };
        let detail = if attempt > 1 { format!("attempt {attempt} of {most}: {detail}") } else { detail };
        self.give_up(now, index, Failure { state, is_fatal: fatal, limit_until: None }, detail, out);
    }

    /// Leaves a step at a failure.
    pub(super) fn give_up(
        &mut self,
        now: Mono,
        index: usize,
        failure: Failure,
        detail: String,
        out: &mut Vec<RunEffect>,
    ) {
        let Failure { state, is_fatal, limit_until } = failure;
        let step = &mut self.steps[index];
        step.is_limited = limit_until.is_some();
        step.is_fatal = is_fatal;
        // What the failure of a member means for the run, its group says.
        let is_member = step.member_of.is_some();
        let excused = step.failure.continue_on_error;
        let goes_on = excused || (step.failure.on_failure == OnFailure::Continue && !is_fatal);
        self.over_because(now, index, (state, excused), Some(detail), limit_until, out);
        self.release(now, index, if goes_on { Verdict::Satisfies } else { Verdict::Blocks }, out);
        if !excused && !is_member {
            self.fail_fast(now, out);
        }
    }

    /// Tells the steps that wait for this one.
    pub(super) fn release(&mut self, now: Mono, index: usize, verdict: Verdict, out: &mut Vec<RunEffect>) {
        if verdict == Verdict::Satisfies {
            if let StepPhase::Over { satisfies, .. } = &mut self.steps[index].life {
                *satisfies = true;
            }
            for dependent in self.steps[index].dependents.clone() {
                self.steps[dependent].blockers -= 1;
                self.make_ready_if_free(dependent);
            }
            return;
        }
        let mut blocked = vec![index];
        while let Some(index) = blocked.pop() {
            let step = &self.steps[index];
            let why = format!("`{}` {}", step.id, past(step.life.state()));
            for dependent in step.dependents.clone() {
                if self.steps[dependent].judges_outcomes() {
                    self.steps[dependent].blockers -= 1;
                    self.make_ready_if_free(dependent);
                } else if self.steps[dependent].life == StepPhase::Waiting {
                    let state = self.steps[dependent].state_without_a_start();
                    self.over(now, dependent, state, false, Some(why.clone()), out);
                    blocked.push(dependent);
                }
            }
        }
    }

    /// Gives a step its final state. The caller has taken it out of every count but `open`.
    pub(super) fn over(
        &mut self,
        now: Mono,
        index: usize,
        state: StepState,
        excused: bool,
        detail: Option<String>,
        out: &mut Vec<RunEffect>,
    ) {
        self.over_because(now, index, (state, excused), detail, None, out);
    }

    fn over_because(
        &mut self,
        now: Mono,
        index: usize,
        (state, excused): (StepState, bool),
        detail: Option<String>,
        limit_until: Option<UtcMillis>,
        out: &mut Vec<RunEffect>,
    ) {
        self.open -= 1;
        self.count_member(index, true);
        let was_open = self.hosting.remove(&index);
        let step = &mut self.steps[index];
        if let StepPhase::Active { asked, .. } | StepPhase::Collecting { asked, .. } = step.life {
            // Whatever it was doing, it did not come to its end because of the other step.
            step.ended_by_fail_fast = state == StepState::Cancelled && is_for(CancelReason::FailFast, asked);
        }
        step.life = StepPhase::Over { state, excused, satisfies: false };
        out.push(RunEffect::StepChanged {
            step: step.id.clone(),
            state,
            detail,
            allowed_to_fail: excused,
            duration: step.started_at.map(|started| now.since(started)),
            limit_until,
        });
        if was_open {
            let of = self.steps[index].of();
            let detail = "the core was lost".to_owned();
            out.push(RunEffect::GroupClosed { of, end: AttemptEnd::Lost { detail } });
        }
        self.leave_members(now, index, out);
    }

    pub(super) fn change(
        &self,
        index: usize,
        state: StepState,
        detail: Option<String>,
        out: &mut Vec<RunEffect>,
    ) {
        let step = self.steps[index].id.clone();
        out.push(RunEffect::StepChanged {
            step,
            state,
            detail,
            allowed_to_fail: false,
            duration: None,
            limit_until: None,
        });
    }
}

/// Whether a step was asked to end, for that reason.
fn is_for(reason: CancelReason, asked: Option<Cancel>) -> bool {
    asked.is_some_and(|asked| asked.reason == reason)
}

/// A length of time as the file has it.
pub(super) fn time_words(time: Duration) -> String {
    units::limit(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// What happened to a step, after its name.
pub(super) fn past(state: StepState) -> String {
    match state {
        StepState::Failed | StepState::Succeeded => state.name().to_owned(),
        StepState::Skipped | StepState::Cancelled | StepState::Lost => format!("was {}", state.name()),
        StepState::Incomplete => "is incomplete".to_owned(),
        other => format!("is {}", other.name()),
    }
}
