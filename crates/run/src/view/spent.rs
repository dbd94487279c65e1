//! Tokens and money, added up.

use roboppi_ipc::Usage;

use super::{AttemptStatus, AttemptView, RunView, StepView};

/// What attempts have used together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Their sum. The cost is that of those who say one.
    pub usage: Usage,
    /// Attempts that told what they used.
    pub attempts: u32,
    /// Attempts among them that told no cost; with some, the cost is a lower bound.
    pub without_cost: u32,
}

impl Spent {
    fn of<'a>(attempts: impl Iterator<Item = &'a AttemptView>) -> Option<Self> {
        attempts.filter_map(AttemptView::usage).map(Self::one).reduce(Self::and)
    }

    fn one(usage: Usage) -> Self {
        Self { usage, attempts: 1, without_cost: u32::from(usage.cost_usd.is_none()) }
    }

    fn and(self, other: Self) -> Self {
        let (a, b) = (self.usage, other.usage);
        let either = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or_default()));
        Self {
            usage: Usage::new(
                a.input_tokens.saturating_add(b.input_tokens),
                a.output_tokens.saturating_add(b.output_tokens),
            )
            .with_cache_read_tokens(a.cache_read_tokens.saturating_add(b.cache_read_tokens))
            .with_cache_write_tokens(a.cache_write_tokens.saturating_add(b.cache_write_tokens))
            .with_cost_usd(either(a.cost_usd, b.cost_usd))
            .with_turns(match (a.turns, b.turns) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (one, other) => one.or(other),
            }),
            attempts: self.attempts + other.attempts,
            without_cost: self.without_cost + other.without_cost,
        }
    }
}

impl AttemptView {
    /// What it has used, as its result says or, while it runs, its worker.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let of_result = match &self.status {
            AttemptStatus::Finished { result, .. } => {
                result.details.as_ref().and_then(|details| details.usage)
            }
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        };
        of_result.or(self.activity.usage)
    }
}

impl StepView {
    /// What all its attempts have used; `None` when no worker told anything.
    #[must_use]
    pub fn spent(&self) -> Option<Spent> {
        Spent::of(self.attempts.iter())
    }
}

impl RunView {
    /// What all attempts of all steps have used; `None` when no worker told anything.
    #[must_use]
    pub fn spent(&self) -> Option<Spent> {
        Spent::of(self.steps.iter().flat_map(|step| &step.attempts))
    }
}
