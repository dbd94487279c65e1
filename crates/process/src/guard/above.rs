//! Whoever is above a guard, and how it is noticed that they have gone.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::unistd::{Pid, getppid};
use rustix::event::PollFlags;

use super::machine::Request;

/// What is passed on, by its place.
pub(super) const REQUESTS: [Request; 7] = [
    Request::Term,
    Request::Int,
    Request::Hup,
    Request::Quit,
    Request::Suspend,
    Request::Continue,
    Request::Status,
];

/// The process that started a guard.
#[derive(Debug)]
pub(super) enum Above {
    /// The supervisor of a core.
    Supervisor {
        pid: Pid,
        /// A descriptor of it that becomes readable with its end, where the system has them.
        process: Option<OwnedFd>,
    },
    /// The front process of a program in the terminal, and the pipe by which it passes signals on. The pipe ends
    /// with it.
    Front { pid: Pid, pipe: OwnedFd },
}

impl Above {
    /// The parent of this process.
    pub(super) fn supervisor() -> Self {
        let pid = getppid();
        Self::Supervisor { pid, process: open(pid) }
    }

    /// The front process, if there is one.
    pub(super) const fn front(&self) -> Option<Pid> {
        match self {
            Self::Front { pid, .. } => Some(*pid),
            Self::Supervisor { .. } => None,
        }
    }

    /// Whether it would be noticed that they have gone. A parent in another space of pids cannot be seen.
    pub(super) fn is_seen(&self) -> bool {
        match self {
            Self::Supervisor { pid, .. } => pid.as_raw() != 0,
            Self::Front { .. } => true,
        }
    }

    /// What becomes readable when there is news, if it does.
    pub(super) fn descriptor(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match self {
            Self::Supervisor { process, .. } => Some((process.as_ref()?.as_fd(), PollFlags::IN)),
            Self::Front { pipe, .. } => Some((pipe.as_fd(), PollFlags::IN)),
        }
    }

    pub(super) fn raw(&self) -> Option<RawFd> {
        self.descriptor().map(|(descriptor, _)| descriptor.as_raw_fd())
    }

    /// What was passed on, and whether they have gone. Does not wait, and is called when there is news, or to look.
    pub(super) fn news(&self) -> (Vec<Request>, bool) {
        match self {
            Self::Supervisor { pid, .. } => (Vec::new(), getppid() != *pid),
            Self::Front { pipe, .. } => {
                let mut bytes = [0; 64];
                match rustix::io::read(pipe, &mut bytes) {
                    Ok(0) => (Vec::new(), true),
                    Ok(length) => {
                        let request = |byte: &u8| REQUESTS.get(usize::from(*byte)).copied();
                        (bytes[..length].iter().filter_map(request).collect(), false)
                    }
                    Err(_) => (Vec::new(), false),
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn open(pid: Pid) -> Option<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    let process = pidfd_open(Pid::from_raw(pid.as_raw())?, PidfdFlags::empty()).ok()?;
    // It may have ended before that, and its number be another one's.
    (getppid() == pid).then_some(process)
}

#[cfg(not(target_os = "linux"))]
const fn open(_: Pid) -> Option<OwnedFd> {
    None
}
