//! The leader of a group, as long as it has not been reaped.
//!
//! A group has the number of its leader. The system does not give that number to anybody else before the
//! leader is reaped, dead or not. While a [`Leader`] exists it is not reaped: looking at its exit
//! ([`Leader::exit`]) leaves it as it is, and [`Leader::reap`] takes the value away. So whoever can
//! call [`Leader::signal_group`] cannot hit a stranger.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::libc;
use roboppi_ipc::ProcessIdentity;
use rustix::process::{
    Pid, Signal as Number, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, waitid,
    waitpid,
};

use crate::machine::Signal;
use crate::{ExitKind, identity};

/// What a child has used that has ended, and all children it has waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildUsage {
    /// Processor time.
    pub processor: Duration,
    /// The most resident memory of any one of them, in bytes. `None` when it was not more than that of this process, which the
    /// child shared before it became its program.
    pub peak_memory: Option<u64>,
}

/// Pids of all leaders that are not reaped yet, so that nobody takes one of them for an orphan. They are
/// counted: a pid is taken off after it was let go, and may be another leader's by then.
static LEADERS: Mutex<BTreeMap<u32, usize>> = Mutex::new(BTreeMap::new());

/// Whether this pid belongs to a leader that is not reaped yet.
pub(crate) fn is_leader(pid: u32) -> bool {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&pid)
}

/// Takes all leaders off the list: somebody else has reaped them, and their numbers are not ours any more.
pub(crate) fn forget_all() {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn list(pid: u32) {
    *LEADERS.lock().unwrap_or_else(PoisonError::into_inner).entry(pid).or_default() += 1;
}

fn unlist(pid: Pid) {
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    let mut leaders = LEADERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = leaders.get_mut(&pid) {
        *count -= 1;
        if *count == 0 {
            leaders.remove(&pid);
        }
    }
}

/// The leader of a session and group of its own, not reaped yet. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: Pid,
    reaped: bool,
}

impl Leader {
    /// Takes over a child that called `setsid` and that nobody else waits for.
    pub(crate) fn new(pid: u32) -> Option<Self> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        list(pid);
        Some(Self { pid: number, reaped: false })
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Who it is. Without `/proc` its start time is unknown.
    pub(crate) fn identity(&self) -> ProcessIdentity {
        let pid = self.pid.as_raw_nonzero().get().unsigned_abs();
        identity(pid).unwrap_or(ProcessIdentity { pid, start_time: 0 })
    }

    /// Sends a signal to everybody in the group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if !is_leader(self.pid.as_raw_nonzero().get().unsigned_abs()) {
            return;
        }
        let number = match signal {
            Signal::Term => Number::TERM,
            Signal::Kill => Number::KILL,
            Signal::Stop => Number::STOP,
            Signal::Cont => Number::CONT,
        };
        // An error means that nobody is left who could be told, or that the group as a whole belongs to
        // another user; then at least the leader is tried.
        if kill_process_group(self.pid, number).is_err() {
            let _ = kill_process(self.pid, number);
        }
    }

    /// How it ended, if it did. Leaves it unreaped.
    pub(crate) fn exit(&self) -> io::Result<Option<ExitKind>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(self.pid), options))?;
        Ok(status.and_then(|status| {
            let code = status.exit_status().map(ExitKind::Code);
            code.or_else(|| status.terminating_signal().map(ExitKind::Signal))
        }))
    }

    /// Lets the number go, and learns what the child has used. To be called when [`Leader::exit`] knows the end; then it does
    /// not wait.
    pub(crate) fn reap(mut self) -> Option<ChildUsage> {
        self.reaped = true;
        let usage = wait_for_usage(self.pid);
        unlist(self.pid);
        usage
    }

    /// Gives up a child that somebody else has reaped.
    pub(crate) fn forget(mut self) {
        self.reaped = true;
        unlist(self.pid);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.signal_group(Signal::Kill);
        let pid = self.pid;
        let gone = waitpid(Some(pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some());
        if gone {
            unlist(pid);
        } else {
            // It dies as soon as the system gets round to it; the thread here has other children to serve.
            // If there is no room for another thread the dead child stays unreaped until this process ends.
            let _ = thread::Builder::new().name("reaper".into()).spawn(move || wait_for(pid));
        }
    }
}

/// Reaps a child, and gives what it and all it has waited for have used. `None` when it was reaped by others.
#[expect(
    unsafe_code,
    reason = "there is no safe form of the one call that reaps a child and reports what it used"
)]
fn wait_for_usage(pid: Pid) -> Option<ChildUsage> {
    let number = pid.as_raw_nonzero().get();
    loop {
        // SAFETY: all bytes zero are a `rusage`, and the call writes no more than one.
        let (waited, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(number, std::ptr::null_mut(), 0, &raw mut usage), usage)
        };
        if waited == number {
            return Some(ChildUsage::of(&usage));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// The most resident memory this process had, in the unit of the system.
#[expect(unsafe_code, reason = "there is no safe form of the call without another dependency")]
fn own_peak() -> libc::c_long {
    // SAFETY: all bytes zero are a `rusage`, and the call writes no more than one.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage.ru_maxrss
    }
}

impl ChildUsage {
    fn of(usage: &libc::rusage) -> Self {
        let time = |time: libc::timeval| {
            let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
            seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
        };
        // In KiB, but for systems of Apple.
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        Self {
            processor: time(usage.ru_utime) + time(usage.ru_stime),
            peak_memory: (usage.ru_maxrss > own_peak())
                .then(|| u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(unit)),
        }
    }
}

fn wait_for(pid: Pid) {
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    unlist(pid);
}
