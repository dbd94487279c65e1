//! Tokens and money of an attempt.

use roboppi_ipc::Usage;

/// Totals that never fall, whatever an agent says.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageTotals {
    total: Usage,
    known: bool,
    reported: Option<Usage>,
}

impl UsageTotals {
    /// The agent says what it has used in all so far. What is less than known before is not taken.
    pub fn reach(&mut self, usage: Usage) {
        self.known = true;
        let total = &mut self.total;
        total.input_tokens = total.input_tokens.max(usage.input_tokens);
        total.output_tokens = total.output_tokens.max(usage.output_tokens);
        total.cache_read_tokens = total.cache_read_tokens.max(usage.cache_read_tokens);
        total.cache_write_tokens = total.cache_write_tokens.max(usage.cache_write_tokens);
        total.cost_usd = larger(total.cost_usd, usage.cost_usd.filter(|cost| cost.is_finite()));
        total.turns = total.turns.max(usage.turns);
    }

    /// All that is known, `None` before anything is.
    #[must_use]
    pub fn total(&self) -> Option<Usage> {
        self.known.then_some(self.total)
    }

    /// The totals, when they are others than when this was asked last.
    pub fn news(&mut self) -> Option<Usage> {
        let total = self.total()?;
        (self.reported.replace(total) != Some(total)).then_some(total)
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// The sum of what two parts used.
#[must_use]
pub fn sum_of_usage(a: Usage, b: Usage) -> Usage {
    let both = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    Usage::new(a.input_tokens.saturating_add(b.input_tokens), a.output_tokens.saturating_add(b.output_tokens))
        .with_cache_read_tokens(a.cache_read_tokens.saturating_add(b.cache_read_tokens))
        .with_cache_write_tokens(a.cache_write_tokens.saturating_add(b.cache_write_tokens))
        .with_cost_usd(both(a.cost_usd, b.cost_usd))
        .with_turns(match (a.turns, b.turns) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_never_fall_and_are_told_once() {
        let mut totals = UsageTotals::default();
        assert_eq!((totals.total(), totals.news()), (None, None));
        let first = Usage::new(10, 1).with_cost_usd(Some(0.5));
        totals.reach(first);
        assert_eq!((totals.news(), totals.news()), (Some(first), None));
        totals.reach(Usage::new(3, 7).with_cost_usd(Some(f64::NAN)));
        assert_eq!(totals.news(), Some(Usage::new(10, 7).with_cost_usd(Some(0.5))));
        totals.reach(Usage::new(0, 0).with_cost_usd(Some(0.1)).with_turns(Some(1)));
        assert_eq!(totals.total(), Some(Usage::new(10, 7).with_cost_usd(Some(0.5)).with_turns(Some(1))));
    }
}
