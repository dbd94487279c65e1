//! Sees when agents get out of hand, from what the gate knows of them.
//!
//! The existing program also watches how many workers are alive. Here a permit is held until its worker has
//! really ended, so that number is never above the bound.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use roboppi_ipc::{JobId, Mono};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Time in which outcomes count.
const WINDOW: Duration = Duration::from_secs(60);
/// Outcomes that are looked at, at most.
const OUTCOMES: usize = 1_000;
/// Outcomes that make a rate. Fewer are chance.
const ENOUGH_OUTCOMES: usize = 10;
/// A job that has not asked again for so long has given up. An old runner asks every two seconds.
const GIVEN_UP: Duration = Duration::from_secs(4);
/// Jobs that wait for a workspace, as far as they are counted.
const WAITING: usize = 1_000;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Figure {
    /// Milliseconds until a worker starts, or the oldest job in the supervisor's queue waits.
    QueueLag,
    /// Share of the workers of the last minute that ran out of time.
    TimeoutRate,
    /// Milliseconds the slowest worker takes to end since it was told to.
    CancelLatency,
    /// Milliseconds the oldest job waits for its workspace.
    LockWait,
}

impl Figure {
    const ALL: [Self; 4] = [Self::QueueLag, Self::TimeoutRate, Self::CancelLatency, Self::LockWait];

    /// From where on it is high, and from where on critical.
    const fn bounds(self) -> (f64, f64) {
        match self {
            Self::QueueLag | Self::CancelLatency => (5_000.0, 15_000.0),
            Self::TimeoutRate => (0.3, 0.6),
            Self::LockWait => (3_000.0, 10_000.0),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueLag => "worker_queue_lag_ms",
            Self::TimeoutRate => "worker_timeout_rate",
            Self::CancelLatency => "worker_cancel_latency_ms",
            Self::LockWait => "workspace_lock_wait_ms",
        })
    }
}

/// How bad it is, all figures together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Nothing is high.
    #[default]
    Calm,
    /// A figure is high: agents of jobs of the class BATCH wait.
    Shed,
    /// A figure is critical: one agent a second may start.
    Throttle,
    /// Two are: no agents start.
    CircuitOpen,
    /// Three or more are: no agents start, and somebody should come and look.
    Escalation,
}

/// Watches figures. Their levels are looked at when time passes, so that reading them costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchdog {
    alarm: Alarm,
    looked: Option<Mono>,
    high: BTreeMap<Figure, f64>,
    /// When a worker ended, and whether it had run out of time.
    outcomes: VecDeque<(Mono, bool)>,
    /// When workers were told to end.
    ending: HashMap<JobId, Mono>,
    /// When jobs first asked for a workspace, and last.
    waiting: HashMap<JobId, (Mono, Mono)>,
}

impl Watchdog {
    pub(super) const fn alarm(&self) -> Alarm {
        self.alarm
    }

    /// A worker is told to end.
    pub(super) fn ending(&mut self, now: Mono, job: &JobId) {
        self.ending.entry(job.clone()).or_insert(now);
    }

    pub(super) fn ended(&mut self, now: Mono, job: &JobId, timed_out: bool) {
        self.ending.remove(job);
        if self.outcomes.len() == OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, timed_out));
    }

    pub(super) fn workspace_taken(&mut self, now: Mono, job: &JobId) {
        if self.waiting.len() < WAITING || self.waiting.contains_key(job) {
            self.waiting.entry(job.clone()).or_insert((now, now)).1 = now;
        }
    }

    pub(super) fn workspace_given(&mut self, job: &JobId) {
        self.waiting.remove(job);
    }

    /// Looks at everything, at most once a second, and says whether it is worse or better than before.
    pub(super) fn look(&mut self, now: Mono, lag_ms: f64) -> bool {
        if self.looked.is_some_and(|looked| now.since(looked) < LOOK) {
            return false;
        }
        self.looked = Some(now);
        while self.outcomes.front().is_some_and(|(at, _)| now.since(*at) > WINDOW) {
            self.outcomes.pop_front();
        }
        self.waiting.retain(|_, (_, last)| now.since(*last) < GIVEN_UP);
        self.high.clear();
        let mut critical = 0;
        for figure in Figure::ALL {
            let value = match figure {
                Figure::QueueLag => lag_ms,
                Figure::TimeoutRate => self.timeout_rate(),
                Figure::CancelLatency => oldest(now, self.ending.values()),
                Figure::LockWait => oldest(now, self.waiting.values().map(|(first, _)| first)),
            };
            let (warn, worst) = figure.bounds();
            if value >= warn {
                self.high.insert(figure, value);
            }
            critical += usize::from(value >= worst);
        }
        let alarm = match critical {
            0 if self.high.is_empty() => Alarm::Calm,
            0 => Alarm::Shed,
            1 => Alarm::Throttle,
            2 => Alarm::CircuitOpen,
            _ => Alarm::Escalation,
        };
        std::mem::replace(&mut self.alarm, alarm) != alarm
    }

    /// Whether another look may find what this one did not, with nothing but time in between.
    pub(super) fn changes_with_time(&self, lag_ms: f64) -> bool {
        self.alarm != Alarm::Calm
            || !self.ending.is_empty()
            || !self.waiting.is_empty()
            || lag_ms >= Figure::QueueLag.bounds().0
            || self.outcomes.iter().any(|(_, timed_out)| *timed_out)
    }

    /// The figures that are high, for people.
    pub(super) fn reason(&self) -> String {
        let mut reason = String::new();
        for (figure, value) in &self.high {
            let separator = if reason.is_empty() { "" } else { ", " };
            let digits = if *value < 100.0 { 2 } else { 0 };
            reason.push_str(&format!("{separator}{figure} is {value:.digits$}"));
        }
        reason
    }

    #[expect(clippy::cast_precision_loss, reason = "both are at most a thousand")]
    fn timeout_rate(&self) -> f64 {
        if self.outcomes.len() < ENOUGH_OUTCOMES {
            return 0.0;
        }
        let timed_out = self.outcomes.iter().filter(|(_, timed_out)| *timed_out).count();
        timed_out as f64 / self.outcomes.len() as f64
    }
}

