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

/// Stands before activity whose beginning is not shown.
const EARLIER: &[u8] = b"... earlier activity: `roboppi show`\n";

/// Leaves at most `most` bytes of the activity of an agent: its last whole lines.
pub(super) fn cut_activity(activity: &mut Vec<u8>, most: usize) {
    if activity.len() <= most {
        return;
    }
    let from = activity.len() - most.saturating_sub(EARLIER.len());
    let begins_line = activity[from - 1] == b'\n';
    let rest = activity[from..].iter().position(|byte| *byte == b'\n');
    let rest = rest.map_or(activity.len(), |at| from + at + 1);
    activity.drain(..if begins_line { from } else { rest });
    activity.splice(..0, EARLIER.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_cut_at_a_line() {
        let cut = |text: &str, most: usize| {
            let mut activity = text.as_bytes().to_vec();
            cut_activity(&mut activity, most);
            String::from_utf8(activity).unwrap()
        };
        let long = "one\ntwo\n".repeat(20);
        assert_eq!(cut(&long, 1_000), long);
        for most in 0..long.len() {
            let text = cut(&long, most);
            assert!(text.len() <= most.max(EARLIER.len()), "{most}: {text}");
            let lines: Vec<_> = text.lines().collect();
            assert!(lines[0].starts_with("... earlier"), "{text}");
            assert!(lines[1..].iter().all(|line| ["one", "two"].contains(line)), "{text}");
        }
    }

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
