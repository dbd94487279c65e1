//! Decides the life of one run.

mod attempt_end;
mod budget;
mod condition;
mod ending;
mod extend;
mod group;
mod iterate;
mod limits;
mod members;
mod outcome;
mod policy;
mod requested;
mod schedule;
mod step;
mod step_budget;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, Mono, UtcMillis};
use roboppi_run::{AttemptRef, RunOutcome, StepPath, StepState};

use crate::budget::{Budget, Used};
use crate::plan::{Node, Plan};
use limits::Account;
use step::{RunStep, StepPhase};

pub use attempt_end::AttemptEnd;
pub use limits::LimitPolicy;
pub use outcome::{TRY_AGAIN_LATER, exit_code};
pub use schedule::retry_delay;

/// What a run is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunInput {
    /// The run begins: its time counts from here.
    Begin,
    /// There is somebody to start workers; start what may start. A run that has not begun does with this.
    Start,
    /// The worker of an attempt is alive.
    AttemptLive {
        /// Which attempt.
        of: AttemptRef,
    },
    /// The worker of an attempt is being ended, by whomever.
    AttemptEnding {
        /// Which attempt.
        of: AttemptRef,
    },
    /// What an attempt has used so far, in all.
    AttemptUsed {
        /// Which attempt.
        of: AttemptRef,
        /// What it has used.
        used: Used,
        /// It is over: how it ended comes next.
        is_last: bool,
    },
    /// An attempt is over; nothing of it is left.
    AttemptFinished {
        /// Which attempt.
        of: AttemptRef,
        /// How it ended.
        end: AttemptEnd,
    },
    /// What [`RunEffect::CollectOutputs`] asked for is done.
    OutputsCollected {
        /// Which attempt.
        of: AttemptRef,
        /// What went wrong, one line.
        result: Result<(), String>,
    },
    /// What [`RunEffect::OpenGroup`] asked for is done, or cannot be.
    GroupOpened {
        /// Which attempt.
        of: AttemptRef,
        /// How the attempt ends that cannot begin.
        result: Result<(), AttemptEnd>,
    },
    /// What [`RunEffect::DecideIteration`] asked for is decided.
    IterationDecided {
        /// Which attempt.
        of: AttemptRef,
        /// What follows.
        decision: IterationDecision,
    },
    /// The plan grows by these nodes, which depend on each other and on what there is. All of them or none: answered by
    /// [`RunEffect::PlanExtended`] or [`RunEffect::ExtensionRefused`]. A run is over when all its steps are, so who
    /// extends the plan does it before the step is over on whose behalf that is.
    ExtendPlan {
        /// The new nodes, in the order in which those that are ready start.
        nodes: Vec<Arc<Node>>,
    },
    /// A timer has run out.
    Timer(RunTimer),
    /// The run shall end. An order only becomes more severe.
    Cancel(Cancel),
    /// One step shall end; it counts as failed. Answered by [`RunEffect::Answered`].
    CancelStep {
        /// Which step.
        step: StepPath,
        /// Its worker is killed at once.
        force: bool,
    },
    /// A step that is over without success shall be tried again, with as many attempts as it had at first. What was
    /// skipped because of it waits for it again. Answered by [`RunEffect::Answered`].
    RetryStep {
        /// Which step.
        step: StepPath,
    },
    /// A step that has not started shall be left out; the steps after it go on as if it had succeeded. Answered by
    /// [`RunEffect::Answered`].
    SkipStep {
        /// Which step.
        step: StepPath,
    },
    /// The core is gone, and with it every attempt that was under way.
    CoreLost {
        /// How it was noticed.
        detail: String,
    },
}

