//! Which starts of attempts were printed.

use std::collections::HashSet;

use roboppi_run::{AttemptRef, StepPath};

/// Attempts whose start was printed. It comes before their first output, whichever of the two is known first.
#[derive(Debug, Default)]
pub(super) struct Started(HashSet<AttemptRef>);

impl Started {
    /// Whether the start of this attempt is still to be printed. It counts as printed from here on.
    pub(super) fn is_new(&mut self, of: &AttemptRef) -> bool {
        !self.0.contains(of) && self.0.insert(of.clone())
    }

    /// The step is over: no attempt of it begins without a new number.
    pub(super) fn forget(&mut self, step: &StepPath) {
        self.0.retain(|of| of.step != *step);
    }
}
