//! A guard with its child on a stage that is cleared afterwards, whatever happened.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use roboppi_ipc::ProcessIdentity;
use roboppi_process::guard::GuardReport;
use roboppi_process::{identity, is_alive, lead_a_session};

use crate::guarded;
use crate::workers::Worker;

/// Nothing here takes longer, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A time nobody reaches in a test.
pub(crate) const LONG: &str = "3600000";

/// Text that all processes of a case, and no others, have in their command lines.
pub(crate) struct Mark(pub(crate) String);

impl Mark {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("guard-test-{}-{next}-", std::process::id()))
    }

    /// The living processes that carry it.
    pub(crate) fn bearers(&self) -> Vec<ProcessIdentity> {
        let processes = fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|entry| {
                let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let found = command_lines(pid)
                    .any(|line| line.windows(self.0.len()).any(|part| part == self.0.as_bytes()));
                let process = identity(pid).ok()?;
                (found && is_alive(process)).then_some(process)
            })
            .collect()
    }
}

/// The command line of a process, which is that of its other threads when the main thread has ended.
fn command_lines(pid: u32) -> impl Iterator<Item = Vec<u8>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    threads.filter_map(|thread| fs::read(thread.ok()?.path().join("cmdline")).ok())
}

impl Drop for Mark {
    fn drop(&mut self) {
        let begin = Instant::now();
        loop {
            let left = self.bearers();
            if left.is_empty() || begin.elapsed() > LIMIT {
                return;
            }
            drop(roboppi_process::descendants::kill_trees(&left));
        }
    }
}

pub(crate) struct Settings {
    pub(crate) kind: &'static str,
    pub(crate) grace: &'static str,
    pub(crate) drain: &'static str,
    pub(crate) mood: &'static str,
}

/// A guard that gives its child, and what is left behind, very little time.
pub(crate) const HASTY: Settings = Settings { kind: "core", grace: "200", drain: "100", mood: "lively" };

/// A guard that waits as long as it takes.
pub(crate) const PATIENT: Settings = Settings { kind: "core", grace: LONG, drain: LONG, mood: "lively" };

pub(crate) struct Stage {
    pub(crate) mark: Mark,
    /// What was started: the guard of a core, or the process in front of that of a program in the terminal.
    pub(crate) started: Child,
    pub(crate) guard: u32,
    pub(crate) guarded: ProcessIdentity,
    pub(crate) input: Option<ChildStdin>,
    wire: Receiver<String>,
    stderr: Receiver<String>,
}

impl Stage {
    /// Starts a guard, and waits until its child and all workers are up.
    pub(crate) fn new(settings: &Settings, workers: &[Worker]) -> Self {
        let mark = Mark::new();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([guarded::COMMAND, settings.kind, settings.grace, settings.drain, settings.mood]);
        command.arg(&mark.0).args(workers.iter().map(|worker| worker.name));
        Self::start(mark, command)
    }

    pub(crate) fn start(mark: Mark, mut command: Command) -> Self {
        lead_a_session(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = command.spawn().unwrap();
        let stderr = lines(started.stderr.take().unwrap());
        let input = started.stdin.take();
        let wire = lines(started.stdout.take().unwrap());
        let ready = wire.recv_timeout(LIMIT).unwrap_or_default();
        let words: Vec<&str> = ready.split_whitespace().collect();
        let ["ready", pid, guard_pid] = words[..] else { panic!("{ready:?}: {:?}", rest(&stderr)) };
        let guard: u32 = guard_pid.parse().unwrap();
        let pid: u32 = pid.parse().unwrap();
        // One that has ended at once has no other identity any more.
        let guarded = identity(pid).unwrap_or(ProcessIdentity { pid, start_time: u64::MAX });
        Self { mark, started, guard, guarded, input, wire, stderr }
    }

    pub(crate) fn signal_guard(&self, signal: Signal) {
        send(self.guard, signal);
    }

    pub(crate) fn signal_started(&self, signal: Signal) {
        send(self.started.id(), signal);
    }

    pub(crate) fn signal_guarded(&self, signal: Signal) {
        send(self.guarded.pid, signal);
    }

    /// Waits for the end of the guard.
    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the guard ends", || self.started.try_wait().unwrap().is_some());
        self.started.wait().unwrap()
    }

    /// Waits for the end of the guard, which is to exit with this code and to have left nothing.
    pub(crate) fn ends_clean(&mut self, code: u8) -> Vec<GuardReport> {
        let status = self.end();
        assert_eq!((status.code(), status.signal()), (Some(code.into()), None), "{}", self.said());
        assert_eq!(self.mark.bearers(), [], "at the moment the guard is gone, so is all else");
        self.reports()
    }

    /// What guard and child said on stderr; waits for the end of both.
    pub(crate) fn said(&self) -> String {
        rest(&self.stderr).concat()
    }

    /// Waits until nobody writes to the wire any more.
    pub(crate) fn end_of_wire(&self) {
        assert_eq!(rest(&self.wire), [""; 0]);
    }

    pub(crate) fn reports(&self) -> Vec<GuardReport> {
        let said = self.said();
        let reports = said
            .lines()
            .map(|line| GuardReport::parse_line(line).unwrap_or_else(|| panic!("no report: {line}")));
        reports.collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The child first: a guard that is killed cannot end what it leaves.
        if is_alive(self.guarded) {
            send(self.guarded.pid, Signal::SIGKILL);
        }
        let _ = self.started.kill();
        let _ = self.started.wait();
    }
}

/// The lines of a stream, which closes the channel with its end.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
            let _ = sender.send(std::mem::take(&mut line));
        }
    });
    receiver
}

/// All lines up to the end of the stream, which has to come.
fn rest(lines: &Receiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) => all.push(line),
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => panic!("the stream does not end: {all:?}"),
        }
    }
}

/// To everybody in the group of a process that leads one.
pub(crate) fn send_to_group(leader: u32, signal: Signal) {
    let _ = killpg(Pid::from_raw(i32::try_from(leader).unwrap()), signal);
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

/// Waits until a condition holds that nothing announces.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LIMIT, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The letter `ps` shows for the state of a process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line[line.rfind(')')? + 1..].trim_start().chars().next()
}
