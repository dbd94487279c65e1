//! Feeds one [`ChildMachine`] and performs what it asks for. Knows processes and time, decides nothing.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase, Mono, OutputStream, ProcessIdentity};
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::time::{Instant, sleep_until};

use crate::guard::is_subreaper;
use crate::leader::{ChildUsage, Leader};
use crate::machine::{ChildEnd, ChildMachine, Effect, Epoch, Input, Signal};
use crate::pipes::{Outputs, Pumped, Stdin};
use crate::spawn::{Started, start};
use crate::watch_exit::ExitWatch;
use crate::{ExitKind, Limits, Spawn, SpawnError, SpawnErrorKind};

/// Bytes that may wait for a child to read them. A child that lets more pile up is ended with the reason
/// [`CancelReason::Budget`]; one piece of any size always fits.
pub const STDIN_BACKLOG: usize = 16 * 1024 * 1024;

/// Longest sleep; a longer time is slept in parts.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What a running child can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// End.
    Cancel(Cancel),
    /// Halt, and the timeout with it.
    Pause,
    /// Go on.
    Resume,
    /// Write this to its stdin, after what came before. Dropped if the stdin is not piped or was closed.
    Stdin(Vec<u8>),
    /// Close its stdin, after what came before.
    CloseStdin,
}

/// Is told what a child does, at once and in order. Runs on the task of the child and must not wait for
/// anything but the record.
pub trait ChildWatch {
    /// It runs. The first call, exactly once, unless the child is not started at all.
    fn started(&mut self, process: ProcessIdentity);
    /// It wrote something, at most 64 KiB a call.
    fn output(&mut self, stream: OutputStream, bytes: &[u8]);
    /// It is on its way out: asked to end (`reason`), or ended by itself with its pipes still held
    /// (no reason). `limit` is the time until the phase ends by force. Comes again when the reason
    /// becomes more severe.
    fn ending(&mut self, phase: EndingPhase, reason: Option<CancelReason>, limit: Duration);
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildReport {
    /// How it ended.
    pub exit: ExitKind,
    /// Why it was asked to end; `None` when it ended by itself.
    pub reason: Option<CancelReason>,
    /// Whether it had to be forced with KILL.
    pub killed: bool,
    /// Whether somebody still held its pipes when the drain time was over.
    pub pipes_left_open: bool,
    /// From its start to its exit; the time after that is not its own.
    pub duration: Duration,
    /// Who it was.
    pub process: ProcessIdentity,
    /// What it has used; `None` when it was reaped by others.
    pub usage: Option<ChildUsage>,
}

/// Runs one child from its start to its end.
///
/// Never returns before the child is reaped and its pipes are closed or the drain time is over. Dropping
/// the sender of `control` means that nobody wants the child any more: it is ended with the reason
/// [`CancelReason::Parent`]. Dropping the future kills the group of the child at once.
///
/// Needs a tokio runtime with I/O and time, of either flavour.
///
/// # Errors
/// When the child could not be started, or was cancelled before it was.
pub async fn run<W: ChildWatch>(
    spawn: Spawn,
    limits: Limits,
    mut control: mpsc::Receiver<Control>,
    watch: &mut W,
) -> Result<ChildReport, SpawnError> {
    let mut driver = Driver::new(spawn, limits, watch);
    // What was asked already may spare the start.
    let mut owned = loop {
        match control.try_recv() {
            Ok(control) => driver.control(control),
            Err(TryRecvError::Empty) => break true,
            Err(TryRecvError::Disconnected) => {
                driver.feed(Input::OwnerGone);
                break false;
            }
        }
    };
    driver.feed(Input::Start);

    let mut sleep = pin!(sleep_until(driver.origin));
    loop {
        if let Some(end) = driver.end.take() {
            return end;
        }
        let Some(life) = &mut driver.life else {
            return Err(driver.lost(io::Error::other("it neither started nor failed to")));
        };
        if let Some(timer) = driver.timer
            && sleep.deadline() != timer.wake
        {
            sleep.as_mut().reset(timer.wake);
        }
        let event = tokio::select! {
            biased;
            control = control.recv(), if owned => Event::Control(control),
            () = sleep.as_mut(), if driver.timer.is_some() => Event::Time,
            exit = life.exit_watch.wait(&life.leader), if !life.exited => Event::Exit(exit),
            () = life.outputs.readable() => Event::Output,
            () = driver.stdin.writable() => Event::Stdin,
        };
        match event {
            Event::Control(Some(control)) => driver.control(control),
            Event::Control(None) => {
                owned = false;
                driver.feed(Input::OwnerGone);
            }
            Event::Time => driver.time(),
            Event::Exit(Ok(exit)) => driver.exited(exit),
            Event::Exit(Err(error)) => return Err(driver.lost(error)),
            Event::Output => {
                if driver.output() == Pumped::More {
                    tokio::task::yield_now().await;
                }
            }
            Event::Stdin => driver.stdin.write(),
        }
    }
}

enum Event {
    Control(Option<Control>),
    Time,
    Exit(io::Result<ExitKind>),
    Output,
    Stdin,
}

struct Driver<'w, W> {
    spawn: Spawn,
    watch: &'w mut W,
    machine: ChildMachine,
    inputs: VecDeque<Input>,
    effects: Vec<Effect>,
    origin: Instant,
    timer: Option<Timer>,
    stdin: Stdin,
    /// From its start on, until it is reaped.
    life: Option<ChildRuntime>,
    end: Option<Result<ChildReport, SpawnError>>,
}

