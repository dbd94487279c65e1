//! How far scripts are, now and then.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use roboppi_ipc::UtcMillis;
use roboppi_run::AttemptRef;

/// Time between two lines about the progress of one attempt, in milliseconds.
const INTERVAL: u64 = 10_000;

/// When the progress of each attempt under way was printed last. Times are those of the record.
#[derive(Debug, Default)]
pub(super) struct ProgressLines(HashMap<AttemptRef, UtcMillis>);

impl ProgressLines {
    /// Whether progress of this time is printed: the first of an attempt, and then one every ten seconds.
    pub(super) fn is_due(&mut self, of: &AttemptRef, ts: UtcMillis) -> bool {
        match self.0.entry(of.clone()) {
            // A clock that was set back silences nothing.
            Entry::Occupied(last) if ts.0.checked_sub(last.get().0).is_some_and(|since| since < INTERVAL) => {
                false
            }
            Entry::Occupied(mut last) => {
                last.insert(ts);
                true
            }
            Entry::Vacant(none) => {
                none.insert(ts);
                true
            }
        }
    }

    /// The attempt is over.
    pub(super) fn forget(&mut self, of: &AttemptRef) {
        self.0.remove(of);
    }
}

#[cfg(test)]
mod tests {
    use roboppi_run::StepPath;

    use super::*;

    #[test]
    fn a_script_that_reports_all_the_time_is_printed_every_ten_seconds() {
        let mut lines = ProgressLines::default();
        let of = AttemptRef::first(StepPath::from("build"));
        let due: Vec<u64> = (0..40_000).step_by(500).filter(|ts| lines.is_due(&of, UtcMillis(*ts))).collect();
        assert_eq!(due, [0, 10_000, 20_000, 30_000]);
        assert!(lines.is_due(&of, UtcMillis(1_000)), "the clock was set back");
        assert!(!lines.is_due(&of, UtcMillis(2_000)));
        lines.forget(&of);
        assert!(lines.is_due(&of, UtcMillis(2_000)));
    }
}
