//! Decides the life of one worker around its process: how it is asked to end, when it counts as idle, what its end means.
//!
//! ```text
//!            Started            Ending                Ending{Draining}           Exited
//!  Starting ─────────► Running ────────► Ending ladder ──────────────► Draining ────────► Ended
//!     │                   │                                                       ▲
//!     │                   └──────────────── Exited ───────────────────────────────┘
//!     └── an order to end goes to the process at once, which then does not start
//!
//!  beside it, while there is a process:
//!
//!            Cancel, the session has time       the time is over
//!  no order ────────────────────────────► soft ──────────────────► ladder (TERM, grace, KILL)
//!      │                                   stop ─── Cancel by force ──► KILL
//!      └── Cancel, it has none; limit of the record; the session ends its worker ──► ladder
//! ```
//!
//! * The session is told of each reason once, and of another only when that is more severe. The reason of a soft stop
//!   only becomes more severe, and its end does not move.
//! * A session that says that the work is done ends its worker without a reason: what follows is no cancellation, unless
//!   the worker was asked to end besides.
//! * A worker is sampled for activity from its start until the ladder has it, and not while it is paused. Output counts as
//!   activity unless all it says is that the worker waits.
//! * A session may be told when its worker has been quiet for a time. That is then the question, and no longer whether the
//!   worker is idle, until the answer was given or the idle limit is the shorter time.
//! * Those that hold the pipes of a worker that has ended are inspected when the drain time begins, shortly before it is
//!   over, and before they are killed.
//! * [`Effect::Conclude`] comes once, and nothing comes after it.

#[cfg(test)]
mod tables;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase, Mono, OverLimit, ProcessIdentity};
use roboppi_process::{ChildReport, Control};
use roboppi_worker_adapters::{AskId, HostAnswer, HostReply, TimerId};

use super::WorkerNotice;
use super::idle::{IdleWatch, Sample};
use crate::WorkerControl;

/// How long before the end of the drain time those that hold the pipes are inspected for the last time.
const BEFORE_DRAIN_ENDS: Duration = Duration::from_millis(5);

/// Something a worker machine reacts to.
#[derive(Debug)]
pub(super) enum Input {
    /// It was found out how the worker is run. Comes before the start.
    Prepared {
        /// Time its session has to end it before the ladder begins.
        soft_stop: Duration,
    },
    /// An order for the worker.
    Control(WorkerControl),
    /// The process runs.
    Started(ProcessIdentity),
    /// A piece of output is about to be translated.
    OutputBegins,
    /// The session made an event. `waits`: it says no more than that the worker waits.
    Event { waits: bool },
    /// The piece of output was translated.
    OutputEnds,
    /// What a look at the worker found.
    Sampled(Sample),
    /// A file of its record has reached a limit.
    LimitReached(OverLimit),
    /// The session wants a timer, in place of an earlier one of this number.
    SetTimer(TimerId, Duration),
    /// The session wants to know when its worker has done nothing for this time.
    SetQuietTimer(TimerId, Duration),
    /// The session asks its host.
    Ask(AskId),
    /// The session ends its worker; without a reason because the work is done.
    SessionEnds(Option<CancelReason>),
    /// The process is on its way out.
    Ending { phase: EndingPhase, reason: Option<CancelReason>, limit: Duration },
    /// It is late enough for something that [`WorkerMachine::due`] gave.
    Time,
    /// The process has ended and all its output was given.
    Exited(ChildReport),
}

/// An action a worker machine asks for. Perform in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Pass this on to the process.
    Control(Control),
    /// Tell the session that its worker is to end.
    CancelSession(CancelReason),
    /// Tell the session that its timer has run out.
    FireTimer(TimerId),
    /// Give the session an answer of its host.
    Reply(HostReply),
    /// Find out which processes hold the pipes.
    InspectHolders,
    /// Let the owner know.
    Notify(WorkerNotice),
    /// Make the result.
    Conclude(Conclusion),
}

/// What the end of a process means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conclusion {
    /// How it ended.
    pub(super) report: ChildReport,
    /// Why it was ended before its own end, if it was.
    pub(super) cancelled: Option<CancelReason>,
    /// How long it had done nothing, when it was ended for that.
    pub(super) idle: Option<Duration>,
}

/// Decides the life of one worker. Does no I/O and reads no clock.
#[derive(Debug)]
pub(super) struct WorkerMachine {
    phase: Phase,
    stop: Stop,
    soft_stop: SoftStop,
    idle: Idle,
    output: PieceEvents,
    timers: BTreeMap<TimerId, Mono>,
    /// Answers are given after the effects in which a session asked.
    replies: VecDeque<HostReply>,
    holders_due: Option<Mono>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no process yet.
    Starting,
    Running,
    /// The ladder has it.
    Ending,
    /// It has ended, and its pipes are still held.
    Draining,
    Ended,
}

