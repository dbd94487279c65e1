//! A part of this program that goes on in a process of its own, forked and not loaded again.
//!
//! The new process begins as one that was started by its path: the leader of a session, with the signals of a fresh login but
//! for those that stay ignored, its standard streams pipes to this process, and a command line of its own. What differs is
//! the time it takes.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::io::unix::AsyncFd;

use crate::guard::{fork_alone, refuse_threads};
use crate::spawn::keep_ended_children;
use crate::watch_exit::listen;
use crate::{inherited, title};

/// How long a process may take to end whose pipes were closed, before it is killed.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Who returns from [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// This process.
    Here(Forked),
    /// The new one.
    There,
}

/// A forked process that was not taken into service yet. Dropped, it is waited for: it has to end with its pipes.
#[derive(Debug)]
pub struct Forked(Option<Unserved>);

#[derive(Debug)]
struct Unserved {
    pipes: Pipes,
    pid: Pid,
    /// Becomes readable with its end.
    end: OwnedFd,
}

/// Our ends of the standard streams of a process.
#[derive(Debug)]
pub struct Pipes {
    /// What it reads.
    pub stdin: OwnedFd,
    /// What it writes.
    pub stdout: OwnedFd,
    /// What it complains.
    pub stderr: OwnedFd,
}

/// A forked process without its pipes.
#[derive(Debug)]
pub struct ForkedProcess {
    pid: Pid,
    /// Becomes readable with its end.
    end: AsyncFd<OwnedFd>,
    reaped: bool,
}

/// Forks this process. The new one shows `line` as its command line, and does not know the variables `without`.
///
/// To be called before there is another thread or a runtime, and before anything was opened that the new process must
/// not hold open.
///
/// # Errors
/// When there are other threads, when the system has no room, or cannot tell of the end of a process.
pub fn fork(line: &CStr, without: &[&str]) -> io::Result<Fork> {
    if cfg!(not(target_os = "linux")) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    refuse_threads()?;
    keep_ended_children();
    let (stdin, to_stdin) = io::pipe()?;
    let (from_stdout, stdout) = io::pipe()?;
    let (from_stderr, stderr) = io::pipe()?;
    match fork_alone()? {
        nix::unistd::ForkResult::Parent { child } => {
            let pid = Pid::from_raw(child.as_raw()).ok_or_else(|| io::Error::other("no pid"))?;
            let end = match end_of(pid) {
                Ok(end) => end,
                Err(error) => {
                    let _ = kill_process(pid, Signal::KILL);
                    let _ = reap(pid, WaitOptions::empty());
                    return Err(error);
                }
            };
            let pipes =
                Pipes { stdin: to_stdin.into(), stdout: from_stdout.into(), stderr: from_stderr.into() };
            Ok(Fork::Here(Forked(Some(Unserved { pipes, pid, end }))))
        }
        nix::unistd::ForkResult::Child => {
            drop((to_stdin, from_stdout, from_stderr));
            let set_up = || -> io::Result<()> {
                // A child is never the leader of its group, so this cannot be refused.
                nix::unistd::setsid()?;
                inherited::begin_afresh();
                rustix::stdio::dup2_stdin(&stdin)?;
                rustix::stdio::dup2_stdout(&stdout)?;
                rustix::stdio::dup2_stderr(&stderr)?;
                Ok(())
            };
            // No error is returned here: whoever called would take this process for the one that forked it.
            if let Err(error) = set_up() {
                let message = format!("roboppi: {} cannot begin: {error}\n", line.to_string_lossy());
                let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
                end_at_once();
            }
            forget_variables(without);
            title::show(line);
            Ok(Fork::There)
        }
    }
}

/// Ends this process, and runs and writes nothing that its parent left it.
#[expect(unsafe_code, reason = "the system call that ends a process")]
fn end_at_once() -> ! {
    // SAFETY: it does not return, and nothing of this process is looked at again.
    unsafe { nix::libc::_exit(1) }
}

#[cfg(target_os = "linux")]
fn end_of(pid: Pid) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};

    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(not(target_os = "linux"))]
fn end_of(_: Pid) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

#[expect(unsafe_code, reason = "changing the environment is only safe while there is one thread")]
fn forget_variables(names: &[&str]) {
    for name in names {
        // SAFETY: there is no other thread (`refuse_threads`).
        unsafe { std::env::remove_var(name) };
    }
}

impl Forked {
    /// Its streams, and the process itself, for which nobody waits by itself from now on. Needs a runtime.
    ///
    /// # Errors
    /// When the system has no room for that.
    pub fn into_service(mut self) -> io::Result<(Pipes, ForkedProcess)> {
        let Unserved { pipes, pid, end } = self.0.take().ok_or(io::ErrorKind::NotConnected)?;
        let end = listen(end).ok_or_else(|| io::Error::other("the end of a process cannot be watched"))?;
        Ok((pipes, ForkedProcess { pid, end, reaped: false }))
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        let Some(Unserved { pipes, pid, end }) = self.0.take() else { return };
        drop(pipes);
        if !poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = reap(pid, WaitOptions::empty());
    }
}

fn reap(pid: Pid, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), options))?;
    Ok(ended.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}

impl ForkedProcess {
    /// Its pid, until it is reaped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        (!self.reaped).then(|| self.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Waits for its end, and reaps it. May be dropped and called again until it has answered.
    ///
    /// # Errors
    /// When the system does not tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = reap(self.pid, WaitOptions::NOHANG)? {
                self.reaped = true;
                return Ok(status);
            }
            self.end.readable().await?.clear_ready();
        }
    }
}
