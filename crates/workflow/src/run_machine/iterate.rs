//! What follows the work of an iteration: a check, a decision, the next iteration.

use roboppi_ipc::{Cancel, Mono};
use roboppi_run::{AttemptRef, StepState};

use super::policy::AfterWork;
use super::schedule::{Failure, Verdict};
use super::step::{StepPhase, VisiblePhase};
use super::{IterationDecision, Phase, RunEffect, RunMachine};
use crate::definition::OnExhausted;

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
            AfterWork::Check if self.may_go_on(index, asked) => {
                self.steps[index].continues = false;
                self.steps[index].rounds.begin_check();
                self.active -= 1;
                self.start_attempt(now, index, out);
            }
            AfterWork::Decide if self.may_go_on(index, asked) => self.decide(index, shown, out),
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
        if self.may_go_on(index, asked) {
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
        let rounds = &mut self.steps[index].rounds;
        match decision {
            IterationDecision::Complete => {
                rounds.note_decision();
                self.complete(now, index, out);
            }
            IterationDecision::Incomplete { detail } => {
                rounds.note_decision();
                self.incomplete(now, index, detail, out);
            }
            IterationDecision::Stalled { detail } => self.fail_iteration(now, index, detail, out),
            IterationDecision::Unknown { detail } => {
                if rounds.note_no_decision() {
                    let detail =
                        format!("it could not be decided twice in a row whether it is complete: {detail}");
                    return self.fail_iteration(now, index, detail, out);
                }
                let detail = format!("it could not be decided whether it is complete: {detail}");
                self.incomplete(now, index, Some(detail), out);
            }
        }
    }

    /// The work of an iteration is not complete: the next one begins, or there is none.
    fn incomplete(&mut self, now: Mono, index: usize, detail: Option<String>, out: &mut Vec<RunEffect>) {
        let rounds = &mut self.steps[index].rounds;
        if rounds.begin_next() {
            return self.next_iteration(index, detail, out);
        }
        let why = detail.map_or_else(String::new, |why| format!(": {why}"));
        let detail = format!("not complete after {} iterations{why}", rounds.iteration());
        match rounds.on_exhausted() {
            OnExhausted::Abort => self.fail_iteration(now, index, detail, out),
            OnExhausted::Continue => {
                self.active -= 1;
                self.over(now, index, StepState::Incomplete, false, Some(detail), out);
                self.release(now, index, Verdict::Satisfies, out);
            }
        }
    }

    fn fail_iteration(&mut self, now: Mono, index: usize, detail: String, out: &mut Vec<RunEffect>) {
        self.active -= 1;
        let failure = Failure { state: StepState::Failed, is_fatal: false, limit_until: None };
        self.give_up(now, index, failure, detail, out);
    }

    /// Steps that do not begin with their first iteration say so.
    pub(super) fn announce_continued(&self, out: &mut Vec<RunEffect>) {
        for step in self.steps.iter().filter(|step| step.rounds.iteration() > 1) {
            out.push(RunEffect::IterationStarted {
                step: step.id.clone(),
                iteration: step.rounds.iteration(),
                max_iterations: step.rounds.most(),
                detail: Some("continued from the earlier run".to_owned()),
            });
        }
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
    fn may_go_on(&self, index: usize, asked: Option<Cancel>) -> bool {
        asked.is_none() && self.phase == Phase::Running && !self.is_above_ending(index)
    }
}