struct ChildRuntime {
    leader: Leader,
    process: ProcessIdentity,
    exit_watch: ExitWatch,
    exited: bool,
    outputs: Outputs,
}

#[derive(Clone, Copy)]
struct Timer {
    epoch: Epoch,
    due: Instant,
    /// When to wake next, not after `due`.
    wake: Instant,
}

impl<'w, W: ChildWatch> Driver<'w, W> {
    fn new(spawn: Spawn, limits: Limits, watch: &'w mut W) -> Self {
        Self {
            spawn,
            watch,
            machine: ChildMachine::new(limits),
            inputs: VecDeque::new(),
            effects: Vec::new(),
            origin: Instant::now(),
            timer: None,
            stdin: Stdin::default(),
            life: None,
            end: None,
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Cancel(cancel) => self.feed(Input::Cancel(cancel)),
            Control::Pause => self.feed(Input::Pause),
            Control::Resume => self.feed(Input::Resume),
            Control::Stdin(bytes) => {
                let backlog = self.stdin.backlog();
                if backlog > 0 && backlog.saturating_add(bytes.len()) > STDIN_BACKLOG {
                    self.stdin.close();
                    self.feed(Input::Cancel(Cancel::graceful(CancelReason::Budget)));
                } else {
                    self.stdin.push(bytes);
                }
            }
            Control::CloseStdin => self.stdin.close_when_written(),
        }
    }

    fn time(&mut self) {
        let Some(timer) = &mut self.timer else { return };
        if timer.wake < timer.due {
            timer.wake = timer.due.min(timer.wake + LONGEST_SLEEP);
            return;
        }
        let epoch = timer.epoch;
        self.timer = None;
        self.feed(Input::Timer(epoch));
    }

    fn output(&mut self) -> Pumped {
        let Some(life) = &mut self.life else { return Pumped::Empty };
        let pumped = life.outputs.pump(&mut |stream, bytes| self.watch.output(stream, bytes));
        if life.outputs.closed() {
            self.feed(Input::PipesClosed);
        }
        pumped
    }

    fn exited(&mut self, exit: ExitKind) {
        self.stdin.close();
        if let Some(life) = &mut self.life {
            life.exited = true;
            // Nearly always the end of the pipes is there, too, and nothing is left to be waited for.
            if !life.outputs.closed() {
                life.outputs.pump_now(&mut |stream, bytes| self.watch.output(stream, bytes));
                if life.outputs.closed() {
                    self.inputs.push_back(Input::PipesClosed);
                }
            }
        }
        self.feed(Input::Exited(exit));
    }

