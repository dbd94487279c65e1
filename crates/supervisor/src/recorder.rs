//! Written down first, published second; what happens at one moment at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use roboppi_attach::LiveFeed;
use roboppi_ipc::FreeText;
use roboppi_record::{JournalSync, JournalWriter, RecordError, SnapshotWriter, Unwritten};
use roboppi_redact::Secrets;
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord, StepPath};
use tracing::warn;

use crate::clock;
use crate::names::OpenNames;
use crate::snapshots::Snapshots;

/// Events that wait for the end of their moment before they are written all the same.
const AT_ONCE: usize = 256;

/// How long an event may wait for the disk (not for the file, which has it at once).
const GROUP_COMMIT: Duration = Duration::from_millis(100);

/// The only writer of a run's journal, and the only one who publishes.
///
/// When the journal cannot be written the run goes on: events are published all the same and wait in memory for the
/// journal, which is tried again with each of them and at the end. Warnings say when that begins and when it is over.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: JournalWriter,
    /// What happens belongs to one moment until it is over.
    holds: bool,
    /// Events of this moment, which are not written yet.
    held: Vec<JournalRecord>,
    /// The journal lacks events that wait.
    is_behind: bool,
    /// How often that was said.
    warnings: u32,
    feed: Arc<LiveFeed>,
    syncer: Option<Syncer>,
    secrets: Secrets,
    names: OpenNames,
    /// Somebody knows that a value which a worker had hidden is in a name.
    warned_of_names: bool,
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
        let start = |sync| Syncer::start(sync, journal.snapshots(), Arc::clone(&feed));
        let syncer = journal.sync_handle().ok().and_then(start);
        Self {
            journal,
            holds: false,
            held: Vec::new(),
            is_behind: false,
            warnings: 0,
            feed,
            syncer,
            secrets,
            names,
            warned_of_names: false,
        }
    }

    /// What comes from here on happens at one moment, until [`release`](Self::release): it is written with one call of the
    /// system, and wakes followers once. Who holds must not wait, and starts nothing that must come after the record.
    pub(crate) fn hold(&mut self) {
        self.holds = true;
    }

    /// The moment is over: what happened is in the record when this returns, and is published.
    pub(crate) fn release(&mut self) {
        self.holds = false;
        self.write();
    }

    /// Takes secrets out of a text of the supervisor, and leaves the names in it.
    pub(crate) fn hide(&mut self, text: &mut String) {
        self.names.hide(&self.secrets, text);
    }

    /// A worker has had one more value hidden.
    pub(crate) fn secrets_grew(&mut self) {
        if !self.warned_of_names && self.names.more_are_exposed(&self.secrets) {
            self.warned_of_names = true;
            if let Some(warning) = self.names.warning(&self.secrets) {
                self.warn(warning, None);
            }
        }
    }

    /// Takes secrets out of the free texts of an event of the run, writes it down, then publishes it; both at the end of the
    /// moment it belongs to.
    pub(crate) fn event(&mut self, mut event: RunEvent) {
        let ts = clock::now();
        if !self.secrets.is_empty() {
            event.visit_text(&mut |text| self.names.hide(&self.secrets, text));
        }
        self.held.push(self.journal.add(ts, event));
        if !self.holds || self.held.len() >= AT_ONCE {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let written = self.journal.write();
        if let Some(syncer) = self.syncer.as_ref().filter(|_| written.is_ok()) {
            syncer.wake();
        }
        let together = self.feed.at_once();
        self.held.drain(..).for_each(|record| together.publish(RunRecord::Journal(record)));
        drop(together);
        self.warn_of_disk(written);
    }

    /// Says when the journal can no longer be written, and when it can again.
    fn warn_of_disk(&mut self, written: Result<(), RecordError>) {
        /// A disk that is full again and again is known by then.
        const MOST: u32 = 5;

        // What is not said to have failed is not said to go on either.
        if self.is_behind == written.is_err() || (written.is_err() && self.warnings >= MOST) {
            return;
        }
        self.is_behind = written.is_err();
        let message = match written {
            Err(error) => {
                self.warnings += 1;
                warn!(error = &error as &dyn std::error::Error, "the journal cannot be written");
                format!(
                    "the record is not being written, the run goes on: {error}; what happens is kept in memory and written \
                     when that is possible"
                )
            }
            Ok(()) => "the record is being written again".to_owned(),
        };
        self.warn(message, None);
    }

    /// Publishes an event of an attempt, which its core has recorded.
    pub(crate) fn attempt_event(&mut self, of: AttemptRef, record: AttemptRecord) {
        self.write();
        self.feed.publish(RunRecord::Attempt(of, record));
    }

    /// Steps that have succeeded on a retry only.
    pub(crate) fn flaky_steps(&mut self) -> Vec<StepPath> {
        self.write();
        self.feed.with_view(|view| view.flaky_steps().map(|step| step.plan.step.clone()).collect())
    }

    pub(crate) fn warn(&mut self, message: String, step: Option<StepPath>) {
        self.event(RunEvent::Warning { message, step });
    }

    /// Waits until everything is on the disk, then tells followers that nothing more will come. Those of a run that was never
    /// flushed are told at once: it is on its way to the disk when this returns.
    pub(crate) fn finish(&mut self) {
        self.release();
        let closed = self.journal.close();
        if let Some(syncer) = &self.syncer {
            // What waited for room may have been written just now.
            syncer.wake();
        }
        let begins_to_write = self.syncer.take().and_then(Syncer::finish);
        if let Err(Unwritten { records, error }) = closed {
            let message =
                format!("the record of this run is incomplete, {records} events are missing in it: {error}");
            let event = RunEvent::Warning { message, step: None };
            let record = JournalRecord { seq: self.journal.last_seq() + 1, ts: clock::now(), event };
            self.feed.publish(RunRecord::Journal(record));
        }
        self.feed.close();
        self.journal.release();
        if let Some(thread) = begins_to_write {
            let _ = thread.join();
        }
    }
}

