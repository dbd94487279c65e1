//! What people command for one step beside its end.

use roboppi_ipc::Mono;
use roboppi_run::{StepPath, StepState};

use super::policy::LimitWaits;
use super::schedule::{Verdict, past};
use super::step::StepPhase;
use super::{Phase, RunEffect, RunMachine};

impl RunMachine {
    pub(super) fn retry_step(&mut self, step: &StepPath, out: &mut Vec<RunEffect>) {
        let Some(index) = self.requested(step, out) else { return };
        if matches!(self.steps[index].life, StepPhase::Limited { .. }) && self.phase == Phase::Running {
            return self.start_in_spite_of_limit(index, out);
        }
        if let Err(why) = self.may_be_retried(index) {
            return refuse(why, out);
        }
        grant(out);
        let retried = &mut self.steps[index];
        retried.rounds.begin_again();
        retried.budget.begin_again();
        retried.limit_waits = LimitWaits::default();
        retried.ignores_limit = true;
        retried.is_limited = false;
        retried.is_unstarted = true;
        self.wait_again(index, "to be tried again, by the user", out);
        self.unskip(index, out);
        self.make_ready_if_free(index);
    }

    pub(super) fn skip_step(&mut self, now: Mono, step: &StepPath, out: &mut Vec<RunEffect>) {
        let Some(index) = self.requested(step, out) else { return };
        let skipped = &self.steps[index];
        match skipped.life {
            StepPhase::Waiting | StepPhase::Ready | StepPhase::Limited { .. }
                if skipped.started_at.is_none() => {}
            StepPhase::Over { state, .. } => {
                return refuse(format!("`{step}` is over: it {}", past(state)), out);
            }
            _ => return refuse(format!("`{step}` has started: it can be cancelled, not skipped"), out),
        }
        grant(out);
        self.leave_queue(index);
        let detail = Some("skipped by the user".to_owned());
        self.over(now, index, StepState::Skipped, true, detail, out);
        self.release(now, index, Verdict::Satisfies, out);
    }

    /// The step a command is for. Commands that no step can be granted are refused here.
    pub(super) fn requested(&self, step: &StepPath, out: &mut Vec<RunEffect>) -> Option<usize> {
        if self.phase == Phase::Finished {
            refuse("the run is over".to_owned(), out);
            return None;
        }
        let index = self.index.get(step).copied();
        if index.is_none() {
            refuse(format!("there is no step `{step}`"), out);
        }
        index
    }

    /// Takes a step without an attempt under way out of what waits for a slot, a timer or a decision.
    pub(super) fn leave_queue(&mut self, index: usize) {
        self.ready.remove(&index);
        self.unannounced.remove(&index);
        match self.steps[index].life {
            StepPhase::Retrying { .. } => self.retrying -= 1,
            StepPhase::Limited { .. } => self.leave_limit(index),
            StepPhase::Deciding { .. } => self.active -= 1,
            _ => {}
        }
    }

    fn may_be_retried(&self, index: usize) -> Result<(), String> {
        let step = &self.steps[index];
        let id = &step.id;
        if matches!(self.phase, Phase::Ending(_)) {
            return Err("the run is being ended: nothing new starts".to_owned());
        }
        if self.has_no_budget(index) {
            return Err("the budget of the run is spent: no further agent starts".to_owned());
        }
        if let Some(why) = self.member_refusal(index) {
            return Err(why);
        }
        match step.life {
            StepPhase::Over { state: StepState::Succeeded, .. } => return Err(format!("`{id}` succeeded")),
            StepPhase::Over { .. } => {}
            StepPhase::Waiting | StepPhase::Ready => return Err(format!("`{id}` is about to start anyway")),
            StepPhase::Retrying { .. } | StepPhase::Limited { .. } => {
                return Err(format!("`{id}` is about to be retried anyway"));
            }
            StepPhase::Active { .. } | StepPhase::Collecting { .. } | StepPhase::Deciding { .. } => {
                return Err(format!("`{id}` is under way"));
            }
        }
        let judges = step.judges_outcomes();
        match step.dependencies.iter().find(|dependency| !judges && self.blocks(**dependency)) {
            Some(dependency) => {
                let other = &self.steps[*dependency];
                let (other, how) = (&other.id, past(other.life.state()));
                Err(format!("`{id}` needs `{other}`, which {how}: retry `{other}`"))
            }
            None => Ok(()),
        }
    }

    /// Whether a step is over and keeps those after it from starting.
    pub(super) fn blocks(&self, index: usize) -> bool {
        matches!(self.steps[index].life, StepPhase::Over { satisfies: false, .. })
    }

    /// Gives a step that is over its life back.
    fn wait_again(&mut self, index: usize, why: &str, out: &mut Vec<RunEffect>) {
        let satisfied = !self.blocks(index);
        self.steps[index].life = StepPhase::Waiting;
        self.steps[index].is_left_out = false;
        self.open += 1;
        self.count_member(index, false);
        self.change(index, StepState::Pending, Some(why.to_owned()), out);
        // What has started on the strength of it goes on; the others wait for it once more.
        for dependent in self.steps[index].dependents.clone() {
            if !satisfied && !self.steps[dependent].judges_outcomes() {
                continue;
            }
            self.steps[dependent].blockers += 1;
            let may_start =
                matches!(self.steps[dependent].life, StepPhase::Ready | StepPhase::Limited { .. });
            if may_start && self.steps[dependent].is_unstarted {
                self.leave_queue(dependent);
                self.steps[dependent].life = StepPhase::Waiting;
                self.change(dependent, StepState::Pending, None, out);
            }
        }
    }

    /// Lets those wait again that were skipped because of a step, as far as nothing else keeps them from starting.
    fn unskip(&mut self, index: usize, out: &mut Vec<RunEffect>) {
        let why = format!("`{}` is tried again", self.steps[index].id);
        let mut visited = vec![index];
        while let Some(index) = visited.pop() {
            for dependent in self.steps[index].dependents.clone() {
                let step = &self.steps[dependent];
                let skipped =
                    matches!(step.life, StepPhase::Over { state: StepState::Skipped, satisfies: false, .. });
                let blocked =
                    !step.judges_outcomes() && step.dependencies.iter().any(|other| self.blocks(*other));
                if (skipped || step.is_left_out) && !blocked {
                    self.wait_again(dependent, &why, out);
                    visited.push(dependent);
                }
            }
        }
    }
}

pub(super) fn grant(out: &mut Vec<RunEffect>) {
    out.push(RunEffect::Answered { refused: None });
}

pub(super) fn refuse(why: String, out: &mut Vec<RunEffect>) {
    out.push(RunEffect::Answered { refused: Some(why) });
}
