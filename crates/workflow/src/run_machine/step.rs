//! One step inside a run.

use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Cancel, Mono};
use roboppi_run::{AttemptRef, Role, StepPath, StepState};

use super::members::Group;
use super::policy::{FailurePolicy, LimitWaits, Rounds};
use super::step_budget::StepBudget;
use crate::control::StepControl;
use crate::definition::OnLimit;
use crate::plan::Node;

#[derive(Clone, Debug)]
pub(super) struct RunStep {
    pub(super) id: StepPath,
    /// Steps that wait for this one.
    pub(super) dependents: Vec<usize>,
    /// The step whose workflow this one is part of.
    pub(super) member_of: Option<usize>,
    /// What it has when it runs a workflow.
    pub(super) group: Option<Box<Group>>,
    /// Its failure keeps those after it from starting, whatever they say.
    pub(super) is_fatal: bool,
    /// Steps this one waits for.
    pub(super) dependencies: Vec<usize>,
    /// How many of them do not let it go on, or not yet.
    pub(super) blockers: usize,
    pub(super) rounds: Rounds,
    pub(super) failure: FailurePolicy,
    pub(super) control: Arc<StepControl>,
    /// Its condition was false.
    pub(super) is_left_out: bool,
    pub(super) budget: StepBudget,
    pub(super) on_limit: Option<OnLimit>,
    /// Places of the accounts whose limits its work and its check are subject to.
    pub(super) accounts: [Option<u32>; 2],
    pub(super) limit_waits: LimitWaits,
    /// A person wants it to start although the limit holds.
    pub(super) ignores_limit: bool,
    /// It failed because of a limit.
    pub(super) is_limited: bool,
    /// It was ended because another step had failed.
    pub(super) ended_by_fail_fast: bool,
    /// Its next attempt continues the session of the last one.
    pub(super) continues: bool,
    pub(super) life: StepPhase,
    /// No attempt was made yet, or none since a person asked for it to be tried again.
    pub(super) is_unstarted: bool,
    pub(super) started_at: Option<Mono>,
    /// Whether it has outputs, so that collecting them may take time.
    pub(super) collects: bool,
    /// How long an attempt of its work may take, its collecting included, and one of its check.
    pub(super) timeouts: [Option<Duration>; 2],
    /// When the time of the attempt began: its start, and then the start of its worker.
    pub(super) attempt_began: Mono,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepPhase {
    /// A dependency is not over.
    Waiting,
    /// May start, has no slot.
    Ready,
    /// An attempt is under way.
    Active { shown: VisiblePhase, asked: Option<Cancel> },
    /// The attempt succeeded, its outputs are being collected.
    ///
    /// `deadline` is the timer of what is left of the attempt's time, `overdue` says that it has run out.
    Collecting { shown: VisiblePhase, asked: Option<Cancel>, deadline: Option<u64>, overdue: bool },
    /// The work of an iteration is done: whether it is complete is being decided. Holds its slot.
    Deciding { shown: VisiblePhase },
    /// Waits for its next attempt.
    Retrying { epoch: u64 },
    /// Waits for the end of a usage limit; after an attempt when it `is_retry`.
    Limited { since: Mono, is_retry: bool },
    /// Over. `excused`: it did not succeed, and the run counts it as success. `satisfies`: the steps after it go on.
    Over { state: StepState, excused: bool, satisfies: bool },
}

/// What an attempt looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VisiblePhase {
    Starting,
    Running,
    Ending,
}

impl VisiblePhase {
    pub(super) const fn state(self) -> StepState {
        match self {
            Self::Starting => StepState::Starting,
            Self::Running => StepState::Running,
            Self::Ending => StepState::Ending,
        }
    }
}

impl StepPhase {
    pub(super) const fn state(&self) -> StepState {
        match self {
            Self::Waiting => StepState::Pending,
            Self::Ready => StepState::Ready,
            Self::Active { shown, .. } | Self::Collecting { shown, .. } | Self::Deciding { shown } => {
                shown.state()
            }
            Self::Retrying { .. } | Self::Limited { is_retry: true, .. } => StepState::Retrying,
            Self::Limited { is_retry: false, .. } => StepState::Ready,
            Self::Over { state, .. } => *state,
        }
    }
}

impl RunStep {
    pub(super) fn new(node: &Node) -> Self {
        let step = &node.step;
        Self {
            id: node.path.clone(),
            dependents: Vec::new(),
            member_of: None,
            group: Group::of(node),
            is_fatal: false,
            dependencies: Vec::new(),
            blockers: 0,
            rounds: Rounds::new(node),
            failure: FailurePolicy { on_failure: step.on_failure, continue_on_error: step.continue_on_error },
            control: Arc::clone(&step.control),
            is_left_out: false,
            budget: StepBudget::new(node),
            on_limit: step.on_limit,
            accounts: [None; 2],
            limit_waits: LimitWaits::default(),
            ignores_limit: false,
            is_limited: false,
            ended_by_fail_fast: false,
            continues: false,
            life: StepPhase::Waiting,
            is_unstarted: true,
            started_at: None,
            collects: !step.outputs.is_empty(),
            timeouts: [Role::Work, Role::Check].map(|role| node.task(role).timeout),
            attempt_began: Mono::ZERO,
        }
    }

    /// Whether the attempt that is under way, or comes next, is that of an agent.
    pub(super) const fn is_agent(&self) -> bool {
        if self.rounds.is_checking() { self.budget.check_is_agent } else { self.budget.work_is_agent }
    }

    /// How long that attempt may take.
    pub(super) const fn timeout(&self) -> Option<Duration> {
        let [work, check] = self.timeouts;
        if self.rounds.is_checking() { check } else { work }
    }

    /// Whether something of it is under way.
    pub(super) const fn holds_slot(&self) -> bool {
        matches!(
            self.life,
            StepPhase::Active { .. } | StepPhase::Collecting { .. } | StepPhase::Deciding { .. }
        )
    }

    /// Place of the account of that attempt.
    pub(super) const fn account(&self) -> Option<u32> {
        let [work, check] = self.accounts;
        if self.rounds.is_checking() { check } else { work }
    }

    /// What it is when it is over and its next attempt will not start. Who did start is not skipped.
    pub(super) const fn state_without_a_start(&self) -> StepState {
        if self.started_at.is_none() { StepState::Skipped } else { StepState::Cancelled }
    }

    /// The attempt that is under way or was the last one.
    pub(super) fn of(&self) -> AttemptRef {
        AttemptRef {
            step: self.id.clone(),
            iteration: self.rounds.iteration(),
            role: self.rounds.role(),
            attempt: self.rounds.attempts().made(),
        }
    }
}
