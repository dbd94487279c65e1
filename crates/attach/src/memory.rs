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
