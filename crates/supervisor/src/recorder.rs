//! Written down first, published second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use roboppi_attach::LiveFeed;
use roboppi_ipc::FreeText;
use roboppi_journal::{JournalSync, JournalWriter, SnapshotWriter};
use roboppi_redact::Secrets;
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord, StepId};

use crate::clock;
use crate::names::OpenNames;
use crate::snapshots::Snapshots;

/// How long an event may wait for the disk (not for the file, which has it at once).
const GROUP_COMMIT: Duration = Duration::from_millis(100);

/// The only writer of a run's journal, and the only one who publishes.
///
/// When the journal cannot be written the run goes on: events are published all the same, and one warning
/// says that the record has ended.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: Journal,
    feed: Arc<LiveFeed>,
    syncer: Option<Syncer>,
    secrets: Secrets,
    names: OpenNames,
    /// Somebody knows that a value which a worker had hidden is in a name.
    told_of_names: bool,
}

#[derive(Debug)]
enum Journal {
    Written(JournalWriter),
    Broken { last_seq: u64 },
}

impl Recorder {
    pub(crate) fn new(
        journal: JournalWriter,
        feed: Arc<LiveFeed>,
        secrets: Secrets,
        mut names: OpenNames,
    ) -> Self {
        // What they hold by now is told before anything begins.
        names.more_are_exposed(&secrets);
        let syncer = journal.sync_handle().ok().and_then(|sync| Syncer::start(sync, journal.snapshots()));
        let journal = Journal::Written(journal);
        Self { journal, feed, syncer, secrets, names, told_of_names: false }
    }

    /// Takes secrets out of a text of the supervisor, and leaves the names in it.
    pub(crate) fn hide(&mut self, text: &mut String) {
        self.names.hide(&self.secrets, text);
    }

    /// A worker has had one more value hidden.
    pub(crate) fn secrets_grew(&mut self) {
        if !self.told_of_names && self.names.more_are_exposed(&self.secrets) {
            self.told_of_names = true;
            if let Some(warning) = self.names.warning(&self.secrets) {
                self.warn(warning, None);
            }
        }
    }

    /// Takes secrets out of the free texts of an event of the run, writes it down, then publishes it.
    pub(crate) fn event(&mut self, mut event: RunEvent) {
        let ts = clock::now();
        if !self.secrets.is_empty() {
            event.visit_text(&mut |text| self.names.hide(&self.secrets, text));
        }
        let record = match &mut self.journal {
            Journal::Written(writer) => match writer.append(ts, event.clone()) {
                Ok(record) => {
                    if let Some(syncer) = &self.syncer {
                        syncer.wake();
                    }
                    record
                }
                Err(error) => {
                    let last_seq = writer.last_seq() + 1;
                    self.journal = Journal::Broken { last_seq };
                    self.publish(JournalRecord { seq: last_seq, ts, event });
                    self.warn(format!("the record of this run ends here, the run goes on: {error}"), None);
                    return;
                }
            },
            Journal::Broken { last_seq } => {
                *last_seq += 1;
                JournalRecord { seq: *last_seq, ts, event }
            }
        };
        self.publish(record);
    }

    /// Publishes an event of an attempt, which its core has recorded.
    pub(crate) fn attempt_event(&self, of: AttemptRef, record: AttemptRecord) {
        self.feed.publish(RunRecord::Attempt(of, record));
    }

    pub(crate) fn warn(&mut self, message: String, step: Option<StepId>) {
        self.event(RunEvent::Warning { message, step });
    }

    /// Waits until everything is on the disk, then tells followers that nothing more will come.
    pub(crate) fn finish(&mut self) {
        if let Some(syncer) = self.syncer.take() {
            syncer.finish();
        }
        self.feed.close();
    }

    fn publish(&self, record: JournalRecord) {
        self.feed.publish(RunRecord::Journal(record));
    }
}

/// Brings the journal to the disk, off the path of events: one flush for all that came within
/// [`GROUP_COMMIT`].
#[derive(Debug)]
struct Syncer {
    wake: SyncSender<()>,
    /// The thread knows that there is something to flush.
    woken: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Syncer {
    fn start(sync: JournalSync, snapshots: SnapshotWriter) -> Option<Self> {
        // One place: whoever finds it taken has nothing new to say.
        let (wake, wakes) = mpsc::sync_channel::<()>(1);
        let woken = Arc::new(AtomicBool::new(false));
        let taken = Arc::clone(&woken);
        let flush = move || {
            let snapshots = Snapshots::start(snapshots);
            let mut open = true;
            while open && wakes.recv().is_ok() {
                // Ends at once when the run ends.
                open = wakes.recv_timeout(GROUP_COMMIT) != Err(RecvTimeoutError::Disconnected);
                taken.store(false, Ordering::SeqCst);
                // A flush that fails is not worth a word here: the next write says it.
                let _ = sync.sync();
                snapshots.look();
            }
            snapshots.finish();
        };
        let thread = Builder::new().name("journal-sync".to_owned()).spawn(flush).ok()?;
        Some(Self { wake, woken, thread })
    }

    /// There is something to flush. Costs next to nothing while a flush is due anyway.
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            match self.wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }

    fn finish(self) {
        drop(self.wake);
        let _ = self.thread.join();
    }
}