/// What is known of why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    NotAsked,
    /// The session says that the work is done.
    WorkDone,
    /// It was asked to end, and the session knows.
    Asked(CancelReason),
}

/// The time a session has to end its worker itself.
#[derive(Clone, Copy, Debug)]
struct SoftStop {
    time: Duration,
    /// When the ladder begins, and with which reason.
    pending: Option<(Mono, CancelReason)>,
}

#[derive(Debug)]
struct Idle {
    /// How long it may do nothing.
    limit: Option<Duration>,
    /// While that counts.
    watch: Option<IdleWatch>,
    /// Told, in place of the end of an idle worker.
    quiet: Option<(TimerId, Duration)>,
    /// It was ended for it.
    reached: bool,
}

/// What the events of one piece of output say.
#[derive(Clone, Copy, Debug, Default)]
struct PieceEvents {
    waiting: bool,
    other: bool,
}

impl WorkerMachine {
    /// A worker that may do nothing for `idle`.
    pub(super) const fn new(idle: Option<Duration>) -> Self {
        Self {
            phase: Phase::Starting,
            stop: Stop::NotAsked,
            soft_stop: SoftStop { time: Duration::ZERO, pending: None },
            idle: Idle { limit: idle, watch: None, quiet: None, reached: false },
            output: PieceEvents { waiting: false, other: false },
            timers: BTreeMap::new(),
            replies: VecDeque::new(),
            holders_due: None,
        }
    }

    /// Whether there was a process.
    pub(super) const fn has_started(&self) -> bool {
        !matches!(self.phase, Phase::Starting)
    }

    /// The next time [`Input::Time`] has something to do.
    pub(super) fn due(&self) -> Option<Mono> {
        let soft_stop = self.soft_stop.pending.map(|(until, _)| until);
        let reply = (!self.replies.is_empty()).then_some(Mono::ZERO);
        let timer = self.timers.values().min().copied();
        [timer, soft_stop, reply, self.holders_due].into_iter().flatten().min()
    }

    /// When to look at the worker next.
    pub(super) fn sample_due(&self) -> Option<Mono> {
        self.idle.watch.as_ref()?.due()
    }

