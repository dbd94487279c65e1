//! What a viewer can ask of a run.

use std::sync::Arc;

use roboppi_record::RecordStore;
use roboppi_run::{RunCommand, RunRecord, RunView};
use thiserror::Error;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, oneshot};

use crate::{AskError, History, PlayInput, Playback};

/// One run, wherever it is: in this process, in another one on this machine, over, or in memory only.
pub trait RunSource: Send + Sync {
    /// What the run looks like now, and everything that happens to it from here on.
    fn follow(&self) -> Following;

    /// Has a view that came from [`follow`](Self::follow), and was brought on with what came after, share with the source what
    /// is the same in both: steps that are over. It is the same view before and after, and takes less room.
    fn share(&self, _view: &mut RunView) {}

    /// The record of the run, as far as it is told: in a replay a log ends where it ended at the time that is shown.
    fn record(&self) -> &dyn RecordStore;

    /// Requests something of the owner of the run. Does not wait; what happens then is seen in the view. When the request
    /// cannot be brought to the owner, the receiver gets the reason; otherwise it is closed without one.
    fn request(&self, command: RunCommand) -> oneshot::Receiver<RequestError>;

    /// What earlier runs of the same workflow tell about this one. Reads their records, so it is not for a thread that must
    /// not wait.
    fn history(&self) -> History {
        History::default()
    }

    /// Where a replay is; `None` when this is none.
    fn playback(&self) -> Option<Playback> {
        None
    }

    /// Controls a replay. Does not wait.
    fn play(&self, _input: PlayInput) {}
}

/// Why a request did not reach the owner of a run.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The owner has as many requests as it takes, or none is left to take them.
    #[error("the run is busy, or over")]
    NotTaken,
    /// A replay has no owner.
    #[error("cannot {}: this is a replay", .0.in_words())]
    Replay(RunCommand),
    /// The process that owns the run could not be asked.
    #[error(transparent)]
    Owner(#[from] AskError),
}

/// A view and what comes after it, without a hole or an overlap between the two.
#[derive(Debug)]
pub struct Following {
    /// The run so far.
    pub view: RunView,
    /// What comes after.
    pub records: Records,
}

/// A record, or `None`: the view is another one now, and followers start afresh from it.
pub(crate) type Published = Option<Arc<RunRecord>>;

/// Records as they happen. Bounded: a follower that is too slow is told so and starts afresh from a new
/// view; it never makes the run wait.
#[derive(Debug)]
pub struct Records {
    records: broadcast::Receiver<Published>,
    /// Says that there are some, once for all that happened at one moment. Only this one is waited for: each record would
    /// wake its follower again.
    news: broadcast::Receiver<()>,
}

/// What a follower gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The next record.
    Record(Arc<RunRecord>),
    /// The follower was too slow and missed records, or there is another view to begin with: [`RunSource::follow`] again.
    Lagged,
    /// Nothing more will come.
    Ended,
}

impl Records {
    pub(crate) const fn new(records: broadcast::Receiver<Published>, news: broadcast::Receiver<()>) -> Self {
        Self { records, news }
    }

    /// Waits for the next record. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            // Whatever it says: that there is something, that there was before, or that nothing more will come.
            let _ = self.news.recv().await;
        }
    }

    /// The next record if there is one.
    pub fn try_next(&mut self) -> Option<Next> {
        match self.records.try_recv() {
            Ok(Some(record)) => Some(Next::Record(record)),
            Ok(None) | Err(TryRecvError::Lagged(_)) => Some(Next::Lagged),
            Err(TryRecvError::Closed) => Some(Next::Ended),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// As [`next`](Self::next), for a thread outside any async runtime.
    pub fn blocking_next(&mut self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            let _ = self.news.blocking_recv();
        }
    }
}
