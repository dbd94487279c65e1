//! Ending a run, or one step of it, before its own end.

use roboppi_ipc::{Cancel, CancelReason, Mono};
use roboppi_run::{StepPath, StepState, cancel_words};

use super::requested::{grant, refuse};
use super::schedule::{Verdict, past};
use super::step::{StepPhase, VisiblePhase};
use super::{Phase, RunEffect, RunMachine};

/// Why a step does not go on when the run is ended: before its start, between two attempts, and before it is known to be complete.
const ENDED: [&str; 3] = [
    "the run was ended before it started",
    "the run was ended before its next attempt",
    "the run was ended before it was known to be complete",
];

/// The same when it is ended because another step failed.
const FAILED_FAST: [&str; 3] = [
    "another step had failed before it started (--fail-fast)",
    "another step had failed before its next attempt (--fail-fast)",
    "another step had failed before it was known to be complete (--fail-fast)",
];

impl RunMachine {
    pub(super) fn cancel(&mut self, now: Mono, cancel: Cancel, out: &mut Vec<RunEffect>) {
        if !self.begin_ending(now, cancel, out) {
            // The end of the core, which is more severe, does not touch what is done without it.
            return self.stop_collecting(cancel.reason, out);
        }
        for index in 0..self.steps.len() {
            self.ask(index, cancel, out);
        }
    }

    pub(super) fn core_lost(&mut self, now: Mono, detail: &str, out: &mut Vec<RunEffect>) {
        if self.is_finished() {
            return;
        }
        self.begin_ending(now, Cancel::graceful(CancelReason::Lost), out);
        for index in 0..self.steps.len() {
            // Outputs are collected without the core, so a step that is that far is waited for.
            if matches!(self.steps[index].life, StepPhase::Active { .. }) {
                self.active -= 1;
                self.over(now, index, StepState::Lost, false, Some(detail.to_owned()), out);
            }
        }
    }

    pub(super) fn cancel_step(&mut self, now: Mono, step: &StepPath, force: bool, out: &mut Vec<RunEffect>) {
        let Some(index) = self.requested(step, out) else { return };
        match self.steps[index].life {
            StepPhase::Active { asked: Some(asked), .. }
            | StepPhase::Collecting { asked: Some(asked), .. }
                if asked.force || !force =>
            {
                refuse(format!("`{step}` is being ended already"), out);
            }
            StepPhase::Active { .. } => {
                grant(out);
                self.ask(index, Cancel { reason: CancelReason::User, force }, out);
            }
            StepPhase::Collecting { .. } if self.steps[index].collects => {
                grant(out);
                self.ask(index, Cancel { reason: CancelReason::User, force }, out);
            }
            StepPhase::Collecting { .. } => {
                refuse(format!("the worker of `{step}` has succeeded already"), out);
            }
            StepPhase::Over { state, .. } => refuse(format!("`{step}` is over: it {}", past(state)), out),
            StepPhase::Waiting
            | StepPhase::Ready
            | StepPhase::Retrying { .. }
            | StepPhase::Limited { .. }
            | StepPhase::Deciding { .. } => {
                grant(out);
                self.leave_queue(index);
                let detail = Some("cancelled by the user".to_owned());
                self.over(now, index, StepState::Cancelled, false, detail, out);
                self.release(now, index, Verdict::Blocks, out);
            }
        }
    }

    /// A step has failed, and that counts: ends the run, if that is all it takes.
    pub(super) fn fail_fast(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        if self.fails_fast && self.phase == Phase::Running {
            self.cancel(now, Cancel::graceful(CancelReason::FailFast), out);
        }
    }

    /// Stops everything that is not under way. `false` when nothing is new about this end.
    fn begin_ending(&mut self, now: Mono, cancel: Cancel, out: &mut Vec<RunEffect>) -> bool {
        let (first, next) = match self.phase {
            Phase::Finished => return false,
            Phase::Idle | Phase::Running => (true, cancel),
            Phase::Ending(earlier) => (false, earlier.escalate(cancel)),
        };
        if self.phase == Phase::Ending(next) {
            return false;
        }
        out.push(RunEffect::RunEnding(next));
        self.phase = Phase::Ending(next);
        if first {
            self.ready.clear();
            self.unannounced.clear();
            self.retrying = 0;
            let ended_by_fail_fast = next.reason == CancelReason::FailFast;
            let words = if ended_by_fail_fast { &FAILED_FAST } else { &ENDED };
            for index in 0..self.steps.len() {
                let step = &self.steps[index];
                let (state, detail) = match step.life {
                    StepPhase::Active { .. } | StepPhase::Collecting { .. } | StepPhase::Over { .. } => {
                        continue;
                    }
                    StepPhase::Waiting
                    | StepPhase::Ready
                    | StepPhase::Retrying { .. }
                    | StepPhase::Limited { .. }
                        if step.started_at.is_none() =>
                    {
                        (StepState::Skipped, words[0])
                    }
                    // It did start, so it is not skipped.
                    StepPhase::Waiting
                    | StepPhase::Ready
                    | StepPhase::Retrying { .. }
                    | StepPhase::Limited { .. } => (StepState::Cancelled, words[1]),
                    StepPhase::Deciding { .. } => {
                        self.active -= 1;
                        (StepState::Cancelled, words[2])
                    }
                };
                self.steps[index].ended_by_fail_fast = ended_by_fail_fast;
                let state_detail = Some(detail.to_owned());
                self.over(now, index, state, false, state_detail, out);
            }
        }
        true
    }

    /// Asks steps to stop that collect their outputs and were not asked before.
    pub(super) fn stop_collecting(&mut self, reason: CancelReason, out: &mut Vec<RunEffect>) {
        for index in 0..self.steps.len() {
            if matches!(self.steps[index].life, StepPhase::Collecting { asked: None, .. }) {
                self.ask(index, Cancel::graceful(reason), out);
            }
        }
    }

    /// The time of an attempt is over while its outputs are collected.
    pub(super) fn collecting_overdue(&mut self, index: usize, epoch: u64, out: &mut Vec<RunEffect>) {
        match &mut self.steps[index].life {
            StepPhase::Collecting { asked: None, deadline, overdue, .. } if *deadline == Some(epoch) => {
                *overdue = true;
            }
            _ => return,
        }
        self.ask(index, Cancel::graceful(CancelReason::Timeout), out);
    }

    /// Asks an attempt under way to end, unless it was asked as hard before.
    pub(super) fn ask(&mut self, index: usize, cancel: Cancel, out: &mut Vec<RunEffect>) {
        let collects = self.steps[index].collects;
        let (shown, asked) = match &mut self.steps[index].life {
            StepPhase::Active { shown, asked } => (shown, asked),
            StepPhase::Collecting { shown, asked, .. } if collects => (shown, asked),
            _ => return,
        };
        let next = asked.map_or(cancel, |earlier| earlier.escalate(cancel));
        if *asked == Some(next) {
            return;
        }
        *asked = Some(next);
        let visible = *shown != VisiblePhase::Ending;
        *shown = VisiblePhase::Ending;
        if visible {
            self.change(index, StepState::Ending, Some(cancel_words(next.reason).into_owned()), out);
        }
        let of = self.steps[index].of();
        out.push(RunEffect::CancelAttempt { of, cancel: next });
    }
}
