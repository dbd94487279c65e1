//! When a step is done, and how often.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use roboppi_ipc::ErrorClass;

use crate::condition::{Condition, InputType};
use crate::inputs::InputKind;

/// When a step is done, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepControl {
    /// Whether it is done at all, decided when its dependencies are over (`if`).
    pub condition: Option<Condition>,
    /// How it is tried again; `None` for what `max_retries` and `on_failure` say.
    pub retry: Option<RetryPolicy>,
}

/// How a step is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one, at least 1.
    pub max: u32,
    /// Time before the first of them; each further one waits twice as long.
    pub backoff: Duration,
    /// The longest of these times.
    pub max_backoff: Duration,
    /// Whether a random part of a time, up to its half, is left out.
    pub jitter: bool,
    /// Classes of failures after which it is tried again; empty for all.
    pub on: Vec<ErrorClass>,
}

/// How an input is compared.
pub(crate) const fn type_of(kind: &InputKind) -> InputType {
    match kind {
        InputKind::Text | InputKind::Choice(_) => InputType::Text,
        InputKind::Number => InputType::Number,
        InputKind::Boolean => InputType::Boolean,
    }
}

impl StepControl {
    /// Nothing of it.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<StepControl>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// This, shared when it is nothing.
    pub(crate) fn shared(self) -> Arc<Self> {
        let none = Self::none();
        if self == *none { none } else { Arc::new(self) }
    }
}

impl RetryPolicy {
    /// Whether a failure of this class is one after which the step is tried again.
    pub(crate) fn covers(&self, class: Option<ErrorClass>) -> bool {
        self.on.is_empty() || class.is_some_and(|class| self.on.contains(&class))
    }

    /// Time between the end of a failed attempt, counted from 1, and the start of the next one. `chance` is any number: which part is
    /// left out follows from it.
    pub(crate) fn delay(&self, failed_attempt: u32, chance: u64) -> Duration {
        let doublings = failed_attempt.saturating_sub(1).min(31);
        let whole = self.backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        if !self.jitter {
            return whole;
        }
        // From a half to all of it, in 1000 steps.
        let thousandths = 500 + u32::try_from(chance % 501).unwrap_or_default();
        let part = whole.as_nanos().saturating_mul(u128::from(thousandths)) / 1000;
        Duration::from_millis(u64::try_from(part / 1_000_000).unwrap_or(u64::MAX))
    }
}

/// A number that follows from some texts and looks random.
pub(crate) fn chance(seed: u64, step: &str, attempt: u32) -> u64 {
    let bytes = step.bytes().chain(attempt.to_le_bytes()).chain(seed.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of neighbours are alike.
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(jitter: bool) -> RetryPolicy {
        let (backoff, max_backoff) = (Duration::from_secs(2), Duration::from_secs(15));
        RetryPolicy { max: 9, backoff, max_backoff, jitter, on: Vec::new() }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = [1, 2, 3, 4, 5, u32::MAX].map(|failed| policy(false).delay(failed, 7).as_secs());
        assert_eq!(waits, [2, 4, 8, 15, 15, 15]);
    }

    #[test]
    fn jitter_leaves_out_up_to_a_half_and_differs_between_steps() {
        let waits: Vec<_> = (0..200)
            .map(|step| policy(true).delay(2, chance(1, &format!("test[n={step}]"), 2)).as_millis())
            .collect();
        assert!(waits.iter().all(|wait| (2_000..=4_000).contains(wait)), "{waits:?}");
        let different: std::collections::HashSet<_> = waits.iter().collect();
        assert!(different.len() > 50, "{}", different.len());
        assert!(
            waits.iter().any(|wait| *wait < 2_500) && waits.iter().any(|wait| *wait > 3_500),
            "{waits:?}"
        );
    }
}
