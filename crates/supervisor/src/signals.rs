//! Signals of the system become requests to end or to stand still.

use std::io;

use nix::sys::signal::{Signal as NixSignal, raise};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Asked;

/// Listens for the signals that ask this process to end or to stand still.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    stop: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// To end.
    End(Asked),
    /// To stand still until it is continued (SIGTSTP: Ctrl-Z).
    Suspend,
}

impl Signals {
    /// Starts to listen. From here on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::from_raw(NixSignal::SIGTSTP as i32))?,
        })
    }

    /// Waits for the next one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signalled::End(Asked::Terminate),
            _ = self.hangup.recv() => Signalled::End(Asked::Hangup),
            _ = self.interrupt.recv() => Signalled::End(Asked::Interrupt),
            _ = self.stop.recv() => Signalled::Suspend,
        }
    }
}

/// Stops this process as SIGTSTP would have. Returns when it is continued.
pub fn stand_still() {
    // Cannot fail for the own process and a signal that exists.
    let _ = raise(NixSignal::SIGSTOP);
}
