//! Feeds one [`GuardMachine`] and performs what it asks for. One thread, no runtime.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roboppi_ipc::{Leaked, Mono};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::descriptors::{release, release_stdin};
use super::end::{Survivors, living};
use super::machine::{Effect, Epoch, Forward, GuardMachine, Input};
use super::signals::{Heard, Held, Listener};
use super::tell::Teller;
use super::terminal::Terminal;
use super::{GuardKind, GuardSettings, title};
use crate::ExitKind;
use crate::descendants::{Node, walk};

/// Longest time one poll waits; a longer time is waited for in parts.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Guards until everything is over. The answer is the exit code.
pub(super) fn guard(child: Pid, settings: GuardSettings, signals: Held, terminal: Option<&Terminal>) -> u8 {
    title::set();
    let signals = signals.listen();
    let mut keep = signals.raw().to_vec();
    keep.extend(terminal.map(Terminal::raw));
    release(&keep);
    if settings.kind == GuardKind::Direct {
        release_stdin();
    }
    let driver = Driver {
        child,
        kind: settings.kind,
        terminal,
        machine: GuardMachine::new(settings),
        inputs: VecDeque::new(),
        origin: Instant::now(),
        timer: None,
        watch_input: settings.kind == GuardKind::Core,
        survivors: Survivors::default(),
        unkillable: Vec::new(),
        teller: Teller::new(settings.kind),
        code: None,
    };
    driver.run(&signals)
}

struct Driver<'t> {
    child: Pid,
    kind: GuardKind,
    terminal: Option<&'t Terminal>,
    machine: GuardMachine,
    inputs: VecDeque<Input>,
    origin: Instant,
    timer: Option<(Epoch, Instant)>,
    /// Whether fd 0 is the wire and was not hung up yet.
    watch_input: bool,
    survivors: Survivors,
    unkillable: Vec<Leaked>,
    teller: Teller,
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
                    Heard::Request { request, from_terminal } => {
                        self.feed(Input::Asked { request, from_terminal });
                    }
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

    /// Waits for a signal, the end of the wire, or the time.
    fn wait(&mut self, signals: &Listener) {
        let left = self.timer.map(|(_, due)| due.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| timespec(left.min(LONGEST_WAIT)));
        let input = io::stdin();
        let mut watched = vec![PollFd::from_borrowed_fd(signals.descriptor(), PollFlags::IN)];
        if self.watch_input {
            watched.push(PollFd::new(&input, HANG_UP));
        }
        if poll(&mut watched, timeout.as_ref()).is_err() {
            return;
        }
        if watched.get(1).is_some_and(|input| !input.revents().is_empty()) {
            self.watch_input = false;
            self.feed(Input::HangUp);
        }
    }

    fn reap(&mut self) {
        let options = match self.kind {
            GuardKind::Core => WaitOptions::NOHANG,
            GuardKind::Direct => WaitOptions::NOHANG | WaitOptions::UNTRACED,
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
        }
        let code = status.exit_status().map(ExitKind::Code);
        if let Some(exit) = code.or_else(|| status.terminating_signal().map(ExitKind::Signal)) {
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
            Effect::StopSelf => {
                let _ = kill(Pid::this(), Signal::SIGSTOP);
                self.inputs.push_back(Input::Continued);
            }
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
                    terminal.restore();
                }
            }
            Effect::ReportExit(exit) => self.teller.exited(exit),
            Effect::AskAll => self.survivors.ask(&below_us, &mut |leaked| self.teller.ended(leaked)),
            Effect::KillAll => self.survivors.kill(&below_us, &mut |leaked| self.teller.ended(leaked)),
            Effect::GiveUp => self.unkillable = living(&below_us),
            Effect::Finish(code) => {
                self.code = Some(code);
                self.teller.done(self.survivors.count(), std::mem::take(&mut self.unkillable));
            }
        }
    }
}

fn below_us() -> Vec<Node> {
    walk(std::process::id())
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
        Forward::Suspend => Signal::SIGTSTP,
        Forward::Status => Signal::SIGUSR1,
        Forward::Cont => Signal::SIGCONT,
        Forward::Kill => Signal::SIGKILL,
    }
}
