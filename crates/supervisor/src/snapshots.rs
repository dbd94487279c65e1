//! Writes snapshots of a long journal, on a thread of its own: not even a flush waits for one.

use std::sync::mpsc::{self, SyncSender};
use std::thread::{Builder, JoinHandle};

use roboppi_record::SnapshotWriter;

/// Writes snapshots, on a thread that is made for the first one. Without a thread there are none, and the record is whole
/// all the same.
#[derive(Debug)]
pub(crate) enum Snapshots {
    /// The journal is short.
    Waiting(SnapshotWriter),
    Writing(SyncSender<()>, JoinHandle<()>),
    /// There was no room for a thread.
    Never,
}

impl Snapshots {
    pub(crate) const fn new(writer: SnapshotWriter) -> Self {
        Self::Waiting(writer)
    }

    /// The journal may have grown. Never waits.
    pub(crate) fn check(&mut self) {
        if let Self::Waiting(writer) = self
            && writer.is_due()
            && let Self::Waiting(writer) = std::mem::replace(self, Self::Never)
        {
            *self = Self::start(writer);
        }
        if let Self::Writing(wake, _) = self {
            let _ = wake.try_send(());
        }
    }

    fn start(mut writer: SnapshotWriter) -> Self {
        // One place: a look that is due sees all that came before it.
        let (wake, wakes) = mpsc::sync_channel(1);
        let checks = move || {
            while wakes.recv().is_ok() {
                // One that cannot be written is missed by nobody but the patience of a reader.
                let _ = writer.check();
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
    use roboppi_run::RunEvent;

    use super::*;

    #[test]
    fn a_snapshot_that_was_begun_is_there_when_the_run_ends() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let mut journal = JournalWriter::create(&run).unwrap();
        let mut snapshots = Snapshots::new(journal.snapshots().every(1_000));
        for at in 0..100 {
            let warning = RunEvent::Warning { message: "again".into(), step: None };
            journal.append(UtcMillis(at), warning).unwrap();
        }
        snapshots.check();
        snapshots.finish();
        assert_eq!(run.view().unwrap().from_snapshot(), Some(100));
    }
}