/// Brings the journal to the disk, off the path of events: one flush for all that came within
/// [`GROUP_COMMIT`].
#[derive(Debug)]
struct Syncer {
    wake: SyncSender<()>,
    /// The thread knows that there is something to flush.
    woken: Arc<AtomicBool>,
    /// There was a flush.
    flushed: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Syncer {
    fn start(mut sync: JournalSync, snapshots: SnapshotWriter, feed: Arc<LiveFeed>) -> Option<Self> {
        // One place: whoever finds it taken has nothing new to say.
        let (wake, wakes) = mpsc::sync_channel::<()>(1);
        let woken = Arc::new(AtomicBool::new(false));
        let taken = Arc::clone(&woken);
        let flushed = Arc::new(AtomicBool::new(false));
        let flushes = Arc::clone(&flushed);
        let flush = move || {
            let mut snapshots = Snapshots::new(snapshots, feed);
            let mut open = true;
            while open && wakes.recv().is_ok() {
                // Ends at once when the run ends.
                open = wakes.recv_timeout(GROUP_COMMIT) != Err(RecvTimeoutError::Disconnected);
                taken.store(false, Ordering::SeqCst);
                // A run that ends before the first flush is due ends without waiting for the disk, which has it in a moment.
                if open || !sync.begin_unless_synced() {
                    flushes.store(true, Ordering::SeqCst);
                    // A flush that fails is not worth a word here: the next write says it.
                    let _ = sync.sync();
                }
                snapshots.check();
            }
            snapshots.finish();
        };
        let thread = Builder::new().name("journal-sync".to_owned()).spawn(flush).ok()?;
        Some(Self { wake, woken, flushed, thread })
    }

    /// There is something to flush. Costs next to nothing while a flush is due anyway.
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            match self.wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }

    /// Waits for the last flush. Of a run without one, gives the thread that has the system begin to write.
    fn finish(self) -> Option<JoinHandle<()>> {
        drop(self.wake);
        if !self.flushed.load(Ordering::SeqCst) {
            return Some(self.thread);
        }
        let _ = self.thread.join();
        None
    }
}
