//! What a run and its steps have used up, and what follows when a budget is spent.
//!
//! A step that has spent its own budget is asked to end, fails with the class `BUDGET`, and is not tried again. Once the budget
//! of the run is spent every agent that is under way is asked to end, and no other one starts; commands go on, as they use
//! nothing up. An agent that is done before it can be ended has succeeded all the same.

use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono};
use roboppi_run::{AttemptRef, StepPath, StepState};

use super::schedule::Verdict;
use super::step::StepPhase;
use super::{Phase, RunEffect, RunMachine};
use crate::budget::{Dollars, Used};

impl RunMachine {
    /// What the next attempt of a step may cost, or one that has just started: for agents that keep such a limit themselves.
    #[must_use]
    pub fn cost_left(&self, step: &StepPath) -> Option<Dollars> {
        let of_step = self.index.get(step).map(|index| self.steps[*index].budget)?;
        let left = |limit: Option<Dollars>, used: Used| limit.map(|limit| limit.minus(used.cost));
        let own = left(of_step.limit.max_cost, of_step.earlier);
        let run = left(self.budget.max_cost, self.used);
        own.into_iter().chain(run).min()
    }

    /// An attempt has used that much so far. `is_last`: it is over, and how it ended comes next.
    pub(super) fn attempt_used(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        used: Used,
        is_last: bool,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of) else { return };
        if !matches!(self.steps[index].life, StepPhase::Active { .. }) {
            return;
        }
        let step = &mut self.steps[index];
        let more = step.budget.reach(used);
        let is_spent = step.budget.spent().is_some();
        self.used = self.used.plus(more);
        if self.phase != Phase::Running {
            return;
        }
        if is_spent && !is_last {
            self.ask_for_budget(index, out);
        }
        if self.spent.is_none()
            && let Some(detail) = self.budget.spent_by_run(self.used)
        {
            out.push(RunEffect::BudgetSpent { detail: detail.clone() });
            self.spent = Some(detail);
            self.end_agents(now, index, is_last, out);
        }
    }

    /// Ends the agents that are under way, and those that wait for a slot, for their next attempt or for a usage limit.
    fn end_agents(&mut self, now: Mono, last: usize, is_last: bool, out: &mut Vec<RunEffect>) {
        for index in 0..self.steps.len() {
            let step = &self.steps[index];
            if !step.is_agent() {
                continue;
            }
            match step.life {
                StepPhase::Active { .. } if !is_last || index != last => self.ask_for_budget(index, out),
                StepPhase::Ready | StepPhase::Retrying { .. } | StepPhase::Limited { .. } => {
                    self.leave_queue(index);
                    self.refuse_start(now, index, out);
                }
                _ => {}
            }
        }
    }

    /// Asks an attempt to end, unless somebody did before: then it ends for that reason.
    fn ask_for_budget(&mut self, index: usize, out: &mut Vec<RunEffect>) {
        if let StepPhase::Active { asked: None, .. } = self.steps[index].life {
            self.ask(index, Cancel::graceful(CancelReason::Budget), out);
        }
    }

    /// Whether a step may not start because the budget of the run is spent.
    pub(super) fn has_no_budget(&self, index: usize) -> bool {
        self.spent.is_some() && self.steps[index].is_agent()
    }

    /// Leaves a step as it is which would start now. The caller has taken it out of every count but `open`.
    pub(super) fn refuse_start(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        self.stopped_by_budget = true;
        let state = self.steps[index].state_without_a_start();
        let detail = self.spent.clone();
        self.over(now, index, state, false, detail, out);
        self.release(now, index, Verdict::Blocks, out);
    }

    /// An attempt is over that was asked to end because of a budget, and has not succeeded.
    pub(super) fn ended_for_budget(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        let own = self.steps[index].budget.spent();
        self.stopped_by_budget |= own.is_none();
        let detail = own.or_else(|| self.spent.clone()).unwrap_or_else(|| "a budget is spent".to_owned());
        self.failed(now, index, StepState::Failed, Some(ErrorClass::Budget), false, detail, out);
    }

    /// Counts the attempt that was under way as over. Returns why there may not be another one, if that is so.
    pub(super) fn budget_after_attempt(&mut self, index: usize) -> Option<String> {
        let step = &mut self.steps[index];
        step.budget.attempt_over();
        let run = self.spent.as_ref().filter(|_| step.is_agent());
        step.budget.spent().or_else(|| run.cloned())
    }
}
