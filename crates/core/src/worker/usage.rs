//! Decides when to sample what a worker uses, and what of it is worth an event. Pure: time comes in as a value.
//!
//! A worker that works is sampled once a second. One that does not is sampled less often: processes that use no processor
//! time change their memory hardly either, and what waits should not keep a machine awake.

use std::time::{Duration, Instant};

use roboppi_ipc::{Mono, Resources};
use roboppi_process::ChildUsage;
use roboppi_process::descendants::TreeUsage;

/// Times between two samples: of a worker that works, and then of one that does not.
const BETWEEN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// The part of one processor from which on a worker works.
const WORKS: u32 = 50;

/// A sample, and the time since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsageSample {
    pub(super) usage: TreeUsage,
    pub(super) percent: u32,
    /// Whether it worked in that time.
    pub(super) works: bool,
    /// The most memory of all samples so far: a reader who is slow sees the latest sample only.
    pub(super) peak: u64,
}

/// When one worker is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cadence {
    last: Instant,
    usage: TreeUsage,
    peak: u64,
    /// Place in [`BETWEEN`].
    quiet: usize,
}

impl Cadence {
    /// Of a worker that started now.
    pub(super) fn starting(now: Instant) -> Self {
        Self { last: now, usage: TreeUsage::default(), peak: 0, quiet: 0 }
    }

    /// When to sample next.
    pub(super) fn due(&self) -> Instant {
        self.last + BETWEEN[self.quiet]
    }

    /// Takes a sample in and gives back what is known with it; `None` when the worker is gone. A worker that rests gives samples,
    /// too: the one at which it stopped may come too early for an event, and then a later one has to make it.
    pub(super) fn sampled(&mut self, now: Instant, found: Option<TreeUsage>) -> Option<UsageSample> {
        let time = now.saturating_duration_since(self.last);
        self.last = now;
        let Some(usage) = found else {
            self.quiet = BETWEEN.len() - 1;
            return None;
        };
        let worked = usage.processor.saturating_sub(self.usage.processor);
        let works = worked * WORKS >= time;
        self.quiet = if works { 0 } else { (self.quiet + 1).min(BETWEEN.len() - 1) };
        self.usage = usage;
        self.peak = self.peak.max(usage.memory);
        let percent = (worked.as_secs_f64() * 100.0 / time.as_secs_f64().max(0.001)).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates, and is not negative"
        )]
        Some(UsageSample { usage, percent: percent as u32, works, peak: self.peak })
    }
}

/// Shortest and longest time between two events of a worker.
const EVENTS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// Events of a worker become rarer as it gets older: there are at most so many in the time it has run so far.
const PART: u32 = 100;

/// What is known of the use of one worker, and when that is worth an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UsageReport {
    processor: Duration,
    peak: Option<u64>,
    known: bool,
    began: Option<Mono>,
    reported: Option<Mono>,
    /// The sample of the last event.
    shown: Option<UsageSample>,
}

impl UsageReport {
    /// The worker has started.
    pub(super) const fn started(&mut self, now: Mono) {
        self.began = Some(now);
    }

    /// Takes a sample in; gives the event for it when it differs from the last one and enough time has passed since then. `waits`:
    /// that one was not read yet, so that this one would only pile up behind it.
    pub(super) fn sampled(&mut self, now: Mono, sample: UsageSample, waits: bool) -> Option<Resources> {
        let UsageSample { usage, percent, works, peak } = sample;
        self.known = true;
        // It falls when a child ends for which no process waits.
        self.processor = self.processor.max(usage.processor);
        self.peak = self.peak.max(Some(peak));
        let age = self.began.map_or(Duration::ZERO, |began| now.since(began));
        let [least, most] = EVENTS;
        let between = (age / PART).clamp(least, most);
        // A sample comes a little sooner than a second after another one, or later.
        let is_due = self.reported.is_none_or(|last| now.since(last) + least / 5 >= between);
        // Compared with what was sent, not with the sample before: what was not due is sent later.
        let differs = self.shown.is_none_or(|shown| {
            let moved = usage.memory.abs_diff(shown.usage.memory) > shown.usage.memory / 8;
            works || shown.works || moved
        });
        if waits || !is_due || !differs {
            return None;
        }
        self.reported = Some(now);
        self.shown = Some(sample);
        Some(self.totals().with_cpu_percent(Some(percent)).with_memory_bytes(Some(usage.memory)))
    }

    /// What the whole attempt used; `None` where the system does not report it.
    pub(super) fn ended(mut self, usage: Option<ChildUsage>) -> Option<Resources> {
        if let Some(usage) = usage {
            self.known = true;
            self.processor = self.processor.max(usage.processor);
            self.peak = self.peak.max(usage.peak_memory);
        }
        self.known.then(|| self.totals())
    }

