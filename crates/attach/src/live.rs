//! A run in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roboppi_record::{RecordStore, RunDir};
use roboppi_run::{RunRecord, RunView};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::source::Published;
use crate::{Following, History, Records, RequestError, RunCommand, RunSource};

/// Records a follower may be behind before it is told to start afresh. An event is at most one batch of
/// output (16 KiB) unless it is a patch or a result, so followers hold a few MiB at the most.
const BEHIND: usize = 256;

/// Folds the records of a run as they happen and hands them to followers.
#[derive(Debug)]
pub struct LiveFeed {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    view: RunView,
    /// `None` once the run is over and nothing more will come.
    sender: Option<broadcast::Sender<Published>>,
}

impl Default for LiveFeed {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(BEHIND);
        Self { inner: Mutex::new(Inner { view: RunView::default(), sender: Some(sender) }) }
    }
}

impl LiveFeed {
    /// Takes a record that is on disk already. Never waits for a follower.
    pub fn publish(&self, record: RunRecord) {
        let mut inner = self.lock();
        inner.view.apply(&record);
        if let Some(sender) = &inner.sender {
            // Fails only when nobody follows.
            let _ = sender.send(Some(Arc::new(record)));
        }
    }

    /// Shows another view, from which it goes on.
    pub(crate) fn restart(&self, view: RunView) {
        let mut inner = self.lock();
        inner.view = view;
        if let Some(sender) = &inner.sender {
            let _ = sender.send(None);
        }
    }

    /// The run as it is now and what comes after.
    pub fn follow(&self) -> Following {
        let inner = self.lock();
        let receiver = match &inner.sender {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        };
        Following { view: inner.view.clone(), records: Records::new(receiver) }
    }

    /// Looks at the view without copying it.
    pub fn with_view<T>(&self, read: impl FnOnce(&RunView) -> T) -> T {
        read(&self.lock().view)
    }

    /// Nothing more will come. Followers see the end after what they have not read yet.
    pub fn close(&self) {
        self.lock().sender = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A follower that panicked while looking has changed nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source of a run in this process.
#[derive(Clone, Debug)]
pub struct LiveSource {
    feed: Arc<LiveFeed>,
    record: Arc<dyn RecordStore>,
    /// Where the record is, when earlier runs are beside it.
    run_dir: Option<RunDir>,
    commands: mpsc::Sender<RunCommand>,
}

impl LiveSource {
    /// A source over `feed` with its record in a directory. Commands beyond the bound of `commands` are dropped: the owner has enough to do
    /// already, and a person asks again.
    #[must_use]
    pub fn new(feed: Arc<LiveFeed>, run_dir: RunDir, commands: mpsc::Sender<RunCommand>) -> Self {
        Self { feed, record: Arc::new(run_dir.clone()), run_dir: Some(run_dir), commands }
    }

    /// A source over `feed` with its record anywhere. Commands as with [`new`](Self::new).
    #[must_use]
    pub fn with_record(
        feed: Arc<LiveFeed>,
        record: Arc<dyn RecordStore>,
        commands: mpsc::Sender<RunCommand>,
    ) -> Self {
        Self { feed, record, run_dir: None, commands }
    }
}

impl RunSource for LiveSource {
    fn follow(&self) -> Following {
        self.feed.follow()
    }

    fn record(&self) -> &dyn RecordStore {
        self.record.as_ref()
    }

    fn history(&self) -> History {
        self.run_dir.as_ref().map_or_else(History::default, History::before)
    }

    fn request(&self, command: RunCommand) -> oneshot::Receiver<RequestError> {
        let (failed, trouble) = oneshot::channel();
        if self.commands.try_send(command).is_err() {
            let _ = failed.send(RequestError::NotTaken);
        }
        trouble
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::UtcMillis;
    use roboppi_run::{JournalRecord, RunEvent};

    use super::*;
    use crate::Next;

    fn warning(seq: u64) -> RunRecord {
        let event = RunEvent::Warning { message: seq.to_string(), step: None };
        RunRecord::Journal(JournalRecord { seq, ts: UtcMillis(seq), event })
    }

    #[test]
    fn view_and_records_fit_without_hole_or_overlap() {
        let feed = LiveFeed::default();
        feed.publish(warning(1));
        let mut following = feed.follow();
        feed.publish(warning(2));
        feed.close();
        assert_eq!(following.view.warnings.len(), 1);
        assert_eq!(following.records.blocking_next(), Next::Record(Arc::new(warning(2))));
        assert_eq!(following.records.blocking_next(), Next::Ended);
        assert_eq!(feed.follow().records.blocking_next(), Next::Ended);
    }

    #[test]
    fn a_slow_follower_starts_afresh_and_sees_the_same() {
        let feed = LiveFeed::default();
        let mut slow = feed.follow();
        for seq in 1..=1_000 {
            feed.publish(warning(seq));
        }
        assert_eq!(slow.records.try_next(), Some(Next::Lagged));
        let afresh = feed.follow();
        assert_eq!(afresh.view.warnings_total, 1_000);
    }
}
