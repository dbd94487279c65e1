//! Decides the life of a guard. Does no I/O and reads no clock.
//!
//! ```text
//!             Requested, hang-up      deadline                    somebody is left
//!   Guarding ───────────────► Ending ──────────► Killing        ┌─────────────────┐
//!      │ child ended             │ child ended       │ ended    ▼    ladder steps │
//!      └─────────────────────────┴───────────────────┴──────► Sweeping ───────────┘
//!                                                    │           │ nobody is left, or give up
//!                                                    └───────────┴──────► Done
//!                                                       give up
//! ```
//!
//! * The child has one deadline from the first time it is asked to end; asking again does not move it.
//! * What it leaves behind has the rest of the grace time if the child was asked, all of it otherwise. A second
//!   request while that runs ends it, and there is none once whoever started the guard has gone: the last one
//!   of a run that lives must not wait for anything.
//! * A child that survives KILL (it is frozen, traced, or hangs inside the system) does not protect what it
//!   started: that is killed below it, again and again.
//! * The guard itself never stops. A front process, where there is one, stops and continues with the child.
//! * [`Effect::Finish`] comes exactly once, and nothing comes after it. Nobody is left then, or those who are
//!   were named by [`Effect::GiveUp`] just before.

#[cfg(test)]
mod tables;

use std::time::Duration;

use roboppi_ipc::Mono;

use super::ladder::{GIVE_UP, Ladder, Step};
use super::{GuardKind, GuardSettings};
use crate::ExitKind;

/// Time a child has beyond grace and drain before it is killed: it needs all of those for its own
/// children, and then has to say how they ended.
pub const FINISH: Duration = Duration::from_secs(1);

/// Least time the last survivors have between the first KILL and being given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a child that was killed is waited for before what is below it is killed, and then killed again.
const KILL_AGAIN: Duration = Duration::from_millis(500);

/// Exit code when the end of the child was not seen: an error of ours.
const LOST: u8 = 125;

/// The state that set a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(u32);

/// A signal that somebody sent to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// TERM.
    Term,
    /// INT.
    Int,
    /// HUP.
    Hup,
    /// QUIT.
    Quit,
    /// TSTP: please stop.
    Suspend,
    /// CONT: please go on.
    Continue,
    /// USR1: please print a status.
    Status,
}

/// What the machine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A signal came that did not reach the child.
    Requested(Request),
    /// Nobody holds the other end of fd 0 any more.
    HangUp,
    /// Whoever started the guard has ended: the supervisor, or the front process.
    ParentExited,
    /// The child was stopped.
    ChildStopped,
    /// The child was continued.
    ChildContinued,
    /// The child has ended and was reaped.
    ChildExited(ExitKind),
    /// All that had ended was reaped; comes after every other news of children.
    Reaped {
        /// Whether there is a child nevertheless.
        left: bool,
    },
    /// What came of [`Effect::AskAll`] or [`Effect::KillAll`].
    SignalEvent {
        /// There is somebody, and none of them may be signalled.
        refused: bool,
    },
    /// The time of [`Effect::SetTimer`] is over.
    Timer(Epoch),
}

/// A signal to the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// TERM.
    Term,
    /// INT.
    Int,
    /// HUP.
    Hup,
    /// QUIT.
    Quit,
    /// USR1.
    Status,
    /// TSTP.
    Suspend,
    /// CONT.
    Cont,
    /// KILL.
    Kill,
}

/// What the machine asks for. Perform in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this to the child.
    Forward(Forward),
    /// Stop the front process, which then counts as stopped for the shell.
    StopFront,
    /// Have the front process go on.
    ContinueFront,
    /// Answer with [`Input::Timer`] after this time. Replaces the timer before it.
    SetTimer {
        /// Goes back in the answer.
        epoch: Epoch,
        /// From now.
        after: Duration,
    },
    /// Let go of fd 0.
    CloseInput,
    /// Put the terminal in order.
    RestoreTerminal,
    /// Say how the child ended.
    ReportExit(ExitKind),
    /// TERM and CONT to all that is left.
    AskAll,
    /// STOP from the top down, then KILL to all that is left.
    KillAll,
    /// Name those that cannot be ended.
    GiveUp,
    /// The end, with this exit code.
    Finish(u8),
}

/// Decides the life of a guard.
#[derive(Clone, Debug)]
pub struct GuardMachine {
    settings: GuardSettings,
    state: State,
    epoch: Epoch,
    /// When the child was first asked to end.
    asked: Option<Mono>,
    /// Whoever started the guard has ended.
    orphaned: bool,
    /// The child is stopped.
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Guarding,
    Ending { deadline: Mono },
    Killing { give_up: Mono },
    Sweeping { ladder: Ladder, code: u8 },
    Done,
}

