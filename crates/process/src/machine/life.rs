//! One function per state; each answers every input.

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase, Mono};

use super::{ChildEnd, ChildMachine, Effect, Ended, Epoch, Exit, Input, Requests, SWEEP_TIME, Signal, State};
use crate::ExitKind;

/// What it means that whoever wanted the child is gone.
const OWNER_GONE: Cancel = Cancel::graceful(CancelReason::Parent);

impl ChildMachine {
    pub(super) fn idle(&mut self, requests: Requests, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Start => {
                if let Some(reason) = self.reason {
                    self.enter(State::Done);
                    out.push(Effect::Finish(ChildEnd::NeverStarted(reason)));
                } else {
                    self.enter(State::Spawning(requests));
                    out.push(Effect::Spawn);
                }
            }
            Input::Cancel(_) | Input::OwnerGone | Input::Pause | Input::Resume => {
                self.state = State::Idle(self.remember(requests, input));
            }
            Input::Spawned | Input::SpawnFailed | Input::Exited(_) | Input::PipesClosed | Input::Timer(_) => {
            }
        }
    }

    pub(super) fn spawning(&mut self, now: Mono, requests: Requests, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Spawned => {
                self.started = now;
                out.push(Effect::Started);
                match requests.end {
                    Some(cancel) => self.end(now, cancel, out),
                    None if requests.paused => {
                        self.enter(State::Paused { left: self.limits.timeout });
                        out.push(Effect::Signal(Signal::Stop));
                    }
                    None => self.go(now, self.limits.timeout, out),
                }
            }
            Input::SpawnFailed => {
                self.enter(State::Done);
                out.push(Effect::Finish(ChildEnd::SpawnFailed));
            }
            Input::Cancel(_) | Input::OwnerGone | Input::Pause | Input::Resume => {
                self.state = State::Spawning(self.remember(requests, input));
            }
            Input::Start | Input::Exited(_) | Input::PipesClosed | Input::Timer(_) => {}
        }
    }

    pub(super) fn running(&mut self, now: Mono, deadline: Option<Mono>, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Exited(kind) => self.exited(now, kind, out),
            Input::PipesClosed => self.pipes_open = false,
            Input::Timer(epoch) if epoch == self.epoch => {
                self.raise(CancelReason::Timeout);
                self.terminate(now, out);
            }
            Input::Cancel(cancel) => self.end(now, cancel, out),
            Input::OwnerGone => self.end(now, OWNER_GONE, out),
            Input::Pause => {
                self.enter(State::Paused { left: deadline.map(|deadline| deadline.since(now)) });
                out.push(Effect::Signal(Signal::Stop));
            }
            Input::Resume | Input::Timer(_) | Input::Start | Input::Spawned | Input::SpawnFailed => {}
        }
    }

    pub(super) fn paused(&mut self, now: Mono, left: Option<Duration>, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Exited(kind) => {
                // The others of the group may have something left to write.
                out.push(Effect::Signal(Signal::Cont));
                self.exited(now, kind, out);
            }
            Input::PipesClosed => self.pipes_open = false,
            Input::Cancel(cancel) => self.end(now, cancel, out),
            Input::OwnerGone => self.end(now, OWNER_GONE, out),
            Input::Resume => {
                out.push(Effect::Signal(Signal::Cont));
                self.go(now, left, out);
            }
            Input::Pause | Input::Timer(_) | Input::Start | Input::Spawned | Input::SpawnFailed => {}
        }
    }

    pub(super) fn terminating(&mut self, now: Mono, until: Mono, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Exited(kind) => self.exited(now, kind, out),
            Input::PipesClosed => self.pipes_open = false,
            Input::Timer(epoch) if epoch == self.epoch => self.kill(out),
            Input::Cancel(Cancel { reason, force: true }) => {
                self.raise(reason);
                self.kill(out);
            }
            Input::Cancel(Cancel { reason, force: false }) => {
                self.worsen(EndingPhase::Terminating, reason, until.since(now), out);
            }
            Input::OwnerGone => {
                self.worsen(EndingPhase::Terminating, CancelReason::Parent, until.since(now), out);
            }
            Input::Pause
            | Input::Resume
            | Input::Timer(_)
            | Input::Start
            | Input::Spawned
            | Input::SpawnFailed => {}
        }
    }

    pub(super) fn killing(&mut self, now: Mono, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Exited(kind) => self.exited(now, kind, out),
            Input::PipesClosed => self.pipes_open = false,
            Input::Cancel(cancel) => {
                self.worsen(EndingPhase::Killing, cancel.reason, self.limits.drain, out);
            }
            Input::OwnerGone => {
                self.worsen(EndingPhase::Killing, CancelReason::Parent, self.limits.drain, out);
            }
            Input::Pause
            | Input::Resume
            | Input::Timer(_)
            | Input::Start
            | Input::Spawned
            | Input::SpawnFailed => {}
        }
    }

    pub(super) fn draining(
        &mut self,
        now: Mono,
        until: Mono,
        exit: Exit,
        input: Input,
        out: &mut Vec<Effect>,
    ) {
        match input {
            Input::PipesClosed => {
                self.pipes_open = false;
                out.push(self.rest_of_group());
                self.finish(exit, false, out);
            }
            Input::Timer(epoch) if epoch == self.epoch => self.sweep(exit, out),
            Input::Cancel(Cancel { reason, force: true }) => {
                self.raise_asked(reason);
                self.sweep(exit, out);
            }
            Input::Cancel(Cancel { reason, force: false }) => self.hurry(now, until, reason, out),
            Input::OwnerGone => self.hurry(now, until, CancelReason::Parent, out),
            Input::Exited(_)
            | Input::Pause
            | Input::Resume
            | Input::Timer(_)
            | Input::Start
            | Input::Spawned
            | Input::SpawnFailed => {}
        }
    }

    pub(super) fn sweeping(&mut self, exit: Exit, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::PipesClosed => {
                self.pipes_open = false;
                self.finish(exit, true, out);
            }
            Input::Timer(epoch) if epoch == self.epoch => self.finish(exit, true, out),
            Input::Cancel(cancel) => self.raise_asked(cancel.reason),
            Input::OwnerGone => self.raise_asked(CancelReason::Parent),
            Input::Exited(_)
            | Input::Pause
            | Input::Resume
            | Input::Timer(_)
            | Input::Start
            | Input::Spawned
            | Input::SpawnFailed => {}
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
    }

    fn set_timer(&self, after: Duration, out: &mut Vec<Effect>) {
        out.push(Effect::SetTimer { epoch: self.epoch, after });
    }

    fn remember(&mut self, mut requests: Requests, input: Input) -> Requests {
        match input {
            Input::Cancel(cancel) => requests.end = Some(self.escalate(requests.end, cancel)),
            Input::OwnerGone => requests.end = Some(self.escalate(requests.end, OWNER_GONE)),
            Input::Pause => requests.paused = true,
            Input::Resume => requests.paused = false,
            Input::Start
            | Input::Spawned
            | Input::SpawnFailed
            | Input::Exited(_)
            | Input::PipesClosed
            | Input::Timer(_) => {}
        }
        requests
    }

    /// What is to be done when the child runs, after another request to end it.
    fn escalate(&mut self, earlier: Option<Cancel>, cancel: Cancel) -> Cancel {
        self.raise(cancel.reason);
        earlier.map_or(cancel, |earlier| earlier.escalate(cancel))
    }

    /// Keeps the more severe of the two reasons.
    fn raise(&mut self, reason: CancelReason) {
        self.reason = self.reason.max(Some(reason));
    }

    /// The same after the exit: a child that ended by itself was not ended by anybody.
    fn raise_asked(&mut self, reason: CancelReason) {
        self.reason = self.reason.map(|known| known.max(reason));
    }

    /// Raises the reason and says so if that changed it.
    fn worsen(&mut self, phase: EndingPhase, reason: CancelReason, limit: Duration, out: &mut Vec<Effect>) {
        let before = self.reason;
        self.raise(reason);
        if self.reason != before {
            out.push(Effect::Ending { phase, reason: self.reason, limit });
        }
    }

    fn go(&mut self, now: Mono, left: Option<Duration>, out: &mut Vec<Effect>) {
        self.enter(State::Running { deadline: left.map(|left| now + left) });
        if let Some(after) = left {
            self.set_timer(after, out);
        }
    }

    fn end(&mut self, now: Mono, cancel: Cancel, out: &mut Vec<Effect>) {
        self.raise(cancel.reason);
        if cancel.force {
            self.kill(out);
        } else {
            self.terminate(now, out);
        }
    }

    fn terminate(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let grace = self.limits.grace;
        self.enter(State::Terminating { until: now + grace });
        out.push(Effect::Ending { phase: EndingPhase::Terminating, reason: self.reason, limit: grace });
        out.push(Effect::Signal(Signal::Term));
        out.push(Effect::Signal(Signal::Cont));
        self.set_timer(grace, out);
    }

    fn kill(&mut self, out: &mut Vec<Effect>) {
        self.enter(State::Killing);
        self.killed = true;
        out.push(Effect::Ending {
            phase: EndingPhase::Killing,
            reason: self.reason,
            limit: self.limits.drain,
        });
        out.push(Effect::Signal(Signal::Kill));
    }

    fn exited(&mut self, now: Mono, kind: ExitKind, out: &mut Vec<Effect>) {
        let exit = Exit { kind, duration: now.since(self.started) };
        if !self.pipes_open {
            out.push(self.rest_of_group());
            self.finish(exit, false, out);
            return;
        }
        let drain = self.limits.drain;
        self.enter(State::Draining { until: now + drain, exit });
        out.push(Effect::Ending { phase: EndingPhase::Draining, reason: self.reason, limit: drain });
        self.set_timer(drain, out);
    }

    /// A cancel that comes when only those who hold the pipes are left: they are asked, too.
    fn hurry(&mut self, now: Mono, until: Mono, reason: CancelReason, out: &mut Vec<Effect>) {
        if self.reason.is_some() {
            self.worsen(EndingPhase::Draining, reason, until.since(now), out);
        } else {
            out.push(Effect::Signal(Signal::Term));
            out.push(Effect::Signal(Signal::Cont));
        }
    }

    /// What becomes of those who are left in the group and hold no pipe.
    const fn rest_of_group(&self) -> Effect {
        if self.reason.is_some() { Effect::SweepGroup } else { Effect::LeaveGroup }
    }

    fn sweep(&mut self, exit: Exit, out: &mut Vec<Effect>) {
        self.enter(State::Sweeping(exit));
        out.push(Effect::SweepGroup);
        self.set_timer(SWEEP_TIME, out);
    }

    fn finish(&mut self, exit: Exit, pipes_left_open: bool, out: &mut Vec<Effect>) {
        self.enter(State::Done);
        out.push(Effect::Finish(ChildEnd::Ended(Ended {
            exit: exit.kind,
            reason: self.reason,
            killed: self.killed,
            pipes_left_open,
            duration: exit.duration,
        })));
    }
}
