//! The timers of a run, on its clock: it stands still while the run does.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::Mono;
use roboppi_run::AttemptRef;
use uuid::Uuid;

use crate::machine::{Delay, SupervisorTimer};
use crate::run_clock::RunClock;

/// A place in the queue: when, and which of those of the same time.
type Due = (Mono, u64);

/// All timers that are set. An attempt has one at a time: a new one takes the place of the one before.
#[derive(Debug)]
pub(super) struct Timers {
    clock: Rc<RunClock>,
    queue: BTreeMap<Due, SupervisorTimer>,
    of_attempts: HashMap<AttemptRef, Due>,
    last: u64,
}

impl Timers {
    pub(super) fn new(clock: Rc<RunClock>) -> Self {
        Self { clock, queue: BTreeMap::new(), of_attempts: HashMap::new(), last: 0 }
    }

    pub(super) fn set(&mut self, timer: SupervisorTimer, after: Delay) {
        let after = match after {
            Delay::Exactly(time) => time,
            Delay::UpTo(longest) => any_up_to(longest),
        };
        self.last += 1;
        let due = (self.clock.now() + after, self.last);
        if let SupervisorTimer::Attempt(of, _) = &timer {
            self.clear(of);
            self.of_attempts.insert(of.clone(), due);
        }
        self.queue.insert(due, timer);
    }

    /// Drops the timer of an attempt.
    pub(super) fn clear(&mut self, of: &AttemptRef) {
        if let Some(due) = self.of_attempts.remove(of) {
            self.queue.remove(&due);
        }
    }

    /// Waits for the next timer that is due; for ever when none is set. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> SupervisorTimer {
        let Some((due, _)) = self.queue.first_key_value().map(|(due, _)| *due) else {
            return std::future::pending().await;
        };
        self.clock.wait(due.since(self.clock.now())).await;
        let Some((due, timer)) = self.queue.pop_first() else { return std::future::pending().await };
        if let SupervisorTimer::Attempt(of, _) = &timer
            && self.of_attempts.get(of) == Some(&due)
        {
            self.of_attempts.remove(of);
        }
        timer
    }
}

fn any_up_to(longest: Duration) -> Duration {
    let random = u64::from_le_bytes(*Uuid::new_v4().as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % micros.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use roboppi_run::HostId;
    use roboppi_workflow::{RunTimer, RunTimerSubject};
    use tokio::time::timeout;

    use super::*;
    use crate::machine::attempt::AttemptEpoch;

    const fn secs(secs: u64) -> Delay {
        Delay::Exactly(Duration::from_secs(secs))
    }

    fn of(attempt: u32) -> AttemptRef {
        AttemptRef { attempt, ..AttemptRef::first("a".into()) }
    }

    #[tokio::test(start_paused = true)]
    async fn timers_come_in_their_order_and_an_attempt_has_one() {
        let mut timers = Timers::new(Rc::new(RunClock::start()));
        let run = SupervisorTimer::Run(RunTimer { epoch: 1, subject: RunTimerSubject::Deadline });
        let attempt = |number| SupervisorTimer::Attempt(of(number), AttemptEpoch::default());
        timers.set(run.clone(), secs(9));
        timers.set(attempt(1), secs(1));
        timers.set(attempt(2), secs(2));
        timers.set(attempt(1), secs(5));
        timers.set(SupervisorTimer::Restart(HostId::here()), secs(5));
        timers.clear(&of(2));
        assert_eq!(timers.next().await, attempt(1));
        assert_eq!(timers.next().await, SupervisorTimer::Restart(HostId::here()));
        assert_eq!(timers.next().await, run);
        assert!(timeout(Duration::from_secs(99), timers.next()).await.is_err(), "there are no more");
    }

    #[test]
    fn a_drawn_wait_is_bounded() {
        for micros in [0, 1, 100] {
            assert!(any_up_to(Duration::from_micros(micros)) <= Duration::from_micros(micros));
        }
        let _ = any_up_to(Duration::MAX);
    }
}
