//! A signal that is listened to, unless the parent of this process had it ignored.

use std::future::pending;
use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::inherited;

/// The arrivals of one signal. Where the parent had it ignored (`nohup`, `&` in a script) it stays ignored, and never
/// arrives.
#[derive(Debug)]
pub struct HeardSignal(Option<tokio::signal::unix::Signal>);

impl HeardSignal {
    /// Starts to listen. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn unless_ignored(number: Signal) -> io::Result<Self> {
        if inherited::is_ignored(number) {
            return Ok(Self(None));
        }
        signal(SignalKind::from_raw(number as i32)).map(Some).map(Self)
    }

    /// Waits for the next arrival. Dropping the future loses nothing.
    pub async fn recv(&mut self) {
        match &mut self.0 {
            Some(arrivals) => drop(arrivals.recv().await),
            None => pending().await,
        }
    }
}
