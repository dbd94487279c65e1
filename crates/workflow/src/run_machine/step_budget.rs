//! What one step may use up, and has.

use roboppi_ipc::WorkerKind;
use roboppi_run::Role;

use crate::budget::{Budget, Dollars, Used};
use crate::plan::Node;

/// What a step may use up, and has.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepBudget {
    pub(super) limit: Budget,
    /// Whether an agent does its work: commands use up nothing that is known.
    pub(super) work_is_agent: bool,
    /// Whether an agent checks it.
    pub(super) check_is_agent: bool,
    /// By attempts that are over, since a person asked for it to be tried again.
    pub(super) earlier: Used,
    /// By the attempt that is under way.
    current: Used,
}

impl StepBudget {
    pub(super) fn new(node: &Node) -> Self {
        let step = &node.step;
        Self {
            limit: step.agent.budget,
            work_is_agent: step.worker != WorkerKind::CUSTOM,
            check_is_agent: node.task(Role::Check).worker != WorkerKind::CUSTOM,
            earlier: Used::default(),
            current: Used::default(),
        }
    }

    /// Takes in what the attempt has used so far, and returns how much of that is new.
    pub(super) fn reach(&mut self, used: Used) -> Used {
        let reached = self.current.or_more(used);
        reached.minus(std::mem::replace(&mut self.current, reached))
    }

    /// The attempt that was under way is over.
    pub(super) const fn attempt_over(&mut self) {
        self.earlier = self.earlier.plus(self.current);
        self.current = Used { cost: Dollars::ZERO, tokens: 0 };
    }

    /// A person has it tried again: it has its whole budget once more.
    pub(super) fn begin_again(&mut self) {
        (self.earlier, self.current) = Default::default();
    }

    /// Why it may not use anything more, if that is so.
    pub(super) fn spent(&self) -> Option<String> {
        self.limit.spent_by_step(self.earlier.plus(self.current))
    }
}
