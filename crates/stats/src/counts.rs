//! How many ended how.

use serde::{Deserialize, Serialize};

/// How something ended, or where it is. The outcomes are never added together under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// Its time was over.
    TimedOut,
    /// Its last iteration was not complete, and the run went on.
    Incomplete,
    /// It ended on request.
    Cancelled,
    /// Its outcome is unknown, because its owner died.
    Lost,
    /// It was left out.
    Skipped,
    /// Its result was kept from an earlier run.
    Kept,
    /// It is under way.
    Running,
    /// It has not started.
    Waiting,
    /// Its state is one that this version does not know, or cannot be determined on this machine.
    Unknown,
}

impl Outcome {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Incomplete,
        Self::Cancelled,
        Self::Lost,
        Self::Skipped,
        Self::Kept,
        Self::Running,
        Self::Waiting,
        Self::Unknown,
    ];

    /// The word for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Incomplete => "incomplete",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Skipped => "skipped",
            Self::Kept => "kept",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is one of the outcomes that a success rate compares.
    #[must_use]
    pub const fn is_rated(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut)
    }
}

/// How many have each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts([u64; Outcome::ALL.len()]);

impl Counts {
    /// Counts one.
    pub const fn add(&mut self, outcome: Outcome) {
        self.add_many(outcome, 1);
    }

    /// Counts several with the same outcome.
    pub(crate) const fn add_many(&mut self, outcome: Outcome, count: u64) {
        let place = &mut self.0[outcome as usize];
        *place = place.saturating_add(count);
    }

    /// Adds those of others.
    pub fn merge(&mut self, other: &Self) {
        for (place, more) in self.0.iter_mut().zip(other.0) {
            *place = place.saturating_add(more);
        }
    }

    /// How many have an outcome.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many ended with an outcome that a rate compares.
    #[must_use]
    pub fn rated(&self) -> u64 {
        let rated = Outcome::ALL.into_iter().filter(|outcome| outcome.is_rated());
        rated.fold(0, |sum, outcome| sum.saturating_add(self.of(outcome)))
    }

    /// How many failed, whether or not because their time was over.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.of(Outcome::Failed).saturating_add(self.of(Outcome::TimedOut))
    }

    /// The share that succeeded among those that succeeded, failed or timed out; `None` without any.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let rated = self.rated();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = self.of(Outcome::Succeeded) as f64 / rated as f64;
        (rated > 0).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_in_the_order_of_their_numbers() {
        for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            let written = serde_json::to_value(outcome).unwrap();
            assert_eq!(written, outcome.name());
        }
    }

    #[test]
    fn a_rate_compares_known_outcomes_alone() {
        let mut counts = Counts::default();
        assert_eq!(counts.rate(), None);
        for outcome in [Outcome::Cancelled, Outcome::Lost, Outcome::Skipped, Outcome::Running] {
            counts.add(outcome);
        }
        assert_eq!((counts.rate(), counts.total()), (None, 4));
        (0..152).for_each(|_| counts.add(Outcome::Succeeded));
        (0..3).for_each(|_| counts.add(Outcome::Failed));
        counts.add(Outcome::TimedOut);
        assert_eq!((counts.errors(), counts.rated(), counts.total()), (4, 156, 160));
        assert!((counts.rate().unwrap() - 0.974).abs() < 0.001);
    }
}
