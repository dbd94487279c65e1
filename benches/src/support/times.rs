//! Many times of the same thing.

use std::time::Duration;

/// Times of one side, sorted.
#[derive(Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> Option<Duration> {
        self.0.get(self.0.len() / 2).copied()
    }

    /// Seconds of the median; no number when there is none.
    pub(crate) fn seconds(&self) -> f64 {
        self.median().map_or(f64::NAN, |median| median.as_secs_f64())
    }

    /// The time that `percent` of all do not exceed, in seconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(at).map_or(f64::NAN, Duration::as_secs_f64)
    }
}

/// Times of both sides.
pub(crate) struct Pair {
    pub(crate) ours: Times,
    pub(crate) theirs: Times,
}

impl Pair {
    /// Ours by theirs.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours.seconds() / self.theirs.seconds()
    }
}

/// Measures both sides in turn, so that a busy machine slows both, after one round that does not count.
pub(crate) fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> Option<Duration>,
    mut theirs: impl FnMut() -> Option<Duration>,
) -> Pair {
    let _ = (ours(), theirs());
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (ours(), theirs())).unzip();
    Pair { ours: Times::new(ours.into_iter().flatten()), theirs: Times::new(theirs.into_iter().flatten()) }
}
