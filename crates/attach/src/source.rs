//! What a viewer can ask of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roboppi_record::{LogReader, RecordError, RunDir};
use roboppi_run::{AttemptRef, RunCommand, RunRecord, RunView};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, oneshot};

use crate::{PlayInput, Playback};

/// One run, wherever it is.
pub trait RunSource: Send + Sync {
    /// What the run looks like now, and everything that happens to it from here on.
    fn follow(&self) -> Following;

    /// The log of an attempt. One that has written nothing has an empty log.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    fn log(&self, of: &AttemptRef) -> Result<LogReader, RecordError> {
        RunDir::at(self.run_dir().to_owned()).log(&of.base())
    }

    /// Where the log of an attempt is, for people.
    fn log_path(&self, of: &AttemptRef) -> PathBuf {
        let log = self.log(of).map(|log| log.path().to_owned());
        log.unwrap_or_else(|_| self.run_dir().join(of.base() + ".log"))
    }

    /// Where the core's own words are.
    fn core_stderr(&self) -> PathBuf {
        RunDir::at(self.run_dir().to_owned()).core_stderr_path()
    }

    /// The run directory.
    fn run_dir(&self) -> &Path;

    /// Tells the owner of the run what a person commands. Does not wait; what comes of it is seen in the view. When the
    /// command cannot be brought to the owner, what is given back says why; otherwise it closes without a word.
    fn request(&self, command: RunCommand) -> oneshot::Receiver<String>;

    /// Where a replay is; `None` when this is none.
    fn playback(&self) -> Option<Playback> {
        None
    }

    /// Asks something of a replay. Does not wait.
    fn play(&self, _input: PlayInput) {}
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
pub struct Records(broadcast::Receiver<Published>);

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
    pub(crate) const fn new(receiver: broadcast::Receiver<Published>) -> Self {
        Self(receiver)
    }

    /// Waits for the next record. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Next {
        match self.0.recv().await {
            Ok(Some(record)) => Next::Record(record),
            Ok(None) | Err(RecvError::Lagged(_)) => Next::Lagged,
            Err(RecvError::Closed) => Next::Ended,
        }
    }

    /// The next record if there is one.
    pub fn try_next(&mut self) -> Option<Next> {
        match self.0.try_recv() {
            Ok(Some(record)) => Some(Next::Record(record)),
            Ok(None) | Err(TryRecvError::Lagged(_)) => Some(Next::Lagged),
            Err(TryRecvError::Closed) => Some(Next::Ended),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// As [`next`](Self::next), for a thread outside any async runtime.
    pub fn blocking_next(&mut self) -> Next {
        match self.0.blocking_recv() {
            Ok(Some(record)) => Next::Record(record),
            Ok(None) | Err(RecvError::Lagged(_)) => Next::Lagged,
            Err(RecvError::Closed) => Next::Ended,
        }
    }
}
