//! Keeps jobs away from a kind of worker that fails all the time.
//!
//! ```text
//!           failures in a row            reset time over             the try succeeds
//!  Closed ────────────────────► Open ────────────────────► HalfOpen ─────────────────► Closed
//!                                ▲                             │ tries failed
//!                                └─────────────────────────────┘
//! ```

use roboppi_ipc::{CircuitState, Mono};

use super::BreakerSettings;

/// What the end of a worker says about its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Healthy,
    /// It does not: it crashed, was refused by its service, or did not start.
    Sick,
    /// Nothing: it was cancelled.
    Unknown,
}

/// The breaker of one kind of worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Mono },
    HalfOpen { failed: u32, trying: bool },
}

impl Breaker {
    pub(super) const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    /// Time has come this far.
    pub(super) fn advance(&mut self, now: Mono) {
        if let State::Open { since } = self.state
            && now.since(since) >= self.settings.reset
        {
            self.state = State::HalfOpen { failed: 0, trying: false };
        }
    }

    /// Whether a worker may start.
    pub(super) const fn admits(&self) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { .. } => false,
            State::HalfOpen { trying, .. } => !trying,
        }
    }

    /// A worker starts. Says whether it is a try.
    pub(super) const fn start(&mut self) -> bool {
        match &mut self.state {
            State::HalfOpen { trying, .. } => {
                *trying = true;
                true
            }
            State::Closed { .. } | State::Open { .. } => false,
        }
    }

    /// A worker has ended; `tried` is what [`start`](Self::start) said. Says whether that opened the breaker.
    pub(super) fn end(&mut self, now: Mono, tried: bool, verdict: Verdict) -> bool {
        let open = State::Open { since: now };
        let before = self.is_open();
        self.state = match (self.state, verdict) {
            (State::Closed { .. }, Verdict::Healthy) => State::Closed { failures: 0 },
            (State::Closed { failures }, Verdict::Sick) if failures + 1 >= self.settings.failures => open,
            (State::Closed { failures }, Verdict::Sick) => State::Closed { failures: failures + 1 },
            (State::HalfOpen { .. }, Verdict::Healthy) if tried => State::Closed { failures: 0 },
            (State::HalfOpen { failed, .. }, Verdict::Sick) if tried => {
                if failed + 1 >= self.settings.tries {
                    open
                } else {
                    State::HalfOpen { failed: failed + 1, trying: false }
                }
            }
            (State::HalfOpen { failed, .. }, Verdict::Unknown) if tried => {
                State::HalfOpen { failed, trying: false }
            }
            // Workers that began before it opened say nothing new.
            (state @ (State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. }), _) => state,
        };
        self.is_open() && !before
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub(super) const fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn it_opens_tries_one_at_a_time_and_closes() {
        let reset = Duration::from_secs(30);
        let mut breaker = Breaker::new(BreakerSettings { failures: 2, reset, tries: 2 });
        assert!(!breaker.end(at(0), false, Verdict::Sick));
        assert!(!breaker.end(at(0), false, Verdict::Healthy), "a success starts the count again");
        assert!(!breaker.end(at(1), false, Verdict::Sick));
        assert!(!breaker.end(at(1), false, Verdict::Unknown));
        assert!(breaker.admits() && breaker.end(at(2), false, Verdict::Sick));
        assert!(!breaker.admits());
        assert!(!breaker.end(at(2), false, Verdict::Healthy), "an earlier worker closes nothing");

        breaker.advance(at(31));
        assert!(!breaker.admits());
        breaker.advance(at(32));
        assert!(breaker.admits() && breaker.start());
        assert!(!breaker.admits(), "one try at a time");
        assert!(!breaker.end(at(33), true, Verdict::Unknown));
        assert!(breaker.admits() && breaker.start());
        assert!(!breaker.end(at(33), true, Verdict::Sick));
        assert!(breaker.start() && breaker.end(at(34), true, Verdict::Sick));
        assert_eq!(breaker.state(), CircuitState::Open);

        breaker.advance(at(64));
        assert!(breaker.start() && !breaker.end(at(65), true, Verdict::Healthy));
        assert_eq!(breaker.state(), CircuitState::Closed);
    }
}
