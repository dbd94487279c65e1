//! What a step or a run may use up.

use std::fmt;

use roboppi_run::{dollars, tokens};

/// An amount of money, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dollars(u64);

impl Dollars {
    const MICRO: f64 = 1e6;
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount above zero, rounded up to a millionth. `None` for any other number.
    ///
    /// ```
    /// use roboppi_workflow::Dollars;
    ///
    /// assert_eq!(Dollars::new(0.5).map(|amount| amount.to_string()).as_deref(), Some("$0.50"));
    /// assert_eq!(Dollars::new(0.0), None);
    /// ```
    #[must_use]
    pub fn new(amount: f64) -> Option<Self> {
        (amount > 0.0 && amount.is_finite()).then(|| Self::at_least(amount))
    }

    /// What was reported, rounded up to a millionth; nothing for what is no amount.
    pub(crate) fn at_least(amount: f64) -> Self {
        // Half of a ten-thousandth of the unit is noise of binary fractions.
        let micros = (amount * Self::MICRO - 1e-4).ceil().max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not below zero, and saturating"
        )]
        Self(micros as u64)
    }

    /// The amount, as a number.
    #[must_use]
    pub const fn amount(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to billions")]
        let micros = self.0 as f64;
        micros / Self::MICRO
    }

    /// The sum.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left when `other` is taken away, at least nothing.
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dollars(self.amount()))
    }
}

/// What a step, or all steps of a run, may use up. Agents are ended when it is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Money.
    pub max_cost: Option<Dollars>,
    /// Tokens: those read by the model without those from its cache, and those it wrote, to the cache too.
    pub max_tokens: Option<u64>,
}

impl Budget {
    /// Whether there is a limit.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.max_cost.is_some() || self.max_tokens.is_some()
    }

    /// Why a step may use nothing more, if that is so: what was used, and of what.
    pub(crate) fn spent_by_step(&self, used: Used) -> Option<String> {
        let (limit, so_far) = self.spent_by(used)?;
        Some(format!(
            "the budget of {limit} is spent: {so_far} so far (at least; from what the agent reports)"
        ))
    }

    /// The same of a run.
    pub(crate) fn spent_by_run(&self, used: Used) -> Option<String> {
        let (limit, so_far) = self.spent_by(used)?;
        Some(format!(
            "the budget of {limit} for the run is spent: {so_far} so far (at least; from what the agents report)"
        ))
    }

    fn spent_by(&self, used: Used) -> Option<(String, String)> {
        if let Some(limit) = self.max_cost.filter(|limit| used.cost >= *limit) {
            return Some((limit.to_string(), used.cost.to_string()));
        }
        let limit = self.max_tokens.filter(|limit| used.tokens >= *limit)?;
        Some((format!("{} tokens", tokens(limit)), tokens(used.tokens)))
    }
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Money, of those who report it.
    pub cost: Dollars,
    /// Tokens, as [`Budget::max_tokens`] counts them.
    pub tokens: u64,
}

impl Used {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { cost: self.cost.plus(other.cost), tokens: self.tokens.saturating_add(other.tokens) }
    }

    /// What is left when `other` is taken away, at least nothing.
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self { cost: self.cost.minus(other.cost), tokens: self.tokens.saturating_sub(other.tokens) }
    }

    /// The larger of both, part by part: totals do not fall.
    pub(crate) fn or_more(self, other: Self) -> Self {
        Self { cost: self.cost.max(other.cost), tokens: self.tokens.max(other.tokens) }
    }
}

impl From<&roboppi_ipc::Usage> for Used {
    fn from(usage: &roboppi_ipc::Usage) -> Self {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        Self {
            cost: usage.cost_usd.map(Dollars::at_least).unwrap_or_default(),
            tokens: tokens.saturating_add(usage.cache_write_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_a_millionth() {
        for (amount, micros) in [(0.5, 500_000), (0.1 + 0.2, 300_000), (1e-9, 1), (0.014_4, 14_400)] {
            assert_eq!(Dollars::at_least(amount), Dollars(micros), "{amount}");
        }
        for amount in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Dollars::new(amount), None);
        }
        assert_eq!(Dollars::at_least(f64::NAN), Dollars(0));
        assert!(Dollars::new(1e300).is_some());
    }

    #[test]
    fn a_budget_is_spent_when_nothing_is_left_of_it() {
        let budget = Budget { max_cost: Dollars::new(0.5), max_tokens: Some(10_000) };
        let used = |cost, tokens| Used { cost: Dollars::at_least(cost), tokens };
        let source = "(at least; from what the agent reports)";
        for (of, spent) in [
            (used(0.49, 9_999), None),
            (used(0.53, 0), Some(format!("the budget of $0.50 is spent: $0.53 so far {source}"))),
            (used(0.5, 0), Some(format!("the budget of $0.50 is spent: $0.50 so far {source}"))),
            (used(0.0, 10_400), Some(format!("the budget of 10k tokens is spent: 10k so far {source}"))),
        ] {
            assert_eq!(budget.spent_by_step(of), spent);
        }
        assert_eq!(Budget::default().spent_by_run(used(9.0, 9)), None);
    }

    #[test]
    fn tokens_from_the_cache_are_not_counted() {
        let usage = roboppi_ipc::Usage::new(10, 1).with_cache_read_tokens(1_000).with_cache_write_tokens(5);
        assert_eq!(Used::from(&usage), Used { cost: Dollars(0), tokens: 16 });
    }
}
