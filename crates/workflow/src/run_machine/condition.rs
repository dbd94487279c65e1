//! Conditions of steps: whether a step is done, once what it depends on is over.

use roboppi_ipc::Mono;
use roboppi_run::{StepPath, StepState};

use super::schedule::Verdict;
use super::step::{RunStep, StepPhase};
use super::{Phase, RunEffect, RunMachine};
use crate::condition::{Condition, Situation};

impl RunStep {
    /// Whether its condition says itself what the outcomes of its dependencies mean, so that it waits for the end of each of them,
    /// whatever that is.
    pub(super) fn judges_outcomes(&self) -> bool {
        self.control.condition.as_ref().is_some_and(Condition::judges_outcomes)
    }
}

impl RunMachine {
    /// Decides of the steps whose dependencies are over now whether they are done.
    pub(super) fn judge(&mut self, now: Mono, out: &mut Vec<RunEffect>) {
        while let Some(index) = self.to_judge.pop_front() {
            let step = &self.steps[index];
            if step.life != StepPhase::Waiting || step.blockers > 0 || self.phase != Phase::Running {
                continue;
            }
            let Some(condition) = &step.control.condition else { continue };
            if self.holds(index, condition) {
                self.make_ready(index);
                continue;
            }
            let detail = format!("its condition is false: {}", condition.text());
            self.steps[index].is_left_out = true;
            let started = self.steps[index].state_without_a_start();
            self.over(now, index, started, true, Some(detail), out);
            self.release(now, index, Verdict::Satisfies, out);
        }
    }

    fn holds(&self, index: usize, condition: &Condition) -> bool {
        let dependencies = &self.steps[index].dependencies;
        let has_failed = |dependency: &usize| {
            let life = &self.steps[*dependency].life;
            let failed = match life {
                StepPhase::Over { state, excused: false, .. } => {
                    matches!(state, StepState::Failed | StepState::Lost | StepState::Cancelled)
                }
                _ => false,
            };
            failed || self.blocks(*dependency)
        };
        let outcome = |step: &StepPath| self.state(step);
        condition.holds(&Situation {
            success: !dependencies.iter().any(|dependency| self.blocks(*dependency)),
            failure: dependencies.iter().any(has_failed),
            outcome: &outcome,
        })
    }
}
