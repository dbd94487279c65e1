//! A run in this process.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roboppi_record::{RecordStore, RunDir};
use roboppi_run::{AttemptActivity, AttemptRef, RunRecord, RunView};
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
    senders: Option<Senders>,
}

#[derive(Debug)]
struct Senders {
    records: broadcast::Sender<Published>,
    /// Wakes the followers: its places are of no use to them.
    news: broadcast::Sender<()>,
}

impl Default for LiveFeed {
    fn default() -> Self {
        let senders = Senders { records: broadcast::Sender::new(BEHIND), news: broadcast::Sender::new(1) };
        Self { inner: Mutex::new(Inner { view: RunView::default(), senders: Some(senders) }) }
    }
}

impl LiveFeed {
    /// Takes a record that is on disk already. Never waits for a follower.
    pub fn publish(&self, record: RunRecord) {
        self.at_once().publish(record);
    }

    /// For records of one moment: followers are woken when the last of them is published.
    #[must_use]
    pub fn at_once(&self) -> AtOnce<'_> {
        AtOnce { feed: self, any: Cell::default() }
    }

    /// Takes what an attempt did up to some event from a snapshot. Followers start afresh.
    pub(crate) fn restore(&self, of: &AttemptRef, activity: AttemptActivity) {
        let mut inner = self.lock();
        inner.view.restore_activity(of, activity);
        if let Some(senders) = &inner.senders {
            let _ = senders.records.send(None);
            let _ = senders.news.send(());
        }
    }

    /// Shows another view, from which it goes on.
    pub(crate) fn restart(&self, view: RunView) {
        let mut inner = self.lock();
        inner.view = view;
        if let Some(senders) = &inner.senders {
            let _ = senders.records.send(None);
            let _ = senders.news.send(());
        }
    }

    /// The run as it is now and what comes after.
    pub fn follow(&self) -> Following {
        let inner = self.lock();
        let records = match &inner.senders {
            Some(Senders { records, news }) => Records::new(records.subscribe(), news.subscribe()),
            None => Records::new(broadcast::channel(1).1, broadcast::channel(1).1),
        };
        Following { view: inner.view.clone(), records }
    }

    /// Looks at the view without copying it.
    pub fn with_view<T>(&self, read: impl FnOnce(&RunView) -> T) -> T {
        read(&self.lock().view)
    }

    /// Has a follower's view share with the view here what is the same in both.
    pub(crate) fn share(&self, view: &mut RunView) {
        view.share(&self.lock().view);
    }

    /// Nothing more will come. Followers see the end after what they have not read yet.
    pub fn close(&self) {
        // Who waits is woken by the end of both.
        self.lock().senders = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A follower that panicked while looking has changed nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes records, and wakes followers when it is dropped.
#[derive(Debug)]
pub struct AtOnce<'a> {
    feed: &'a LiveFeed,
    any: Cell<bool>,
}

impl AtOnce<'_> {
    /// Takes a record that is on disk already. Never waits for a follower.
    pub fn publish(&self, record: RunRecord) {
        let mut inner = self.feed.lock();
        inner.view.apply(&record);
        if let Some(senders) = &inner.senders {
            // Fails only when nobody follows.
            let _ = senders.records.send(Some(Arc::new(record)));
            self.any.set(true);
        }
    }
}

impl Drop for AtOnce<'_> {
    fn drop(&mut self) {
        if self.any.get()
            && let Some(senders) = &self.feed.lock().senders
        {
            let _ = senders.news.send(());
        }
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

    fn share(&self, view: &mut RunView) {
        self.feed.share(view);
    }

    fn record(&self) -> &dyn RecordStore {
        self.record.as_ref()
    }

    fn history(&self) -> History {
        self.run_dir.as_ref().map_or_else(History::default, crate::history::before)
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

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
    fn followers_are_woken_once_for_records_of_one_moment() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let feed = LiveFeed::default();
        let mut records = feed.follow().records;
        let wakes = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        let woken = || wakes.0.swap(0, Ordering::Relaxed);
        for first in [1, 4] {
            let mut next = Box::pin(records.next());
            assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
            let moment = feed.at_once();
            (first..first + 3).for_each(|seq| moment.publish(warning(seq)));
            assert_eq!(woken(), 0, "it is not over");
            drop(moment);
            assert_eq!(woken(), 1);
            assert_eq!(next.as_mut().poll(&mut context), Poll::Ready(Next::Record(Arc::new(warning(first)))));
            drop(next);
            for seq in [first + 1, first + 2] {
                assert_eq!(records.try_next(), Some(Next::Record(Arc::new(warning(seq)))));
            }
        }
        let mut next = Box::pin(records.next());
        assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
        drop(feed.at_once());
        assert_eq!(woken(), 0, "nothing happened");
        feed.close();
        assert_eq!((woken(), next.as_mut().poll(&mut context)), (1, Poll::Ready(Next::Ended)));
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
