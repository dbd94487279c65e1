//! What the process around a screen can tell it.

use tokio::sync::watch;

/// Signals as counts, so that none is lost however late they are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signals {
    interrupts: u64,
    stop: bool,
}

/// Tells a screen what happened outside. Never waits; clones tell the same screen.
#[derive(Clone, Debug)]
pub struct TuiHandle(watch::Sender<Signals>);

/// The end of a [`TuiHandle`] that a screen listens to.
#[derive(Debug)]
pub struct TuiControl {
    receiver: watch::Receiver<Signals>,
    /// Interrupts that were taken.
    taken: u64,
}

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Stop,
}

impl TuiHandle {
    /// A handle and what it controls.
    #[must_use]
    pub fn new() -> (Self, TuiControl) {
        let (sender, receiver) = watch::channel(Signals::default());
        (Self(sender), TuiControl { receiver, taken: 0 })
    }

    /// An interrupt came from outside (SIGINT): the screen does what Ctrl-C does.
    pub fn interrupt(&self) {
        self.0.send_modify(|signals| signals.interrupts += 1);
    }

    /// Restore the terminal and return now.
    pub fn stop(&self) {
        self.0.send_modify(|signals| signals.stop = true);
    }
}

impl TuiControl {
    /// Waits for a signal; for ever when nobody is left to give one. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            let signals = *self.receiver.borrow_and_update();
            if signals.stop {
                return Signal::Stop;
            }
            if signals.interrupts > self.taken {
                self.taken += 1;
                return Signal::Interrupt;
            }
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn no_signal_is_lost() {
        let (handle, mut control) = TuiHandle::new();
        assert_eq!(control.next().now_or_never(), None);
        handle.interrupt();
        handle.clone().interrupt();
        assert_eq!(control.next().now_or_never(), Some(Signal::Interrupt));
        assert_eq!(control.next().now_or_never(), Some(Signal::Interrupt));
        assert_eq!(control.next().now_or_never(), None);
        handle.stop();
        drop(handle);
        assert_eq!(control.next().now_or_never(), Some(Signal::Stop));
    }

    #[test]
    fn without_a_handle_it_waits() {
        let (handle, mut control) = TuiHandle::new();
        drop(handle);
        assert_eq!(control.next().now_or_never(), None);
    }
}
