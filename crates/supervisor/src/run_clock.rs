//! The clock of a run: it stands still while the run does.

use std::cell::Cell;
use std::time::Duration;

use roboppi_ipc::Mono;
use tokio::time::{Instant, sleep};

/// Time since the start of a run, without the time in which it stood still.
#[derive(Debug)]
pub(crate) struct RunClock {
    origin: Instant,
    suspended_for: Cell<Duration>,
}

impl RunClock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), suspended_for: Cell::new(Duration::ZERO) }
    }

    pub(crate) fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed().saturating_sub(self.suspended_for.get()))
    }

    /// The run stood still for this long.
    pub(crate) fn suspended_for(&self, time: Duration) {
        self.suspended_for.set(self.suspended_for.get() + time);
    }

    /// Waits for this long, not counting time in which the run stands still.
    pub(crate) async fn wait(&self, time: Duration) {
        let due = self.now() + time;
        loop {
            let left = due.since(self.now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_run_stood_still_does_not_count() {
        let clock = RunClock::start();
        let waited = async {
            clock.wait(Duration::from_secs(10)).await;
            clock.now()
        };
        let stopped = async {
            sleep(Duration::from_secs(4)).await;
            clock.suspended_for(Duration::from_secs(3));
        };
        let (now, ()) = tokio::join!(waited, stopped);
        assert_eq!(now.since_origin(), Duration::from_secs(10));
        assert_eq!(clock.origin.elapsed(), Duration::from_secs(13));
    }
}
