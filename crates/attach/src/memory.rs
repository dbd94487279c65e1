//! A run that is in memory only.

use std::path::Path;
use std::sync::Arc;

use roboppi_record::MemoryRecord;
use roboppi_run::{RunCommand, RunRecord};
use tokio::sync::mpsc;

use crate::{LiveFeed, LiveSource};

/// Commands that may wait for the owner.
const COMMANDS: usize = 8;

/// A run without a process and a directory: what is told to it is what its [`source`](Self::source) shows. As with a run
/// that a supervisor owns, everything is in the record before it is shown. Clones are the same run.
#[derive(Clone, Debug)]
pub struct MemoryRun {
    feed: Arc<LiveFeed>,
    record: MemoryRecord,
    commands: mpsc::Sender<RunCommand>,
}

impl MemoryRun {
    /// A run of which nothing is known yet, and the commands that viewers request of it. To those who want to show where
    /// its record is it gives `location`.
    #[must_use]
    pub fn new(location: Option<&Path>) -> (Self, mpsc::Receiver<RunCommand>) {
        let (commands, requested) = mpsc::channel(COMMANDS);
        let record = location.map_or_else(MemoryRecord::default, MemoryRecord::shown_at);
        (Self { feed: Arc::default(), record, commands }, requested)
    }

    /// Records something and shows it.
    pub fn publish(&self, record: RunRecord) {
        self.record.add(&record);
        self.feed.publish(record);
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.feed.close();
    }

    /// Its record, to add what is in no event, as the output of workers.
    #[must_use]
    pub const fn record(&self) -> &MemoryRecord {
        &self.record
    }

    /// Its source.
    #[must_use]
    pub fn source(&self) -> LiveSource {
        let record = Arc::new(self.record.clone());
        LiveSource::with_record(Arc::clone(&self.feed), record, self.commands.clone())
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{OutputStream, UtcMillis};
    use roboppi_run::{AttemptRef, JournalRecord, RunEvent};

    use super::*;
    use crate::{AtEnd, Next, ReplaySource, RequestError, RunSource, Speed};

    fn warning(seq: u64) -> RunRecord {
        let event = RunEvent::Warning { message: seq.to_string(), step: None };
        RunRecord::Journal(JournalRecord { seq, ts: UtcMillis(seq), event })
    }

    #[test]
    fn what_is_published_is_shown_and_in_the_record_before() {
        let (run, _requested) = MemoryRun::new(None);
        let source = run.source();
        let mut following = source.follow();
        run.publish(warning(1));
        assert_eq!(following.records.blocking_next(), Next::Record(Arc::new(warning(1))));
        assert_eq!(source.record().journal().unwrap().map(|record| record.unwrap().seq).last(), Some(1));
        let of = AttemptRef::first("build".into());
        let mut log = source.record().log(&of).unwrap();
        run.record().output(&of, OutputStream::Stdout, b"one\n", UtcMillis(2));
        assert!(log.refresh().unwrap());
        assert_eq!(log.line(0).unwrap().unwrap().bytes, b"one");
        run.close();
        assert_eq!(following.records.blocking_next(), Next::Ended);
        assert_eq!(source.history(), crate::History::default());
    }

    #[test]
    fn a_request_reaches_the_owner_or_its_reason_comes_back() {
        let (run, mut requested) = MemoryRun::new(None);
        let source = run.source();
        let taken = source.request(RunCommand::LeaveNow);
        assert_eq!(requested.blocking_recv(), Some(RunCommand::LeaveNow));
        assert!(taken.blocking_recv().is_err(), "closed without a reason");
        for _ in 0..COMMANDS {
            drop(source.request(RunCommand::LeaveNow));
        }
        let refused = source.request(RunCommand::LeaveNow).blocking_recv();
        assert!(matches!(refused, Ok(RequestError::NotTaken)), "{refused:?}");
        let record = Arc::new(run.record().clone());
        let replay = ReplaySource::with_record(record, Speed::Max, AtEnd::Close).unwrap();
        let refused = replay.request(RunCommand::CancelRun { force: false }).blocking_recv();
        assert!(
            matches!(refused, Ok(RequestError::Replay(RunCommand::CancelRun { force: false }))),
            "{refused:?}"
        );
    }
}