fn oldest<'a>(now: Mono, since: impl Iterator<Item = &'a Mono>) -> f64 {
    since.min().map_or(0.0, |first| now.since(*first).as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn where_nothing_can_become_high_nobody_has_to_look() {
        let mut dog = Watchdog::default();
        dog.ended(at(0), &"good".into(), false);
        assert!(!dog.changes_with_time(4_999.0));
        assert!(dog.changes_with_time(5_000.0));
        assert!(dog.look(at(1), 5_000.0));
        assert!(dog.changes_with_time(0.0), "an alarm has to end");
        assert!(dog.look(at(2), 0.0) && !dog.changes_with_time(0.0));
        dog.ending(at(3), &"slow".into());
        assert!(dog.changes_with_time(0.0));
        dog.ended(at(4), &"slow".into(), true);
        assert!(
            dog.changes_with_time(0.0),
            "the part of those that ran out of time grows as others are forgotten"
        );
        dog.look(at(65), 0.0);
        assert!(!dog.changes_with_time(0.0));
        dog.workspace_taken(at(66), &"waiting".into());
        assert!(dog.changes_with_time(0.0));
        dog.workspace_given(&"waiting".into());
        assert!(!dog.changes_with_time(0.0));
    }

    #[test]
    fn the_more_is_critical_the_less_may_start() {
        let mut dog = Watchdog::default();
        let mut seen = Vec::new();
        let mut look = |dog: &mut Watchdog, second, lag| {
            let changed = dog.look(at(second), lag);
            seen.push(format!("{second}: {changed} {:?} ({})", dog.alarm(), dog.reason()));
        };
        look(&mut dog, 0, 4_999.0);
        look(&mut dog, 1, 5_000.0);
        dog.ending(at(1), &"stubborn".into());
        dog.ending(at(5), &"stubborn".into());
        look(&mut dog, 16, 0.0);
        look(&mut dog, 17, 6_000.0);
        look(&mut dog, 18, 15_000.0);
        for second in [12, 15, 18, 20] {
            dog.workspace_taken(at(second), &"patient".into());
        }
        look(&mut dog, 22, 15_000.0);
        dog.ended(at(22), &"stubborn".into(), false);
        look(&mut dog, 24, 0.0);
        insta::assert_snapshot!(seen.join("\n"), @r#"
        0: false Calm ()
        1: true Shed (worker_queue_lag_ms is 5000)
        16: true Throttle (worker_cancel_latency_ms is 15000)
        17: false Throttle (worker_queue_lag_ms is 6000, worker_cancel_latency_ms is 16000)
        18: true CircuitOpen (worker_queue_lag_ms is 15000, worker_cancel_latency_ms is 17000)
        22: true Escalation (worker_queue_lag_ms is 15000, worker_cancel_latency_ms is 21000, workspace_lock_wait_ms is 10000)
        24: true Calm ()
        "#);
    }

    #[test]
    fn a_rate_needs_more_than_a_few_and_forgets() {
        let mut dog = Watchdog::default();
        for number in 0..9 {
            dog.ended(at(0), &number.to_string().as_str().into(), true);
        }
        dog.look(at(1), 0.0);
        assert_eq!(dog.alarm(), Alarm::Calm);
        dog.ended(at(2), &"tenth".into(), false);
        dog.look(at(2), 0.0);
        assert_eq!(dog.alarm(), Alarm::Throttle);
        dog.look(at(62), 0.0);
        assert_eq!(dog.alarm(), Alarm::Calm);
    }

    #[test]
    fn who_waits_for_a_workspace_counts_as_long_as_it_asks() {
        let mut dog = Watchdog::default();
        for second in 0..=10 {
            dog.workspace_taken(at(second), &"patient".into());
            dog.look(at(second), 0.0);
            let expected = match second {
                0..3 => Alarm::Calm,
                3..10 => Alarm::Shed,
                _ => Alarm::Throttle,
            };
            assert_eq!(dog.alarm(), expected, "{second}");
        }
        dog.look(at(14), 0.0);
        assert_eq!(dog.alarm(), Alarm::Calm, "it has given up");
    }
}