    fn totals(&self) -> Resources {
        Resources::new(u64::try_from(self.processor.as_millis()).unwrap_or(u64::MAX), self.peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(processor_ms: u64, memory: u64) -> TreeUsage {
        TreeUsage { processor: Duration::from_millis(processor_ms), memory }
    }

    #[test]
    fn a_worker_that_works_is_sampled_each_second_and_one_that_waits_rarely() {
        let start = Instant::now();
        let mut cadence = Cadence::starting(start);
        let after = |cadence: &Cadence| cadence.due().saturating_duration_since(start).as_secs();
        let mut seen = Vec::new();
        for used in [500, 900, 901, 901, 901, 9_000] {
            let due = cadence.due();
            seen.push((
                after(&cadence),
                cadence.sampled(due, Some(tree(used, 7))).map(|sample| sample.percent),
            ));
        }
        let expected =
            [(1, Some(50)), (2, Some(40)), (3, Some(0)), (7, Some(0)), (22, Some(0)), (37, Some(54))];
        assert_eq!(seen, expected);
        assert_eq!(after(&cadence), 38, "it works again");
        let due = cadence.due();
        assert_eq!(cadence.sampled(due, None), None);
        assert_eq!(after(&cadence), 53, "it is gone");
    }

    #[test]
    fn totals_never_fall_and_the_end_knows_what_no_sample_saw() {
        let at = |seconds| Mono::from_origin(Duration::from_secs(seconds));
        let sample = |processor_ms, memory| UsageSample {
            usage: tree(processor_ms, memory),
            percent: 3,
            works: true,
            peak: memory,
        };
        let mut report = UsageReport::default();
        assert_eq!(report.ended(None), None, "no system reports it");
        report.started(at(0));
        let first = report.sampled(at(1), sample(800, 50), false).unwrap();
        assert_eq!(
            first,
            Resources::new(800, Some(50)).with_cpu_percent(Some(3)).with_memory_bytes(Some(50))
        );
        assert_eq!(report.sampled(at(2), sample(900, 90), true), None, "the last one waits to be read");
        let third = report.sampled(at(3), sample(100, 20), false).unwrap();
        assert_eq!((third.cpu_ms, third.memory_bytes, third.peak_memory_bytes), (900, Some(20), Some(90)));
        let usage = |peak_memory| ChildUsage { processor: Duration::from_millis(1_500), peak_memory };
        assert_eq!(report.ended(Some(usage(Some(70)))), Some(Resources::new(1_500, Some(90))));
        assert_eq!(report.ended(Some(usage(Some(170)))), Some(Resources::new(1_500, Some(170))));
        let short = UsageReport::default().ended(Some(usage(None)));
        assert_eq!(short, Some(Resources::new(1_500, None)));
    }

    #[test]
    fn a_worker_that_stops_to_work_is_shown_so_once() {
        let start = Instant::now();
        let mut cadence = Cadence::starting(start);
        let mut report = UsageReport::default();
        report.started(Mono::ZERO);
        let mut events = Vec::new();
        let mut most = None;
        // It works for 1001 s, then it sleeps. Its memory has one peak, in a sample that makes no event.
        while cadence.due() < start + Duration::from_secs(1_100) {
            let due = cadence.due();
            let second = due.saturating_duration_since(start).as_secs();
            let memory = if second == 1_001 { 900 } else { 100 };
            let sample = cadence.sampled(due, Some(tree(second.min(1_001) * 1_000, memory))).unwrap();
            let now = Mono::from_origin(due.saturating_duration_since(start));
            if let Some(event) = report.sampled(now, sample, false) {
                most = event.peak_memory_bytes;
                events.push((second, event.cpu_percent));
            }
        }
        let last = events.iter().rev().take(2).rev().copied().collect::<Vec<_>>();
        assert!(matches!(last[..], [(992..=1_001, Some(100)), (1_002..=1_021, Some(0))]), "{last:?}");
        assert_eq!(most, Some(900));
    }

    #[test]
    fn events_of_a_long_worker_are_bounded() {
        let mut report = UsageReport::default();
        report.started(Mono::ZERO);
        let events = |report: &mut UsageReport, seconds: std::ops::Range<u64>| {
            let sample = |second| UsageSample {
                usage: tree(second * 1_000, second),
                percent: 100,
                works: true,
                peak: second,
            };
            let at = |second| Mono::from_origin(Duration::from_secs(second));
            seconds.filter(|second| report.sampled(at(*second), sample(*second), false).is_some()).count()
        };
        assert_eq!(events(&mut report, 1..101), 100);
        let day = events(&mut report, 101..86_400);
        assert!((5_000..6_500).contains(&day), "{day}");
    }
}
