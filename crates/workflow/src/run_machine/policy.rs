//! The policies of a node, each as a part of its own: how often it is tried, how often it is repeated, and what its
//! failure means.

use std::time::Duration;

use roboppi_run::Role;

use crate::definition::{OnExhausted, OnFailure};
use crate::plan::{Node, Repeat};

/// Attempts of one role in one iteration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    /// How many there may be, unless a person asks for more.
    most: u32,
    /// How many there may be in all.
    allowed: u32,
    /// How many were started.
    made: u32,
}

impl Attempts {
    const fn new(most: u32) -> Self {
        Self { most, allowed: most, made: 0 }
    }

    pub(super) const fn made(&self) -> u32 {
        self.made
    }

    pub(super) const fn allowed(&self) -> u32 {
        self.allowed
    }

    pub(super) const fn are_left(&self) -> bool {
        self.made < self.allowed
    }

    /// Allows as many more as there were at first.
    const fn allow_again(&mut self) {
        self.allowed = self.made.saturating_add(self.most);
    }
}

/// Where a node is among its iterations and attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    repeat: Option<Repeat>,
    role: Role,
    iteration: u32,
    /// Iterations of earlier rounds: those of earlier attempts and iterations of the step that runs its workflow.
    before: u32,
    /// Whether the attempt that is under way, or comes next, checks the work.
    is_checking: bool,
    work: Attempts,
    check: Attempts,
    /// Checks in a row, up to the last one, of which it could not be said what they decided.
    undecided: u32,
}

/// Checks in a row without a decision that fail a node.
const MOST_UNDECIDED: u32 = 2;

/// What follows when the work of an iteration has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterWork {
    /// The node is done.
    Done,
    /// An attempt that checks the work.
    Check,
    /// A decision whether the work is complete.
    Decide,
}

impl Rounds {
    pub(super) fn new(node: &Node) -> Self {
        let attempts = Attempts::new(node.step.max_attempts());
        Self {
            repeat: node.repeat,
            role: node.role,
            iteration: 1,
            before: 0,
            is_checking: false,
            work: attempts,
            check: attempts,
            undecided: 0,
        }
    }

    pub(super) const fn iteration(&self) -> u32 {
        self.iteration
    }

    pub(super) const fn most(&self) -> Option<u32> {
        match self.repeat {
            Some(Repeat { max_iterations: Some(most), .. }) => Some(most.saturating_add(self.before)),
            Some(_) | None => None,
        }
    }

    /// Begins anew, with a number that no attempt has had. Whether that is another iteration.
    pub(super) const fn begin_round(&mut self) -> bool {
        let is_next = self.work.made > 0;
        if is_next {
            self.before = self.iteration;
            self.iteration = self.iteration.saturating_add(1);
        }
        self.is_checking = false;
        self.undecided = 0;
        self.work = Attempts::new(self.work.most);
        self.check = Attempts::new(self.check.most);
        is_next
    }

    /// What the attempt that is under way, or comes next, is for.
    pub(super) const fn role(&self) -> Role {
        if self.is_checking { Role::Check } else { self.role }
    }

    pub(super) const fn is_checking(&self) -> bool {
        self.is_checking
    }

    /// Attempts of that role in this iteration.
    pub(super) const fn attempts(&self) -> Attempts {
        if self.is_checking { self.check } else { self.work }
    }

    pub(super) const fn start_attempt(&mut self) {
        let attempts = if self.is_checking { &mut self.check } else { &mut self.work };
        attempts.made += 1;
    }

    /// What follows when the work of this iteration has succeeded.
    pub(super) const fn after_work(&self) -> AfterWork {
        match self.repeat {
            None => AfterWork::Done,
            Some(Repeat { checked: true, .. }) => AfterWork::Check,
            Some(Repeat { checked: false, .. }) => AfterWork::Decide,
        }
    }

    /// Allows one attempt more: the last one does not count.
    pub(super) const fn allow_one_more(&mut self) {
        let attempts = if self.is_checking { &mut self.check } else { &mut self.work };
        attempts.allowed = attempts.allowed.saturating_add(1);
    }

    pub(super) const fn begin_check(&mut self) {
        self.is_checking = true;
        self.check.allow_again();
    }

    /// The work of this iteration is done once more.
    pub(super) const fn begin_again(&mut self) {
        self.is_checking = false;
        self.undecided = 0;
        self.work.allow_again();
    }

    /// Begins with a later iteration than the first one, as far as there may be one.
    pub(super) fn begin_with(&mut self, iteration: u32) {
        let most = self.most().unwrap_or(u32::MAX);
        if self.repeat.is_some() && (2..=most).contains(&iteration) {
            self.iteration = iteration;
        }
    }

    /// What follows when the last iteration is not complete either.
    pub(super) fn on_exhausted(&self) -> OnExhausted {
        self.repeat.map_or_else(OnExhausted::default, |repeat| repeat.on_exhausted)
    }

    /// It was decided whether the work is complete.
    pub(super) const fn note_decision(&mut self) {
        self.undecided = 0;
    }

    /// It could not be decided whether the work is complete. Whether that has happened too often in a row.
    pub(super) const fn note_no_decision(&mut self) -> bool {
        self.undecided = self.undecided.saturating_add(1);
        self.undecided >= MOST_UNDECIDED
    }

    /// Goes on to the next iteration; `false` when none is left.
    pub(super) const fn begin_next(&mut self) -> bool {
        if let Some(most) = self.most()
            && self.iteration >= most
        {
            return false;
        }
        self.iteration = self.iteration.saturating_add(1);
        self.is_checking = false;
        self.work = Attempts::new(self.work.most);
        self.check = Attempts::new(self.check.most);
        true
    }
}

/// What the failure of a node means.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailurePolicy {
    pub(super) on_failure: OnFailure,
    pub(super) continue_on_error: bool,
}

/// What a step has waited for limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LimitWaits {
    pub(super) total: Duration,
    pub(super) count: u32,
}
