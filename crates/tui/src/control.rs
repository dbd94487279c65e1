//! What the process around a screen can tell it.

use tokio::sync::watch;

/// Tells a screen to stop. Never waits; clones tell the same screen.
#[derive(Clone, Debug)]
pub struct TuiHandle(watch::Sender<bool>);

/// The end of a [`TuiHandle`] that a screen listens to.
#[derive(Clone, Debug)]
pub struct TuiControl(watch::Receiver<bool>);

impl TuiHandle {
    /// A handle and what it controls.
    #[must_use]
    pub fn new() -> (Self, TuiControl) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), TuiControl(receiver))
    }

    /// Restore the terminal and return now.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl TuiControl {
    /// Waits until the screen is to stop; for ever when nobody is left to say so. Dropping the future loses nothing.
    pub(crate) async fn stopped(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_stop_is_not_lost() {
        let (handle, mut control) = TuiHandle::new();
        assert_eq!(control.stopped().now_or_never(), None);
        handle.clone().stop();
        drop(handle);
        assert_eq!(control.stopped().now_or_never(), Some(()));
    }

    #[test]
    fn without_a_handle_it_waits() {
        let (handle, mut control) = TuiHandle::new();
        drop(handle);
        assert_eq!(control.stopped().now_or_never(), None);
    }
}
