//! How much of the output of steps is shown.

/// Bytes of the output of successful steps that are left for the failed ones: a fifth.
const KEPT_BACK: usize = 5;

/// What is left of the room for output. A share is kept back for failed steps, which come last.
#[derive(Debug)]
pub(super) struct ShownBudget {
    folded: usize,
    open: usize,
    /// Steps whose output was left out.
    left_out: usize,
}

impl ShownBudget {
    pub(super) const fn new(bytes: usize) -> Self {
        let open = bytes / KEPT_BACK;
        Self { folded: bytes - open, open, left_out: 0 }
    }

    /// Bytes that the output of a step may take that did not fail.
    pub(super) fn folded(&self, most: usize) -> usize {
        most.min(self.folded)
    }

    pub(super) fn take_folded(&mut self, bytes: usize) {
        self.folded = self.folded.saturating_sub(bytes);
    }

    /// Bytes that the output of a failed step may take when `others` come after it.
    pub(super) fn open(&self, most: usize, others: usize) -> usize {
        most.min(self.open / (others + 1))
    }

    pub(super) fn take_open(&mut self, bytes: usize) {
        self.open = self.open.saturating_sub(bytes);
    }

    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    pub(super) const fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failures_have_room_whatever_came_before() {
        let mut budget = ShownBudget::new(1_000);
        budget.take_folded(budget.folded(usize::MAX));
        assert_eq!(budget.folded(10), 0);
        let mut shown = 0;
        for others in (0..4).rev() {
            let bytes = budget.open(usize::MAX, others);
            assert!(bytes >= 50, "{bytes}");
            budget.take_open(bytes);
            shown += bytes;
        }
        assert_eq!(shown, 200);
    }
}
