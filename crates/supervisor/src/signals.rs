//! Signals of the system become requests to end or to stand still.

use std::fmt;
use std::io;
use std::task::{Context, Poll, Waker};

use nix::sys::signal::{Signal as NixSignal, raise};
use roboppi_process::HeardSignal;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ShutdownRequest;

/// Listens for the signals that ask this process to end or to stand still.
pub struct Signals {
    terminate: HeardSignal,
    interrupt: HeardSignal,
    hangup: HeardSignal,
    stop: Signal,
    status: Signal,
    show_status: Option<Box<dyn Fn()>>,
    before_standing_still: Option<Box<dyn Fn()>>,
    interrupt_is_for_others: Option<Box<dyn Fn() -> bool>>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEvent {
    /// To end.
    End(ShutdownRequest),
    /// To stand still until it is continued (SIGTSTP: Ctrl-Z).
    Suspend,
}

impl Signals {
    /// Starts to listen. From here on these signals no longer end the process by themselves. HUP and INT that our
    /// parent had us ignore stay ignored.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: HeardSignal::always(NixSignal::SIGTERM)?,
            interrupt: HeardSignal::unless_ignored(NixSignal::SIGINT)?,
            hangup: HeardSignal::unless_ignored(NixSignal::SIGHUP)?,
            stop: signal(SignalKind::from_raw(NixSignal::SIGTSTP as i32))?,
            status: signal(SignalKind::user_defined1())?,
            show_status: None,
            before_standing_still: None,
            interrupt_is_for_others: None,
        })
    }

    /// Whether one that asks for the end has arrived and was not taken yet.
    #[must_use]
    pub fn ask_for_the_end(&self) -> bool {
        [&self.terminate, &self.hangup, &self.interrupt].into_iter().any(HeardSignal::has_arrived)
    }

    /// Waits for the next one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> SignalEvent {
        loop {
            return tokio::select! {
                biased;
                () = self.terminate.recv() => SignalEvent::End(ShutdownRequest::Terminate),
                () = self.hangup.recv() => SignalEvent::End(ShutdownRequest::Hangup),
                () = self.interrupt.recv() => match &self.interrupt_is_for_others {
                    Some(is_for_others) if is_for_others() => continue,
                    _ => SignalEvent::End(ShutdownRequest::Interrupt),
                },
                _ = self.stop.recv() => SignalEvent::Suspend,
                _ = self.status.recv() => {
                    if let Some(show) = &self.show_status {
                        show();
                    }
                    continue;
                }
            };
        }
    }

    /// Takes no notice of interrupts while `is_for_others`: a terminal sends them to each program that it runs.
    pub fn pass_interrupts_by(&mut self, is_for_others: impl Fn() -> bool + 'static) {
        self.interrupt_is_for_others = Some(Box::new(is_for_others));
    }

    /// Has `show` called each time a status is asked for (USR1). It must not wait for anything.
    pub fn show_status(&mut self, show: impl Fn() + 'static) {
        self.show_status = Some(Box::new(show));
    }

    /// Has `act` called each time before this process stands still.
    pub fn before_standing_still(&mut self, act: impl Fn() + 'static) {
        self.before_standing_still = Some(Box::new(act));
    }

    /// Stops this process as SIGTSTP would have. Returns when it is continued.
    pub fn suspend(&self) {
        if let Some(act) = &self.before_standing_still {
            act();
        }
        // Cannot fail for the own process and a signal that exists.
        let _ = raise(NixSignal::SIGSTOP);
    }

    /// Forgets requests to stand still: one key can make several, of which the first was followed.
    pub fn forget_suspends(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while matches!(self.stop.poll_recv(&mut context), Poll::Ready(Some(()))) {}
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}
