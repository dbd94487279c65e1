//! Writes snapshots of a long journal, on a thread of its own: not even a flush waits for one.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{Builder, JoinHandle};

use roboppi_attach::LiveFeed;
use roboppi_record::SnapshotWriter;
use roboppi_run::RunView;

/// Writes snapshots, on a thread that is made for the first one. Without a thread there are none, and the record is whole
/// all the same.
#[derive(Debug)]
pub(crate) enum Snapshots {
    /// The journal is short.
    Waiting(SnapshotWriter, Arc<LiveFeed>),
    Writing(SyncSender<()>, JoinHandle<()>),
    /// There was no room for a thread.
    Never,
}

impl Snapshots {
    /// The view that is written is that of the feed, which has it anyway.
    pub(crate) const fn new(writer: SnapshotWriter, feed: Arc<LiveFeed>) -> Self {
        Self::Waiting(writer, feed)
    }

    /// The journal may have grown. Never waits.
    pub(crate) fn check(&mut self) {
        if let Self::Waiting(writer, _) = self
            && writer.is_due()
            && let Self::Waiting(writer, feed) = std::mem::replace(self, Self::Never)
        {
            *self = Self::start(writer, feed);
        }
        if let Self::Writing(wake, _) = self {
            let _ = wake.try_send(());
        }
    }

    fn start(mut writer: SnapshotWriter, feed: Arc<LiveFeed>) -> Self {
        // One place: a look that is due sees all that came before it.
        let (wake, wakes) = mpsc::sync_channel(1);
        let checks = move || {
            while wakes.recv().is_ok() {
                // One that cannot be written is missed by nobody but the patience of a reader.
                let _ = writer.check_with(|| feed.with_view(RunView::of_journal));
            }
        };
        let thread = Builder::new().name("journal-snapshots".to_owned()).spawn(checks);
        thread.map_or(Self::Never, |thread| Self::Writing(wake, thread))
    }

    /// Waits for the snapshot that is being written.
    pub(crate) fn finish(self) {
        if let Self::Writing(wake, thread) = self {
            drop(wake);
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::UtcMillis;
    use roboppi_record::{JournalWriter, RunDir};
    use roboppi_run::{RunEvent, RunRecord};

    use super::*;

    #[test]
    fn a_snapshot_that_was_begun_is_there_when_the_run_ends() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut journal = JournalWriter::create(&run).unwrap();
        let feed = Arc::new(LiveFeed::default());
        let mut snapshots = Snapshots::new(journal.snapshots().every(1_000), Arc::clone(&feed));
        for at in 0..100 {
            let warning = RunEvent::Warning { message: "again".into(), step: None };
            let record = journal.append(UtcMillis(at), warning).unwrap();
            feed.publish(RunRecord::Journal(record));
        }
        snapshots.check();
        snapshots.finish();
        assert_eq!(run.view().unwrap().from_snapshot(), Some(100));
    }
}