/// What a run asks its driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEffect {
    /// Hand an attempt to the core. Answered by [`RunInput::AttemptFinished`], whatever happens.
    StartAttempt {
        /// Which attempt.
        of: AttemptRef,
        /// The attempt before it failed in a way that leaves the session of its agent as it was: this one continues that session,
        /// where it is known.
        continues: bool,
    },
    /// The attempt succeeded: put what it made into the context directory. Answered by
    /// [`RunInput::OutputsCollected`]. Asked for steps without outputs as well.
    CollectOutputs {
        /// Which attempt.
        of: AttemptRef,
    },
    /// A step that runs a workflow begins: give it what it takes. Answered by [`RunInput::GroupOpened`]. Its steps start after that.
    OpenGroup {
        /// Which attempt.
        of: AttemptRef,
    },
    /// The steps of that workflow are over, or it could not begin.
    GroupClosed {
        /// Which attempt.
        of: AttemptRef,
        /// What their ends mean.
        end: AttemptEnd,
    },
    /// The work of an iteration is done, and checked where there is a check: decide whether it is complete. Answered by
    /// [`RunInput::IterationDecided`].
    DecideIteration {
        /// The attempt that was the last one of the iteration.
        of: AttemptRef,
    },
    /// The next iteration of a step begins.
    IterationStarted {
        /// Which step.
        step: StepPath,
        /// Its number, from 2.
        iteration: u32,
        /// How many there may be; `None` without a limit.
        max_iterations: Option<u32>,
        /// Why the one before was not enough, for people.
        detail: Option<String>,
    },
    /// The nodes of [`RunInput::ExtendPlan`] are part of the plan from here on.
    PlanExtended {
        /// The new nodes.
        nodes: Vec<Arc<Node>>,
    },
    /// The nodes of [`RunInput::ExtendPlan`] are not part of the plan.
    ExtensionRefused {
        /// Why, one line.
        why: String,
    },
    /// End an attempt, or the collecting of its outputs. May come again with a more severe reason or with force.
    CancelAttempt {
        /// Which attempt.
        of: AttemptRef,
        /// Why, and how hard.
        cancel: Cancel,
    },
    /// Give back `timer` as [`RunInput::Timer`] after this time. Timers are never taken back.
    SetTimer {
        /// What to give back.
        timer: RunTimer,
        /// From now.
        after: Duration,
    },
    /// A step changed its state.
    StepChanged {
        /// Which step.
        step: StepPath,
        /// Its new state.
        state: StepState,
        /// Why, for people.
        detail: Option<String>,
        /// It failed, was lost, or was skipped by a person, and the run counts it as success.
        allowed_to_fail: bool,
        /// Of all attempts and waits; on final states of steps that started.
        duration: Option<Duration>,
        /// Until when a usage limit holds that it waits for, or because of which it has failed.
        limit_until: Option<UtcMillis>,
    },
    /// The outcome of a command for one step: once for each, before everything it leads to, in every state.
    Answered {
        /// Why nothing comes of it, one line; absent when it is done.
        refused: Option<String>,
    },
    /// The budget of the run is spent: agents are ended, and no other one starts. At most once.
    BudgetSpent {
        /// Which, and what was used.
        detail: String,
    },
    /// The run is being ended; nothing new starts. May come again, more severe.
    RunEnding(Cancel),
    /// The run is over: every step is in a final state and no attempt is under way. Exactly once, the last effect but
    /// for answers to commands that come too late.
    Finish {
        /// How it ended.
        outcome: RunOutcome,
        /// Why, for people.
        detail: Option<String>,
        /// From its beginning; zero when it never began.
        duration: Duration,
        /// It failed because of usage limits and for no other reason.
        is_limited: bool,
    },
}

/// Whether the work of an iteration is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IterationDecision {
    /// It is: the step has succeeded.
    Complete,
    /// It is not: another iteration, when one is left.
    Incomplete {
        /// Why, one line.
        detail: Option<String>,
    },
    /// It is not, and there is no progress: the step fails, whatever is left.
    Stalled {
        /// Why, one line.
        detail: String,
    },
    /// Nobody can say: as if it were not, but the step fails when that happens twice in a row.
    Unknown {
        /// Why, one line.
        detail: String,
    },
}

/// A timer of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunTimer {
    /// Number of the timer; no two of a run have the same.
    pub epoch: u64,
    /// What it is for.
    pub subject: RunTimerSubject,
}

/// What a timer of a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RunTimerSubject {
    /// The time of the whole run.
    Deadline,
    /// The wait before the next attempt of a step.
    Retry(StepPath),
    /// The next look at the usage limit of an account.
    Limit(String),
    /// What is left of an attempt's time while its outputs are collected.
    Collecting(StepPath),
    /// The time of the steps of a subworkflow.
    Group(StepPath),
}