    /// Handles one input and adds what follows from it to `out`.
    #[expect(clippy::needless_pass_by_value, reason = "every machine takes its inputs by value")]
    pub(super) fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Effect>) {
        if self.phase == Phase::Ended {
            return;
        }
        match input {
            Input::Prepared { soft_stop } => self.soft_stop.time = soft_stop,
            Input::Control(control) => self.control(now, control, out),
            Input::Started(process) => {
                self.phase = Phase::Running;
                self.idle.watch = self.idle.limit.map(|limit| IdleWatch::new(now, limit));
                out.push(Effect::Notify(WorkerNotice::Started(process)));
            }
            Input::OutputBegins => self.output = PieceEvents::default(),
            Input::Event { waits: true } => self.output.waiting = true,
            Input::Event { waits: false } => self.output.other = true,
            Input::OutputEnds => {
                let only_waits = self.output.waiting && !self.output.other;
                if let Some(watch) = self.idle.watch.as_mut().filter(|_| !only_waits) {
                    watch.active(now);
                }
            }
            Input::Sampled(sample) => self.sampled(now, sample, out),
            Input::LimitReached(OverLimit::Kill) => {
                self.notify_session(CancelReason::Budget, out);
                out.push(ladder(CancelReason::Budget));
            }
            Input::LimitReached(_) => {}
            Input::SetTimer(timer, after) => {
                self.timers.insert(timer, now + after);
            }
            Input::SetQuietTimer(timer, time) => self.set_quiet_timer(now, timer, time),
            Input::Ask(id) => {
                let answer = HostAnswer::Refused("this host answers no questions".to_owned());
                self.replies.push_back(HostReply::new(id, answer));
            }
            Input::SessionEnds(reason) => self.session_ends(reason, out),
            Input::Ending { phase, reason, limit } => self.ending(now, phase, reason, limit, out),
            Input::Time => self.time(now, out),
            Input::Exited(report) => self.exited(report, out),
        }
    }

    fn control(&mut self, now: Mono, control: WorkerControl, out: &mut Vec<Effect>) {
        match control {
            WorkerControl::Pause => {
                self.idle.watch.iter_mut().for_each(IdleWatch::halt);
                out.push(Effect::Control(Control::Pause));
            }
            WorkerControl::Resume => {
                self.idle.watch.iter_mut().for_each(|watch| watch.go_on(now));
                out.push(Effect::Control(Control::Resume));
            }
            WorkerControl::Cancel(cancel) if cancel.force => {
                self.soft_stop.pending = None;
                self.inspect_holders(out);
                out.push(Effect::Control(Control::Cancel(cancel)));
            }
            WorkerControl::Cancel(cancel) => self.cancel(now, cancel.reason, out),
        }
    }

    /// Leaves it to the session, if that has time for it.
    fn cancel(&mut self, now: Mono, reason: CancelReason, out: &mut Vec<Effect>) {
        self.notify_session(reason, out);
        let SoftStop { time, pending } = &mut self.soft_stop;
        if time.is_zero() || self.phase == Phase::Starting {
            out.push(ladder(reason));
        } else {
            let (until, before) = pending.unwrap_or((now + *time, reason));
            *pending = Some((until, before.max(reason)));
        }
    }

    /// Tells the session, once for each reason that is worse than the last.
    fn notify_session(&mut self, reason: CancelReason, out: &mut Vec<Effect>) {
        let is_worse = self.asked().is_none_or(|asked| asked < reason);
        if self.has_started() && is_worse {
            self.stop = Stop::Asked(reason);
            out.push(Effect::CancelSession(reason));
        }
    }

    fn session_ends(&mut self, reason: Option<CancelReason>, out: &mut Vec<Effect>) {
        match reason {
            Some(reason) => self.stop = Stop::Asked(self.asked().map_or(reason, |asked| asked.max(reason))),
            None if self.stop == Stop::NotAsked => self.stop = Stop::WorkDone,
            None => {}
        }
        out.push(ladder(reason.unwrap_or(CancelReason::User)));
    }

    const fn asked(&self) -> Option<CancelReason> {
        match self.stop {
            Stop::Asked(reason) => Some(reason),
            Stop::NotAsked | Stop::WorkDone => None,
        }
    }

    /// The reason of the process, unless that is only how done work is ended.
    fn meant(&self, reason: Option<CancelReason>) -> Option<CancelReason> {
        reason.filter(|_| self.stop != Stop::WorkDone)
    }

    fn set_quiet_timer(&mut self, now: Mono, timer: TimerId, time: Duration) {
        let time = self.idle.limit.map_or(time, |limit| limit.min(time));
        self.idle.quiet = Some((timer, time));
        match &mut self.idle.watch {
            Some(watch) => watch.set_limit(now, time),
            None if self.phase == Phase::Running => self.idle.watch = Some(IdleWatch::new(now, time)),
            None => {}
        }
    }

    fn sampled(&mut self, now: Mono, sample: Sample, out: &mut Vec<Effect>) {
        let is_quiet = self.idle.watch.as_mut().is_some_and(|watch| watch.looked(now, sample));
        if self.asked().is_some() || !is_quiet {
            return;
        }
        let limit = self.idle.limit;
        if let Some((timer, _)) = self.idle.quiet.take() {
            match (&mut self.idle.watch, limit) {
                (Some(watch), Some(limit)) => watch.set_limit(now, limit),
                (watch, _) => *watch = None,
            }
            out.push(Effect::FireTimer(timer));
        } else {
            self.idle.watch = None;
            self.idle.reached = true;
            self.cancel(now, CancelReason::Timeout, out);
        }
    }

    fn ending(
        &mut self,
        now: Mono,
        phase: EndingPhase,
        reason: Option<CancelReason>,
        limit: Duration,
        out: &mut Vec<Effect>,
    ) {
        // From here on the ladder has the time.
        self.idle.watch = None;
        if phase == EndingPhase::Draining {
            self.phase = Phase::Draining;
            self.inspect_holders(out);
            self.holders_due = Some(now + limit.saturating_sub(BEFORE_DRAIN_ENDS));
        } else if self.phase != Phase::Draining {
            self.phase = Phase::Ending;
        }
        let reason = self.meant(reason);
        out.push(Effect::Notify(WorkerNotice::Ending { phase, reason, limit }));
        if let Some(reason) = reason {
            self.notify_session(reason, out);
        }
    }

    fn inspect_holders(&mut self, out: &mut Vec<Effect>) {
        self.holders_due = None;
        if self.phase == Phase::Draining {
            out.push(Effect::InspectHolders);
        }
    }

    fn time(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if let Some((_, reason)) = self.soft_stop.pending.take_if(|(until, _)| *until <= now) {
            out.push(ladder(reason));
        }
        if self.holders_due.is_some_and(|due| due <= now) {
            self.inspect_holders(out);
        }
        self.timers.retain(|timer, at| {
            let is_due = *at <= now;
            if is_due {
                out.push(Effect::FireTimer(*timer));
            }
            !is_due
        });
        out.extend(self.replies.drain(..).map(Effect::Reply));
    }

    fn exited(&mut self, report: ChildReport, out: &mut Vec<Effect>) {
        self.phase = Phase::Ended;
        let cancelled = self.meant(report.reason);
        let idle = self.idle.limit.filter(|_| self.idle.reached && cancelled == Some(CancelReason::Timeout));
        out.push(Effect::Conclude(Conclusion { report, cancelled, idle }));
    }
}

/// TERM, the grace time, KILL.
const fn ladder(reason: CancelReason) -> Effect {
    Effect::Control(Control::Cancel(Cancel::graceful(reason)))
}
