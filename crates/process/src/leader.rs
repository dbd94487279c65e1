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

use roboppi_ipc::ProcessIdentity;
use rustix::process::{
    Pid, Signal as Number, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, waitid,
    waitpid,
};

use crate::machine::Signal;
use crate::{ExitKind, identity};

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

    /// Lets the number go. To be called when [`Leader::exit`] knows the end; then it does not wait.
    pub(crate) fn reap(mut self) {
        self.reaped = true;
        wait_for(self.pid);
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

fn wait_for(pid: Pid) {
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    unlist(pid);
}