/// Decides the life of one run. Does no I/O and reads no clock.
///
/// Promises: never more attempts under way than `concurrency`; no attempt starts once the run is being
/// ended; every step reaches one final state, and leaves it only when a person asks for it to be tried again;
/// [`RunEffect::Finish`] exactly once.
#[derive(Clone, Debug)]
pub struct RunMachine {
    concurrency: usize,
    timeout: Duration,
    /// What all agents may use up together.
    budget: Budget,
    /// What they have.
    used: Used,
    /// Why no agent may start any more: the budget of the run is spent.
    spent: Option<String>,
    /// A step was ended, or did not start, because of that.
    stopped_by_budget: bool,
    phase: Phase,
    began_at: Option<Mono>,
    /// Epoch of the timer for the whole run.
    deadline: Option<u64>,
    steps: Vec<RunStep>,
    index: HashMap<StepPath, usize>,
    /// Steps that have succeeded before the run starts.
    kept: BTreeSet<usize>,
    /// Steps that may start, in the order of the definition.
    ready: BTreeSet<usize>,
    /// Steps whose conditions are to be decided.
    to_judge: VecDeque<usize>,
    /// What random waits follow from.
    seed: u64,
    /// Steps that became ready and were not shown as such, because most start at once.
    unannounced: BTreeSet<usize>,
    /// Steps that hold a slot, and groups that are open.
    active: usize,
    /// Groups that are open, or being opened.
    hosting: BTreeSet<usize>,
    /// Whether a group limits how many members run at a time.
    has_limited_groups: bool,
    /// Steps that wait before their next attempt, or for a usage limit.
    retrying: usize,
    /// Steps without a final state.
    open: usize,
    last_epoch: u64,
    /// The first failure that counts ends the run.
    fails_fast: bool,
    limit_policy: LimitPolicy,
    accounts: Vec<Account>,
    /// When it was last said which time of day it is, and which.
    wall: Option<(Mono, UtcMillis)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Ending(Cancel),
    Finished,
}

impl RunMachine {
    /// A run that has not begun. `concurrency` is attempts at a time, at least 1.
    #[must_use]
    pub fn new(plan: &Plan, concurrency: u32) -> Self {
        let mut machine = Self {
            concurrency: usize::try_from(concurrency.max(1)).unwrap_or(usize::MAX),
            timeout: plan.timeout,
            budget: plan.budget,
            used: Used::default(),
            spent: None,
            stopped_by_budget: false,
            phase: Phase::Idle,
            began_at: None,
            deadline: None,
            open: 0,
            steps: Vec::new(),
            index: HashMap::new(),
            kept: BTreeSet::new(),
            ready: BTreeSet::new(),
            to_judge: VecDeque::new(),
            seed: 0,
            unannounced: BTreeSet::new(),
            active: 0,
            hosting: BTreeSet::new(),
            has_limited_groups: false,
            retrying: 0,
            last_epoch: 0,
            fails_fast: false,
            limit_policy: LimitPolicy::default(),
            accounts: Vec::new(),
            wall: None,
        };
        machine.add(plan.nodes());
        machine
    }

    /// The same, but with `fails_fast` the first failure that counts ends the run: what is under way is ended, and nothing else
    /// starts.
    #[must_use]
    pub const fn failing_fast(mut self, fails_fast: bool) -> Self {
        self.fails_fast = fails_fast;
        self
    }

