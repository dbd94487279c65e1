//! Feeds one [`GuardMachine`] and performs what it asks for. One thread, no runtime.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roboppi_ipc::{Leaked, Mono};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::above::Above;
use super::descriptors::{release, release_stdin};
use super::end::{Survivors, living};
use super::machine::{Effect, Epoch, Forward, GuardMachine, Input};
use super::reporter::Reporter;
use super::signals::{Heard, Held, Listener};
use super::terminal::Terminal;
use super::{GuardKind, GuardSettings, reported};
use crate::ExitKind;
use crate::descendants::{Node, walk};

/// Longest time one poll waits; a longer time is waited for in parts.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Time after which it is looked whether the supervisor has gone, where the system does not tell.
const PARENT_CHECK: Duration = Duration::from_millis(250);

/// Guards until everything is over. The answer is the exit code.
pub(super) fn guard(
    child: Pid,
    settings: GuardSettings,
    signals: Held,
    above: &Above,
    terminal: Option<&Terminal>,
    reported: &OwnedFd,
) -> u8 {
    if settings.kind == GuardKind::Direct {
        // This process was just forked, so it leads no group and cannot be refused. The child stays in the job.
        let _ = nix::unistd::setsid();
    }
    let signals = signals.listen();
    let mut keep = signals.raw().to_vec();
    keep.extend(above.raw());
    keep.extend(terminal.map(Terminal::raw));
    keep.push(reported.as_raw_fd());
    release(&keep);
    if settings.kind == GuardKind::Direct {
        release_stdin();
    }
    let driver = Driver {
        child,
        has_child: true,
        above,
        watch_above: above.is_seen(),
        terminal,
        reported,
        machine: GuardMachine::new(settings),
        inputs: VecDeque::new(),
        origin: Instant::now(),
        timer: None,
        watch_input: settings.kind == GuardKind::Core,
        survivors: Survivors::default(),
        unkillable: Vec::new(),
        reporter: Reporter::new(settings.kind),
        code: None,
    };
    driver.run(&signals)
}

struct Driver<'t> {
    child: Pid,
    /// It was not reaped yet.
    has_child: bool,
    above: &'t Above,
    /// Whoever is above was not seen to go yet.
    watch_above: bool,
    terminal: Option<&'t Terminal>,
    reported: &'t OwnedFd,
    machine: GuardMachine,
    inputs: VecDeque<Input>,
    origin: Instant,
    timer: Option<(Epoch, Instant)>,
    /// Whether fd 0 is the wire and was not hung up yet.
    watch_input: bool,
    survivors: Survivors,
    unkillable: Vec<Leaked>,
    reporter: Reporter,
    code: Option<u8>,
}

