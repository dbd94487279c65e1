//! Whether a core still answers.

use std::time::Duration;

use roboppi_ipc::Mono;

/// When a silent core counts as hung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Time between two heartbeats.
    pub interval: Duration,
    /// Silence after which the core is hung.
    pub limit: Duration,
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), limit: Duration::from_secs(15) }
    }
}

/// What a beat leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Ask the core.
    Ask,
    /// It has been silent for this long.
    Hung(Duration),
}

/// Decides at every beat. Anything the core says is a sign of life. Time in which this process itself did
/// not run (stopped, machine asleep) does not count against the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    settings: HeartbeatSettings,
    last_beat: Mono,
    silent: Duration,
}

impl Heartbeat {
    pub(crate) const fn new(settings: HeartbeatSettings, now: Mono) -> Self {
        Self { settings, last_beat: now, silent: Duration::ZERO }
    }

    /// The core said something.
    pub(crate) const fn heard(&mut self) {
        self.silent = Duration::ZERO;
    }

    /// A beat is due.
    pub(crate) fn beat(&mut self, now: Mono) -> Beat {
        let passed = now.since(self.last_beat);
        self.last_beat = now;
        // A beat that comes much too late says that we were stopped, not how long the core was silent.
        self.silent += passed.min(self.settings.interval.saturating_mul(2));
        if self.silent > self.settings.limit { Beat::Hung(self.silent) } else { Beat::Ask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(secs))
    }

    #[test]
    fn a_silent_core_is_hung_after_the_limit() {
        let mut heartbeat = Heartbeat::new(HeartbeatSettings::default(), Mono::ZERO);
        for secs in [5, 10, 15] {
            assert_eq!(heartbeat.beat(at(secs)), Beat::Ask, "{secs}");
        }
        assert_eq!(heartbeat.beat(at(20)), Beat::Hung(Duration::from_secs(20)));
    }

    #[test]
    fn any_word_is_a_sign_of_life() {
        let mut heartbeat = Heartbeat::new(HeartbeatSettings::default(), Mono::ZERO);
        for beat in 1..100 {
            assert_eq!(heartbeat.beat(at(beat * 5)), Beat::Ask);
            if beat % 3 == 0 {
                heartbeat.heard();
            }
        }
    }

    #[test]
    fn time_in_which_we_were_stopped_does_not_count() {
        let mut heartbeat = Heartbeat::new(HeartbeatSettings::default(), Mono::ZERO);
        assert_eq!(heartbeat.beat(at(5)), Beat::Ask);
        assert_eq!(heartbeat.beat(at(3_600)), Beat::Ask);
        assert!(matches!(heartbeat.beat(at(3_605)), Beat::Hung(_)));
    }
}
