//! Things of one kind that are counted together.

use serde::{Deserialize, Serialize};

use crate::{Counts, Histogram, Outcome};

/// Counts, and how long those took that succeeded and those that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// How many ended how.
    #[serde(rename = "c")]
    pub counts: Counts,
    /// Milliseconds of those that succeeded.
    #[serde(rename = "ok", skip_serializing_if = "Histogram::is_empty")]
    pub succeeded: Histogram,
    /// Milliseconds of those that failed or timed out.
    #[serde(rename = "bad", skip_serializing_if = "Histogram::is_empty")]
    pub failed: Histogram,
}

impl Group {
    /// Counts one, with its duration where it has one. Only durations of outcomes that a rate compares are kept.
    pub fn add(&mut self, outcome: Outcome, duration_ms: Option<u64>) {
        self.counts.add(outcome);
        let Some(ms) = duration_ms else { return };
        match outcome {
            Outcome::Succeeded => self.succeeded.add(ms),
            Outcome::Failed | Outcome::TimedOut => self.failed.add(ms),
            _ => {}
        }
    }

    /// Adds another group.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.succeeded.merge(&other.succeeded);
        self.failed.merge(&other.failed);
    }

    /// Milliseconds of all whose duration is kept.
    #[must_use]
    pub const fn total_ms(&self) -> u64 {
        self.succeeded.sum().saturating_add(self.failed.sum())
    }

    /// How many ended with a known outcome in an hour of a period; `None` of a period without length.
    #[must_use]
    pub fn per_hour(&self, period_ms: u64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = self.counts.rated() as f64 * 3_600_000.0 / period_ms as f64;
        (period_ms > 0).then_some(rate)
    }
}
