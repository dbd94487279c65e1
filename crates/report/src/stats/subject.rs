//! What is printed.

use roboppi_attach::Statistic;
use roboppi_ipc::UtcMillis;
use roboppi_stats::{Period, Selection};

/// Totals, and the selection that they are of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The totals.
    pub statistic: &'a Statistic,
    /// Which runs they are of.
    pub selection: &'a Selection,
    /// The workflow that was asked for.
    pub workflow: Option<&'a str>,
    /// The time of the totals.
    pub now: UtcMillis,
}

impl Subject<'_> {
    /// The time that rates refer to.
    pub(super) fn period(&self) -> Option<Period> {
        self.statistic.totals.period(self.selection, self.now)
    }

    /// Its length in milliseconds, 0 without one.
    pub(super) fn period_ms(&self) -> u64 {
        self.period().map_or(0, |period| period.ms())
    }
}