    /// The same with another number from which waits follow that are to look random.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with steps that need not be done: they have succeeded, without an attempt, before the run starts.
    #[must_use]
    pub fn keeping<'a>(mut self, kept: impl IntoIterator<Item = &'a StepPath>) -> Self {
        self.kept = kept.into_iter().filter_map(|step| self.index.get(step).copied()).collect();
        for index in &self.kept {
            self.open -= 1;
            if let Some(above) = self.steps[*index].member_of
                && let Some(group) = &mut self.steps[above].group
            {
                group.open_members -= 1;
            }
            self.steps[*index].life =
                StepPhase::Over { state: StepState::Succeeded, excused: false, satisfies: true };
            for dependent in self.steps[*index].dependents.clone() {
                self.steps[dependent].blockers -= 1;
            }
        }
        self
    }

    /// The same with steps that do not begin with their first iteration, because an earlier run did those before.
    #[must_use]
    pub fn continuing<'a>(mut self, iterations: impl IntoIterator<Item = (&'a StepPath, u32)>) -> Self {
        for (step, iteration) in iterations {
            if let Some(index) = self.index.get(step).copied() {
                self.steps[index].rounds.begin_with(iteration);
            }
        }
        self
    }

    /// Takes one input in and appends what is to be done. Inputs that come late or make no sense
    /// change nothing; a command is told so.
    pub fn handle(&mut self, now: Mono, input: RunInput, out: &mut Vec<RunEffect>) {
        match input {
            RunInput::Begin => self.begin(now, out),
            RunInput::Start => self.start(now, out),
            RunInput::AttemptLive { of } => self.attempt_shown(now, &of, StepState::Running, out),
            RunInput::AttemptEnding { of } => self.attempt_shown(now, &of, StepState::Ending, out),
            RunInput::AttemptUsed { of, used, is_last } => {
                self.attempt_used(now, &of, used, is_last, out);
            }
            RunInput::AttemptFinished { of, end } => self.attempt_finished(now, &of, end, out),
            RunInput::OutputsCollected { of, result } => self.outputs_collected(now, &of, result, out),
            RunInput::GroupOpened { of, result } => self.group_opened(now, &of, result, out),
            RunInput::IterationDecided { of, decision } => self.decided(now, &of, decision, out),
            RunInput::ExtendPlan { nodes } => self.extend_plan(now, nodes, out),
            RunInput::Timer(timer) => self.timer(now, &timer, out),
            RunInput::Cancel(cancel) => self.cancel(now, cancel, out),
            RunInput::CancelStep { step, force } => self.cancel_step(now, &step, force, out),
            RunInput::RetryStep { step } => self.retry_step(&step, out),
            RunInput::SkipStep { step } => self.skip_step(now, &step, out),
            RunInput::CoreLost { detail } => self.core_lost(now, &detail, out),
        }
        self.settle(now, out);
    }

    /// Whether [`RunEffect::Finish`] was given.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// Steps that hold a slot: an attempt is under way, its outputs are being collected, or it is being decided whether it is
    /// complete.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active - self.open_groups()
    }

    /// Where a step is; `None` for a path the plan does not have.
    #[must_use]
    pub fn state(&self, step: &StepPath) -> Option<StepState> {
        self.index.get(step).map(|index| self.steps[*index].life.state())
    }

    fn timer(&mut self, now: Mono, timer: &RunTimer, out: &mut Vec<RunEffect>) {
        match &timer.subject {
            RunTimerSubject::Deadline => {
                if self.deadline != Some(timer.epoch) {
                    return;
                }
                match self.phase {
                    // A run that ends because of a failure still has its time limit.
                    Phase::Idle
                    | Phase::Running
                    | Phase::Ending(Cancel { reason: CancelReason::FailFast, .. }) => {
                        self.cancel(now, Cancel::graceful(CancelReason::Timeout), out);
                    }
                    Phase::Ending(_) => self.stop_collecting(CancelReason::Timeout, out),
                    Phase::Finished => {}
                }
            }
            RunTimerSubject::Retry(step) => {
                if let Some(index) = self.index.get(step).copied()
                    && self.steps[index].life == (StepPhase::Retrying { epoch: timer.epoch })
                {
                    self.retrying -= 1;
                    self.make_ready(index);
                }
            }
            RunTimerSubject::Limit(account) => self.limit_timer(now, account, timer.epoch, out),
            RunTimerSubject::Group(step) => {
                if let Some(index) = self.index.get(step).copied() {
                    self.group_timer(index, timer.epoch);
                }
            }
            RunTimerSubject::Collecting(step) => {
                if let Some(index) = self.index.get(step).copied() {
                    self.collecting_overdue(index, timer.epoch, out);
                }
            }
        }
    }

    fn set_timer(&mut self, subject: RunTimerSubject, after: Duration, out: &mut Vec<RunEffect>) -> u64 {
        self.last_epoch += 1;
        out.push(RunEffect::SetTimer { timer: RunTimer { epoch: self.last_epoch, subject }, after });
        self.last_epoch
    }

    /// The step an attempt belongs to, when it is that step's current one.
    fn current(&self, of: &AttemptRef) -> Option<usize> {
        let index = self.index.get(&of.step).copied()?;
        (self.steps[index].of() == *of).then_some(index)
    }
}
