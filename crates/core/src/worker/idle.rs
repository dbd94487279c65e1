//! Decides when a worker does nothing at all. Pure: who drives it measures, and tells the time.
//!
//! Silence alone says little: a build may be silent for an hour. So once a worker has been silent for a while, it is
//! looked at now and then, and what it did since the last look counts: processor time of it and all below it, and
//! files written in its workspace. A worker that says nothing but that it waits is silent.

use std::time::{Duration, SystemTime};

use roboppi_ipc::Mono;

/// Looks there are within the limit.
const LOOKS: u32 = 8;
/// Bounds of the time between two looks.
const BETWEEN_LOOKS: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(15)];

/// The part of one processor that a worker must use to count as active. Programs that wait wake up now and then.
const ACTIVE_PART: u32 = 20;

/// What a look at a worker finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Processor time of it and of all below it, since their beginnings.
    pub(super) processor: Duration,
    /// When a file in its workspace was last written.
    pub(super) written: Option<SystemTime>,
}

/// One worker, watched for doing nothing.
#[derive(Debug)]
pub(super) struct IdleWatch {
    limit: Duration,
    between: Duration,
    active: Mono,
    looked: Mono,
    seen: Sample,
    halted: bool,
}

impl IdleWatch {
    /// A worker that started now and may do nothing for `limit`.
    pub(super) fn new(now: Mono, limit: Duration) -> Self {
        let (between, seen) = (Duration::ZERO, Sample::default());
        let mut watch = Self { limit, between, active: now, looked: now, seen, halted: false };
        watch.set_limit(now, limit);
        watch
    }

    /// From now on it may do nothing for `limit`.
    pub(super) fn set_limit(&mut self, now: Mono, limit: Duration) {
        let [least, most] = BETWEEN_LOOKS;
        (self.limit, self.between) = (limit, (limit / LOOKS).clamp(least, most));
        self.active(now);
    }

    /// It did something that was noticed without a look.
    pub(super) fn active(&mut self, now: Mono) {
        self.active = now;
    }

    /// It is halted from outside, which is not its fault.
    pub(super) const fn halt(&mut self) {
        self.halted = true;
    }

    /// It goes on.
    pub(super) fn go_on(&mut self, now: Mono) {
        self.halted = false;
        self.active(now);
    }

    /// When to look at it.
    pub(super) fn due(&self) -> Option<Mono> {
        (!self.halted).then(|| self.active.max(self.looked) + self.between)
    }

    /// Takes what a look found, and says whether it has done nothing for too long.
    pub(super) fn looked(&mut self, now: Mono, found: Sample) -> bool {
        if self.halted {
            return false;
        }
        // It falls when somebody ends whom nobody waits for: that is something, too.
        let worked = found.processor.abs_diff(self.seen.processor) * ACTIVE_PART >= now.since(self.looked);
        let wrote = self.seen.written.is_some() && found.written != self.seen.written;
        (self.looked, self.seen) = (now, found);
        if worked || wrote {
            self.active(now);
        }
        now.since(self.active) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_origin(Duration::from_millis(ms))
    }

    fn sample(processor_ms: u64, written: u64) -> Sample {
        let written = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(written));
        Sample { processor: Duration::from_millis(processor_ms), written }
    }

    #[test]
    fn who_does_nothing_for_the_limit_is_idle() {
        let mut idle = IdleWatch::new(at(0), Duration::from_millis(800));
        let mut now = 0;
        while !idle.looked(at(now), sample(1, 1)) {
            assert!(now < 5_000);
            now = u64::try_from(idle.due().unwrap().since_origin().as_millis()).unwrap();
        }
        assert_eq!(now, 800);
    }

    #[test]
    fn output_work_and_files_are_activity_each() {
        for what in ["output", "work", "files", "fewer"] {
            let mut idle = IdleWatch::new(at(0), Duration::from_millis(800));
            assert!(!idle.looked(at(100), sample(50_000, 1)));
            for now in (200..5_000).step_by(100) {
                let found = match what {
                    "work" => sample(50_000 + now / 10, 1),
                    "files" => sample(50_000, now),
                    "fewer" => sample(50_000 - now, 1),
                    _ => sample(50_000, 1),
                };
                if what == "output" {
                    idle.active(at(now));
                }
                assert!(!idle.looked(at(now), found), "{what} at {now}");
            }
        }
    }

    #[test]
    fn a_program_that_only_wakes_up_now_and_then_does_nothing() {
        let mut idle = IdleWatch::new(at(0), Duration::from_secs(80));
        let found = (1..=9).map(|n| idle.looked(at(n * 10_000), sample(n * 100, 1))).last();
        assert_eq!(found, Some(true));
    }

    #[test]
    fn who_is_halted_is_not_looked_at() {
        let mut idle = IdleWatch::new(at(0), Duration::from_millis(100));
        idle.halt();
        assert_eq!(idle.due(), None);
        assert!(!idle.looked(at(10_000), sample(0, 1)));
        idle.go_on(at(20_000));
        assert_eq!(idle.due(), Some(at(20_020)));
        assert!(!idle.looked(at(20_050), sample(0, 1)));
        assert!(idle.looked(at(20_100), sample(0, 1)));
    }
}