    /// Reads what is left in the pipes at the end, whoever holds them.
    fn empty_pipes(&mut self) {
        let Some(life) = &mut self.life else { return };
        life.outputs.empty(&mut |stream, bytes| self.watch.output(stream, bytes));
        if life.outputs.closed() {
            self.inputs.push_back(Input::PipesClosed);
        }
    }

    fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let now = Mono::from_origin(self.origin.elapsed());
            let mut effects = std::mem::take(&mut self.effects);
            self.machine.handle(now, input, &mut effects);
            for effect in effects.drain(..) {
                self.perform(effect);
            }
            self.effects = effects;
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn => match self.start() {
                Ok(life) => {
                    self.life = Some(life);
                    self.inputs.push_back(Input::Spawned);
                }
                Err(error) => {
                    self.end = Some(Err(SpawnError::explain(&self.spawn, error)));
                    self.inputs.push_back(Input::SpawnFailed);
                }
            },
            Effect::Started => {
                if let Some(life) = &self.life {
                    self.watch.started(life.process);
                }
            }
            Effect::Signal(signal) => self.signal(signal),
            Effect::SweepGroup => self.signal(Signal::Kill),
            Effect::LeaveGroup => {
                if !is_subreaper() {
                    self.signal(Signal::Kill);
                }
            }
            Effect::SetTimer { epoch, after } => {
                let now = Instant::now();
                // A time beyond the end of the clock never comes.
                self.timer = now.checked_add(after).map(|due| Timer {
                    epoch,
                    due,
                    wake: now + after.min(LONGEST_SLEEP),
                });
            }
            Effect::Ending { phase, reason, limit } => self.watch.ending(phase, reason, limit),
            Effect::Finish(end) => self.finish(end),
        }
    }

    fn start(&mut self) -> io::Result<ChildRuntime> {
        let started = start(&self.spawn)?;
        // It ran, so this is not a start that may be tried again.
        self.track(started).map_err(|error| io::Error::other(format!("it was ended again: {error}")))
    }

    fn track(&mut self, started: Started) -> io::Result<ChildRuntime> {
        let exit_watch = ExitWatch::new(&started.leader, started.descriptor)?;
        if let Some(pipe) = started.stdin {
            self.stdin.open(pipe)?;
        } else {
            self.stdin.close();
        }
        Ok(ChildRuntime {
            process: started.leader.identity(),
            leader: started.leader,
            exit_watch,
            exited: false,
            outputs: Outputs::new(started.stdout, started.stderr)?,
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(life) = &self.life {
            life.leader.signal_group(signal);
        }
    }

    fn finish(&mut self, end: ChildEnd) {
        match end {
            ChildEnd::NeverStarted(reason) => {
                self.end = Some(Err(SpawnError::new(&self.spawn, SpawnErrorKind::Cancelled(reason))));
            }
            // Said by the start itself.
            ChildEnd::SpawnFailed => {}
            ChildEnd::Ended(ended) => {
                self.empty_pipes();
                self.inputs.clear();
                let Some(life) = self.life.take() else { return };
                let usage = life.leader.reap();
                self.end = Some(Ok(ChildReport {
                    exit: ended.exit,
                    reason: ended.reason,
                    killed: ended.killed,
                    pipes_left_open: ended.pipes_left_open,
                    duration: ended.duration,
                    process: life.process,
                    usage,
                }));
            }
        }
    }

    /// The end of the child cannot be learned. If somebody else has reaped it, its number is not ours any more.
    fn lost(&mut self, error: io::Error) -> SpawnError {
        if let Some(life) = self.life.take()
            && error.raw_os_error() == Some(nix::libc::ECHILD)
        {
            life.leader.forget();
        }
        SpawnError::new(&self.spawn, SpawnErrorKind::EndUnknown(error))
    }
}