impl Driver<'_> {
    fn run(mut self, signals: &Listener) -> u8 {
        loop {
            if let Some(code) = self.code {
                return code;
            }
            self.wait(signals);
            for heard in signals.take() {
                match heard {
                    Heard::Children => {}
                    Heard::Request { request, .. } => self.feed(Input::Requested(request)),
                }
            }
            // One look serves any number of ended children, and one too many costs nothing.
            self.reap();
            if let Some((epoch, due)) = self.timer
                && Instant::now() >= due
            {
                self.timer = None;
                self.feed(Input::Timer(epoch));
            }
        }
    }

    /// Waits for a signal, the end of the wire, news from above, or the time.
    fn wait(&mut self, signals: &Listener) {
        let above = self.above.descriptor().filter(|_| self.watch_above);
        let polls_parent = self.watch_above && above.is_none();
        let left = self.timer.map(|(_, due)| due.saturating_duration_since(Instant::now()));
        let longest = if polls_parent { PARENT_CHECK } else { LONGEST_WAIT };
        let timeout = left.or(polls_parent.then_some(PARENT_CHECK)).map(|left| timespec(left.min(longest)));
        let input = io::stdin();
        let mut watched = vec![PollFd::from_borrowed_fd(signals.descriptor(), PollFlags::IN)];
        let mut places = [None; 2];
        if self.watch_input {
            places[0] = Some(watched.len());
            watched.push(PollFd::new(&input, HANG_UP));
        }
        if let Some((descriptor, flags)) = above {
            places[1] = Some(watched.len());
            watched.push(PollFd::from_borrowed_fd(descriptor, flags));
        }
        if poll(&mut watched, timeout.as_ref()).is_err() {
            return;
        }
        let [input, above] =
            places.map(|place| place.is_some_and(|place| !watched[place].revents().is_empty()));
        if above || polls_parent {
            self.check_parent();
        }
        if input {
            self.watch_input = false;
            self.feed(Input::HangUp);
        }
    }

    /// Takes what was passed on from above, and notices that there is nobody any more.
    fn check_parent(&mut self) {
        let (requests, gone) = self.above.news();
        for request in requests {
            self.feed(Input::Requested(request));
        }
        if gone {
            self.watch_above = false;
            self.feed(Input::ParentExited);
        }
    }

    fn reap(&mut self) {
        let options = match self.above {
            Above::Supervisor { .. } => WaitOptions::NOHANG,
            Above::Front { .. } => WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED,
        };
        let left = loop {
            match wait(options) {
                Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == self.child.as_raw() => {
                    self.news_of_child(status);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.feed(Input::Reaped { left });
    }

    fn news_of_child(&mut self, status: WaitStatus) {
        if status.stopped() {
            self.feed(Input::ChildStopped);
        } else if status.continued() {
            self.feed(Input::ChildContinued);
        }
        let code = status.exit_status().map(ExitKind::Code);
        if let Some(exit) = code.or_else(|| status.terminating_signal().map(ExitKind::Signal)) {
            self.has_child = false;
            self.feed(Input::ChildExited(exit));
        }
    }

    fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        let mut effects = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            let now = Mono::from_origin(self.origin.elapsed());
            self.machine.handle(now, input, &mut effects);
            for effect in effects.drain(..) {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Forward(forward) => {
                // The machine does not forward to a child that was reaped.
                let _ = kill(self.child, signal_of(forward));
            }
            Effect::StopFront => self.signal_front(Signal::SIGSTOP),
            Effect::ContinueFront => self.signal_front(Signal::SIGCONT),
            Effect::SetTimer { epoch, after } => {
                // A time beyond the end of the clock never comes.
                self.timer = Instant::now().checked_add(after).map(|due| (epoch, due));
            }
            Effect::CloseInput => {
                self.watch_input = false;
                release_stdin();
            }
            Effect::RestoreTerminal => {
                if let Some(terminal) = self.terminal {
                    terminal.restore(self.above.front().map(|front| front.as_raw().cast_unsigned()));
                }
            }
            Effect::ReportExit(exit) => self.reporter.exited(exit),
            Effect::AskAll => {
                let refused = self.survivors.ask(&left_behind(None));
                self.inputs.push_back(Input::SignalEvent { refused });
            }
            Effect::KillAll => {
                let child = self.has_child.then_some(self.child);
                let refused = self.survivors.kill(&left_behind(child));
                self.inputs.push_back(Input::SignalEvent { refused });
            }
            Effect::GiveUp => self.unkillable = living(&left_behind(None)),
            Effect::Finish(code) => {
                self.code = Some(code);
                for ended in self.survivors.ended(&self.unkillable) {
                    self.reporter.ended(ended);
                }
                let reported = reported::read(self.reported);
                self.unkillable.retain(|left| !reported.contains(&left.process));
                self.reporter.done(self.survivors.count(), std::mem::take(&mut self.unkillable));
            }
        }
    }

    fn signal_front(&self, signal: Signal) {
        if let Some(front) = self.above.front().filter(|_| self.watch_above) {
            let _ = kill(front, signal);
        }
    }
}

/// All that hangs below us but for the child, as long as there is one.
fn left_behind(child: Option<Pid>) -> impl Fn() -> Vec<Node> {
    move || {
        let mut nodes = walk(std::process::id());
        nodes.retain(|node| child.is_none_or(|child| node.identity.pid != child.as_raw().cast_unsigned()));
        nodes
    }
}

/// What makes a poll tell that nobody holds the other end any more. Bytes that wait there are not ours.
#[cfg(target_os = "linux")]
const HANG_UP: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const HANG_UP: PollFlags = PollFlags::empty();

/// Rounded up: a timer must not be met too early.
fn timespec(time: Duration) -> Timespec {
    let time = time + Duration::from_micros(1);
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

const fn signal_of(forward: Forward) -> Signal {
    match forward {
        Forward::Term => Signal::SIGTERM,
        Forward::Int => Signal::SIGINT,
        Forward::Hup => Signal::SIGHUP,
        Forward::Quit => Signal::SIGQUIT,
        Forward::Status => Signal::SIGUSR1,
        Forward::Suspend => Signal::SIGTSTP,
        Forward::Cont => Signal::SIGCONT,
        Forward::Kill => Signal::SIGKILL,
    }
}
