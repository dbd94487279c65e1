//! What follows the work of an iteration: a check, a decision, the next iteration.

use roboppi_ipc::{Cancel, ErrorClass, Mono};
use roboppi_run::{AttemptRef, StepState};

use super::policy::AfterWork;
use super::schedule::Verdict;
use super::step::{StepPhase, VisiblePhase};
use super::{IterationDecision, Phase, RunEffect, RunMachine};

impl RunMachine {
    /// The work of an iteration has succeeded, and what it made is collected. The step holds its slot still.
    pub(super) fn work_done(
        &mut self,
        now: Mono,
        index: usize,
        shown: VisiblePhase,
        asked: Option<Cancel>,
        out: &mut Vec<RunEffect>,
    ) {
        match self.steps[index].rounds.after_work() {
            AfterWork::Done => self.complete(now, index, out),
            AfterWork::Check if self.may_go_on(asked) => {
                self.steps[index].continues = false;
                self.steps[index].rounds.begin_check();
                self.active -= 1;
                self.start_attempt(now, index, out);
            }
            AfterWork::Decide if self.may_go_on(asked) => self.decide(index, shown, out),
            AfterWork::Check | AfterWork::Decide => self.leave_incomplete(now, index, out),
        }
    }

    /// The attempt that checks the work of an iteration has come to its end.
    pub(super) fn check_done(
        &mut self,
        now: Mono,
        index: usize,
        shown: VisiblePhase,
        asked: Option<Cancel>,
        out: &mut Vec<RunEffect>,
    ) {
        if self.may_go_on(asked) {
            self.decide(index, shown, out);
        } else {
            self.leave_incomplete(now, index, out);
        }
    }

    pub(super) fn decided(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        decision: IterationDecision,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of) else { return };
        if !matches!(self.steps[index].life, StepPhase::Deciding { .. }) {
            return;
        }
        let detail = match decision {
            IterationDecision::Complete => return self.complete(now, index, out),
            IterationDecision::Incomplete { detail } => {
                if self.steps[index].rounds.begin_next() {
                    return self.next_iteration(index, detail, out);
                }
                let iterations = self.steps[index].rounds.iteration();
                let why = detail.map_or_else(String::new, |why| format!(": {why}"));
                format!("not complete after {iterations} iterations{why}")
            }
            IterationDecision::Unknown { detail } => {
                format!("it cannot be decided whether it is complete: {detail}")
            }
        };
        self.active -= 1;
        let class = Some(ErrorClass::NonRetryable);
        self.failed(now, index, StepState::Failed, class, false, detail, out);
    }

    fn next_iteration(&mut self, index: usize, detail: Option<String>, out: &mut Vec<RunEffect>) {
        self.active -= 1;
        let step = &self.steps[index];
        out.push(RunEffect::IterationStarted {
            step: step.id.clone(),
            iteration: step.rounds.iteration(),
            max_iterations: step.rounds.most(),
            detail,
        });
        self.make_ready(index);
    }

    fn decide(&mut self, index: usize, shown: VisiblePhase, out: &mut Vec<RunEffect>) {
        let step = &mut self.steps[index];
        step.life = StepPhase::Deciding { shown };
        out.push(RunEffect::DecideIteration { of: step.of() });
    }

    fn complete(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        self.active -= 1;
        self.over(now, index, StepState::Succeeded, false, None, out);
        self.release(now, index, Verdict::Satisfies, out);
    }

    fn leave_incomplete(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        self.active -= 1;
        let detail = "asked to end before it was known to be complete".to_owned();
        self.over(now, index, StepState::Cancelled, false, Some(detail), out);
        self.release(now, index, Verdict::Blocks, out);
    }

    /// Whether a step may start anything more.
    fn may_go_on(&self, asked: Option<Cancel>) -> bool {
        asked.is_none() && self.phase == Phase::Running
    }
}
