//! Learns that a child has ended, without reaping it.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ExitKind;
use crate::leader::Leader;

/// Tells when one child has ended.
#[derive(Debug)]
pub(crate) enum ExitWatch {
    /// A descriptor of the process that becomes readable with its end.
    Descriptor(AsyncFd<OwnedFd>),
    /// CHLD, which comes for any child: where there are no such descriptors.
    AnyChild {
        signal: Signal,
        /// The end may lie before the first signal that was listened for.
        checked: bool,
    },
}

impl ExitWatch {
    /// Begins to watch, by a descriptor of the process if there is one already; an end that lies in the past is seen, too.
    pub(crate) fn new(leader: &Leader, descriptor: Option<OwnedFd>) -> io::Result<Self> {
        match descriptor.or_else(|| open(leader)).and_then(listen) {
            Some(descriptor) => Ok(Self::Descriptor(descriptor)),
            None => Self::any_child(),
        }
    }

    fn any_child() -> io::Result<Self> {
        Ok(Self::AnyChild { signal: signal(SignalKind::child())?, checked: false })
    }

    /// Waits for the end of `leader`. May be dropped and called again.
    pub(crate) async fn wait(&mut self, leader: &Leader) -> io::Result<ExitKind> {
        match self {
            Self::Descriptor(descriptor) => loop {
                let mut ready = descriptor.readable().await?;
                if let Some(exit) = leader.exit()? {
                    return Ok(exit);
                }
                ready.clear_ready();
            },
            Self::AnyChild { signal, checked } => loop {
                if std::mem::replace(checked, true) {
                    signal.recv().await.ok_or_else(|| io::Error::other("CHLD is no longer delivered"))?;
                }
                if let Some(exit) = leader.exit()? {
                    return Ok(exit);
                }
            },
        }
    }
}

#[expect(unsafe_code, reason = "the runtime wants a promise about the descriptor")]
pub(crate) fn listen(descriptor: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same one for as long as it exists.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.ok()
}

#[cfg(target_os = "linux")]
fn open(leader: &Leader) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};

    pidfd_open(leader.pid(), PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
const fn open(_: &Leader) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::{Started, start};
    use crate::{Environment, Spawn, StdinMode};

    fn started(script: &str) -> Started {
        let spawn = Spawn {
            program: "sh".into(),
            file: None,
            args: vec!["-c".into(), script.into()],
            cwd: "/".into(),
            env: Environment::default(),
            stdin: StdinMode::Null,
        };
        start(&spawn).unwrap()
    }

    async fn both(script: &str) -> [ExitKind; 2] {
        let Started { leader, descriptor, .. } = started(script);
        let mut descriptor = ExitWatch::new(&leader, descriptor).unwrap();
        let mut any_child = ExitWatch::any_child().unwrap();
        let seen = [descriptor.wait(&leader).await.unwrap(), any_child.wait(&leader).await.unwrap()];
        leader.reap();
        seen
    }

    #[tokio::test]
    async fn an_end_is_seen_by_either_means_and_leaves_the_child_unreaped() {
        assert_eq!(both("exit 3").await, [ExitKind::Code(3); 2]);
        assert_eq!(both("kill -9 $$").await, [ExitKind::Signal(9); 2]);
    }

    #[tokio::test]
    async fn an_end_is_seen_by_chld_alone() {
        let Started { leader, .. } = started("exit 4");
        let mut any_child = ExitWatch::any_child().unwrap();
        assert_eq!(any_child.wait(&leader).await.unwrap(), ExitKind::Code(4));
        leader.reap();
    }
}
