//! A follower's view and that of its source, which grow apart with each record and are mostly the same.

use roboppi_run::{RunEvent, RunRecord, RunView};

use crate::RunSource;

/// Attempts that end before views share again, at least.
const OFTEN: usize = 256;

/// Of a run with many steps this part of them ends before.
const PART: usize = 16;

/// Has the view of a follower share with its source what is the same in both, now and then: each time takes a look at every
/// step.
#[derive(Debug, Default)]
pub struct Sharing {
    ended: usize,
}

impl Sharing {
    /// A record came.
    pub fn count(&mut self, record: &RunRecord) {
        if let RunRecord::Journal(record) = record
            && matches!(record.event, RunEvent::AttemptFinished { .. })
        {
            self.ended += 1;
        }
    }

    /// Shares, if enough has ended since the last time.
    pub fn share(&mut self, source: &dyn RunSource, view: &mut RunView) {
        if self.ended >= OFTEN.max(view.steps.len() / PART) {
            self.ended = 0;
            source.share(view);
        }
    }
}