impl GuardMachine {
    /// A guard whose child has just begun.
    #[must_use]
    pub const fn new(settings: GuardSettings) -> Self {
        Self {
            settings,
            state: State::Guarding,
            epoch: Epoch(0),
            asked: None,
            orphaned: false,
            stopped: false,
        }
    }

    /// Whether [`Effect::Finish`] was given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes one input at time `now` and appends what is to be done to `out`.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Effect>) {
        if self.is_done() {
            return;
        }
        if input == Input::ParentExited {
            self.orphaned = true;
        }
        let has_child = !matches!(self.state, State::Sweeping { .. });
        if has_child && matches!(input, Input::ChildStopped | Input::ChildContinued) {
            self.mirror(input == Input::ChildStopped, out);
        }
        match self.state {
            State::Guarding => self.with_child(now, input, None, out),
            State::Ending { deadline } => self.with_child(now, input, Some(deadline), out),
            State::Killing { give_up } => self.killing(now, give_up, input, out),
            State::Sweeping { ladder, code } => self.sweeping(now, ladder, code, input, out),
            State::Done => {}
        }
    }

    /// While the child lives and may go on living, at most until `deadline`.
    fn with_child(&mut self, now: Mono, input: Input, deadline: Option<Mono>, out: &mut Vec<Effect>) {
        match input {
            Input::Requested(request) => {
                self.forward(request, out);
                if deadline.is_none() && self.is_final(request) {
                    self.end(now, out);
                }
            }
            // The child sees it by itself, unless it is stopped.
            Input::HangUp => {
                out.push(Effect::Forward(Forward::Cont));
                if deadline.is_none() {
                    self.end(now, out);
                }
            }
            // A core sees the end of its wire, and nothing else asks it to end: it may have been started by
            // somebody who did not want to stay. A program in the terminal is not told by anybody else.
            Input::ParentExited => {
                if self.settings.kind == GuardKind::Direct {
                    out.push(Effect::Forward(Forward::Term));
                    out.push(Effect::Forward(Forward::Cont));
                    if deadline.is_none() {
                        self.end(now, out);
                    }
                }
            }
            Input::ChildExited(exit) => self.exited(now, exit, out),
            Input::Timer(epoch) if epoch == self.epoch && deadline.is_some() => {
                let give_up = self.give_up(now);
                self.enter(State::Killing { give_up });
                out.push(Effect::Forward(Forward::Kill));
                self.set_timer(KILL_AGAIN, out);
            }
            Input::Reaped { left: false } => self.lose(out),
            Input::ChildStopped
            | Input::ChildContinued
            | Input::SignalEvent { .. }
            | Input::Timer(_)
            | Input::Reaped { left: true } => {}
        }
    }

    fn killing(&mut self, now: Mono, give_up: Mono, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::ChildExited(exit) => self.exited(now, exit, out),
            Input::Timer(epoch) if epoch == self.epoch => {
                if now >= give_up {
                    out.push(Effect::GiveUp);
                    self.finish(exit_code(ExitKind::Signal(nix::libc::SIGKILL)), out);
                } else {
                    out.push(Effect::KillAll);
                    self.set_timer(KILL_AGAIN.min(give_up.since(now)), out);
                }
            }
            // It is killed already.
            Input::Requested(_)
            | Input::HangUp
            | Input::ParentExited
            | Input::ChildStopped
            | Input::ChildContinued
            | Input::SignalEvent { .. }
            | Input::Reaped { left: true }
            | Input::Timer(_) => {}
            Input::Reaped { left: false } => self.lose(out),
        }
    }

    fn sweeping(&mut self, now: Mono, mut ladder: Ladder, code: u8, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Reaped { left: false } => {
                self.finish(code, out);
            }
            Input::Reaped { left: true } => self.climb(now, ladder, code, out),
            Input::Timer(epoch) if epoch == self.epoch => self.climb(now, ladder, code, out),
            Input::Requested(request) if self.is_final(request) => {
                if self.asked.replace(now).is_some() {
                    ladder.hurry(now);
                    self.climb(now, ladder, code, out);
                }
            }
            Input::ParentExited => {
                ladder.hurry(now);
                self.climb(now, ladder, code, out);
            }
            Input::SignalEvent { refused } => {
                if ladder.signalled(now, refused) {
                    self.climb(now, ladder, code, out);
                }
            }
            Input::Requested(_)
            | Input::HangUp
            | Input::ChildStopped
            | Input::ChildContinued
            | Input::ChildExited(_)
            | Input::Timer(_) => {}
        }
    }

    /// Takes the steps of the ladder that are due.
    fn climb(&mut self, now: Mono, mut ladder: Ladder, code: u8, out: &mut Vec<Effect>) {
        loop {
            match ladder.step(now) {
                Step::Ask => out.push(Effect::AskAll),
                Step::Kill(_) => out.push(Effect::KillAll),
                Step::Wait(after) => {
                    self.enter(State::Sweeping { ladder, code });
                    self.set_timer(after, out);
                    return;
                }
                Step::GiveUp => {
                    out.push(Effect::GiveUp);
                    self.finish(code, out);
                    return;
                }
            }
        }
    }

    fn exited(&mut self, now: Mono, exit: ExitKind, out: &mut Vec<Effect>) {
        out.push(Effect::CloseInput);
        if self.settings.kind == GuardKind::Direct && matches!(exit, ExitKind::Signal(_)) {
            out.push(Effect::RestoreTerminal);
        }
        out.push(Effect::ReportExit(exit));
        // The front process has to end, too.
        self.mirror(false, out);
        let grace = if self.orphaned { Duration::ZERO } else { self.settings.grace };
        let kill_from = self.asked.unwrap_or(now) + grace;
        let ladder = Ladder::new(now, kill_from, self.give_up(now));
        self.enter(State::Sweeping { ladder, code: exit_code(exit) });
    }

    fn end(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.asked = Some(now);
        let after = self.settings.grace.saturating_add(self.settings.drain).saturating_add(FINISH);
        self.enter(State::Ending { deadline: now + after });
        self.set_timer(after, out);
    }

    /// Has the front process, where there is one, stop and go on with the child.
    fn mirror(&mut self, stopped: bool, out: &mut Vec<Effect>) {
        self.stopped = stopped;
        // Also when it was so before: a child that goes on and stops again at once is only seen to have stopped, and somebody
        // may have let the front process go on meanwhile.
        if self.settings.kind == GuardKind::Direct && !self.orphaned {
            out.push(if stopped { Effect::StopFront } else { Effect::ContinueFront });
        }
    }

    /// Whether a child that was asked so is to be killed if it does not end. A user who presses a key may
    /// be shown what was done for as long as they like.
    const fn is_final(&self, request: Request) -> bool {
        match (self.settings.kind, request) {
            (_, Request::Term | Request::Hup) | (GuardKind::Core, Request::Int | Request::Quit) => true,
            (GuardKind::Direct, Request::Int | Request::Quit)
            | (_, Request::Suspend | Request::Continue | Request::Status) => false,
        }
    }

    fn forward(&self, request: Request, out: &mut Vec<Effect>) {
        let forward = match (self.settings.kind, request) {
            // One that was stopped would not go on stopping.
            (GuardKind::Core, Request::Suspend | Request::Continue | Request::Status) => return,
            (GuardKind::Direct, Request::Status) => return out.push(Effect::Forward(Forward::Status)),
            (GuardKind::Direct, Request::Suspend) if self.stopped => return,
            (GuardKind::Direct, Request::Suspend) => return out.push(Effect::Forward(Forward::Suspend)),
            // One that goes on already may be about to stop again.
            (GuardKind::Direct, Request::Continue) if !self.stopped => return,
            (GuardKind::Direct, Request::Continue) => return out.push(Effect::Forward(Forward::Cont)),
            (GuardKind::Core, _) | (GuardKind::Direct, Request::Term) => Forward::Term,
            (GuardKind::Direct, Request::Int) => Forward::Int,
            (GuardKind::Direct, Request::Hup) => Forward::Hup,
            (GuardKind::Direct, Request::Quit) => Forward::Quit,
        };
        out.push(Effect::Forward(forward));
        out.push(Effect::Forward(Forward::Cont));
    }

    fn give_up(&self, now: Mono) -> Mono {
        let begin = self.asked.unwrap_or(now);
        (begin + self.settings.grace + self.settings.drain + GIVE_UP).max(now + PATIENCE)
    }

    /// There is no child and nobody saw it end. That cannot be, and must not be waited for.
    fn lose(&mut self, out: &mut Vec<Effect>) {
        self.finish(LOST, out);
    }

    fn finish(&mut self, code: u8, out: &mut Vec<Effect>) {
        self.enter(State::Done);
        out.push(Effect::Finish(code));
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
    }

    fn set_timer(&self, after: Duration, out: &mut Vec<Effect>) {
        out.push(Effect::SetTimer { epoch: self.epoch, after });
    }
}

fn exit_code(exit: ExitKind) -> u8 {
    u8::try_from(exit.code()).unwrap_or(u8::MAX)
}
