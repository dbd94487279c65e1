//! A signal that is listened to, unless the parent of this process had it ignored.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use signal_hook::flag;
use tokio::signal::unix::{SignalKind, signal};

use crate::inherited;

/// The arrivals of one signal. Several that arrive before the first is taken are one.
#[derive(Debug)]
pub struct HeardSignal(Option<Arrivals>);

#[derive(Debug)]
struct Arrivals {
    /// Set by the handler itself. The wake-up comes through a pipe that the runtime reads only when it waits: by then
    /// what happened later may have been read from elsewhere.
    arrived: Arc<AtomicBool>,
    wakeups: tokio::signal::unix::Signal,
}

impl HeardSignal {
    /// Starts to listen. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn always(number: Signal) -> io::Result<Self> {
        let arrived = Arc::default();
        // Before the wake-up: handlers act in the order in which they were registered.
        let _ = flag::register(number as i32, Arc::clone(&arrived))?;
        let wakeups = signal(SignalKind::from_raw(number as i32))?;
        Ok(Self(Some(Arrivals { arrived, wakeups })))
    }

    /// Starts to listen, unless the parent had the signal ignored (`nohup`, `&` in a script): then it stays ignored, and
    /// never arrives. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn unless_ignored(number: Signal) -> io::Result<Self> {
        if inherited::is_ignored(number) { Ok(Self(None)) } else { Self::always(number) }
    }

    /// Whether it has arrived and was not taken yet. True from the moment on in which the handler ran.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.0.as_ref().is_some_and(|arrivals| arrivals.arrived.load(Ordering::Acquire))
    }

    /// Waits for the next arrival and takes it. Dropping the future loses nothing.
    pub async fn recv(&mut self) {
        let Some(arrivals) = &mut self.0 else { return pending().await };
        while !arrivals.arrived.swap(false, Ordering::AcqRel) {
            let _ = arrivals.wakeups.recv().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use nix::sys::signal::raise;

    use super::*;

    #[tokio::test]
    async fn an_arrival_is_there_before_the_runtime_has_waited() {
        let mut heard = HeardSignal::always(Signal::SIGURG).unwrap();
        assert!(!heard.has_arrived());
        assert_eq!(heard.recv().now_or_never(), None);

        raise(Signal::SIGURG).unwrap();
        assert!(heard.has_arrived());
        assert_eq!(heard.recv().now_or_never(), Some(()));

        // Its wake-up comes after that, and is not a second arrival.
        tokio::task::yield_now().await;
        assert!(!heard.has_arrived());
        assert_eq!(heard.recv().now_or_never(), None);
    }
}
