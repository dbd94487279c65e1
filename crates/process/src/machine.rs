//! Decides the life of one child process.
//!
//! ```text
//!            Start            Spawned           Cancel, timeout, owner gone        Exited, pipes open
//!   Idle ───────────► Spawning ──────► Running ────────────────────────► Terminating ───────────► Draining
//!                        │              ▲  │ Exited                          │ grace over, Kill      │ PipesClosed
//!            SpawnFailed │        Pause │  └───────────► Draining            ▼                       ├──────► Done
//!                        ▼       Resume ▼                                 Killing ── Exited ──►      │ drain over
//!                      Done            Paused                                                        ▼
//!                                                                                                 Sweeping ──► Done
//! ```
//!
//! * A cancel that comes before the child runs is remembered and carried out when it does.
//! * The reason may only become more severe ([`CancelReason`] is ordered). It is set once the child is
//!   asked to end; what comes after the exit of a child that ended by itself changes no reason.
//! * One timer exists at a time. It carries the epoch of the state that set it; a later state ignores it.
//! * `Sweeping` is the moment between KILL for those who hold the pipes and the end of what they wrote.
//! * Whoever is left in the group of a child that ended by itself is no part of it any more, but left behind.
//! * [`Effect::Finish`] comes exactly once, and nothing comes after it.

mod life;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod walk;

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase, Mono};

use crate::ExitKind;

/// How long the pipes may stay open after those who held them were killed.
pub const SWEEP_TIME: Duration = Duration::from_millis(100);

/// How long a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Time the pipes may stay open after the exit of the child.
    pub drain: Duration,
    /// Time the child may run, from its start; the time it is paused does not count.
    pub timeout: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5), drain: Duration::from_secs(2), timeout: None }
    }
}

/// The state that set a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(u32);

/// What the machine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Start,
    /// The child runs.
    Spawned,
    /// The child could not be started.
    SpawnFailed,
    /// The child ended; it is not reaped yet.
    Exited(ExitKind),
    /// Nobody holds the output pipes any more and all they held was read.
    PipesClosed,
    /// The time of [`Effect::SetTimer`] is over.
    Timer(Epoch),
    /// End the child.
    Cancel(Cancel),
    /// Stop the child and its clock.
    Pause,
    /// Let the child go on.
    Resume,
    /// Whoever wanted the child is gone.
    OwnerGone,
}

/// What is sent to the group of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// TERM: please end.
    Term,
    /// KILL: end.
    Kill,
    /// STOP: halt.
    Stop,
    /// CONT: go on.
    Cont,
}

/// What the machine asks for. Perform in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start the child; answer with [`Input::Spawned`] or [`Input::SpawnFailed`].
    Spawn,
    /// Tell the owner that the child runs.
    Started,
    /// Send this to the whole group.
    Signal(Signal),
    /// Answer with [`Input::Timer`] after this time. Replaces the timer before it.
    SetTimer {
        /// Goes back in the answer.
        epoch: Epoch,
        /// From now.
        after: Duration,
    },
    /// KILL whoever is left in the group of the dead child.
    SweepGroup,
    /// The same, unless they come to us as orphans: the child ended by itself, so what it has left is to be told.
    LeaveGroup,
    /// Tell the owner where the child is on its way out.
    Ending {
        /// Where.
        phase: EndingPhase,
        /// Why, if not by itself.
        reason: Option<CancelReason>,
        /// When the phase ends by force, from now.
        limit: Duration,
    },
    /// The end: reap the child and say so.
    Finish(ChildEnd),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEnd {
    /// It was cancelled before it was started.
    NeverStarted(CancelReason),
    /// It could not be started.
    SpawnFailed,
    /// It ran and ended.
    Ended(Ended),
}

/// The end of a child that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub exit: ExitKind,
    /// Why it was asked to end; `None` when it ended by itself.
    pub reason: Option<CancelReason>,
    /// Whether KILL was sent while it lived.
    pub killed: bool,
    /// Whether its pipes were still held when the drain time was over.
    pub pipes_left_open: bool,
    /// From start to exit.
    pub duration: Duration,
}

/// Decides the life of one child process. Does no I/O and reads no clock.
#[derive(Clone, Debug)]
pub struct ChildMachine {
    limits: Limits,
    state: State,
    /// Counts states, so that a timer knows whether its state is over.
    epoch: Epoch,
    /// Why the child was asked to end, or is to be asked as soon as it runs.
    reason: Option<CancelReason>,
    killed: bool,
    pipes_open: bool,
    started: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle(Requests),
    Spawning(Requests),
    Running {
        /// End of the time the child may run.
        deadline: Option<Mono>,
    },
    Paused {
        /// What is left of that time.
        left: Option<Duration>,
    },
    Terminating {
        /// End of the grace time.
        until: Mono,
    },
    Killing,
    Draining {
        until: Mono,
        exit: Exit,
    },
    Sweeping(Exit),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exit {
    kind: ExitKind,
    duration: Duration,
}

/// What was asked of a child that does not run yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Requests {
    end: Option<Cancel>,
    paused: bool,
}

impl ChildMachine {
    /// A child that was not started yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Idle(Requests::default()),
            epoch: Epoch::default(),
            reason: None,
            killed: false,
            pipes_open: true,
            started: Mono::ZERO,
        }
    }

    /// Takes one input at time `now` and appends what is to be done to `out`.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Effect>) {
        match self.state {
            State::Idle(requests) => self.idle(requests, input, out),
            State::Spawning(requests) => self.spawning(now, requests, input, out),
            State::Running { deadline } => self.running(now, deadline, input, out),
            State::Paused { left } => self.paused(now, left, input, out),
            State::Terminating { until } => self.terminating(now, until, input, out),
            State::Killing => self.killing(now, input, out),
            State::Draining { until, exit } => self.draining(now, until, exit, input, out),
            State::Sweeping(exit) => self.sweeping(exit, input, out),
            State::Done => {}
        }
    }

    /// Whether [`Effect::Finish`] was given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}
