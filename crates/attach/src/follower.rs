//! Follows a run through its files.

use std::fs;
use std::time::{Duration, Instant};

use roboppi_record::{LockProbe, RecordError, RunDir};
use roboppi_run::{Manifest, RunRecord, RunView};

use crate::liveness::{OwnerState, facts, lock_state, owner_state};
use crate::{Liveness, LocalRun};

mod reader;
mod watch;

pub use reader::Found;
pub(crate) use reader::{RunReader, log_growth};
pub use watch::{FileWatch, Growing};
pub(crate) use watch::{Watch, polls_by_environment};

/// Time between two checks whether the owner lives, and the time a run may take to say who that is.
const OWNER: Duration = Duration::from_secs(1);

/// Follows a run that this process does not own, from the first record to the last.
///
/// Reads only. The run does not know that it is followed.
#[derive(Debug)]
pub struct RunFollower {
    dir: RunDir,
    reader: RunReader,
    watch: Watch,
    opened: Instant,
    owner_check: Duration,
    /// When somebody looked last and found a run that may go on, and how it was.
    owner_seen: Option<(Instant, Liveness)>,
    /// What the lock of the owner is looked at through; it tells also when the record is taken away.
    lock: Result<Option<LockProbe>, RecordError>,
    /// What was started, as it was read last: it says whose run it is when the record is taken away.
    manifest: Option<Manifest>,
}

/// How a run is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowOptions {
    /// What workers do is read too, and not the journal alone.
    pub(crate) workers: bool,
    /// Files are polled, also where the system could report changes.
    pub(crate) polls: bool,
    /// Time for which an owner that lived is taken to live.
    pub(crate) owner_check: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self { workers: true, polls: polls_by_environment(), owner_check: OWNER }
    }
}

impl RunFollower {
    /// A follower before the first record.
    #[must_use]
    pub fn new(run: &LocalRun) -> Self {
        Self::with(run.run_dir().clone(), FollowOptions::default())
    }

    /// The same without what workers did: cheaper, and enough for those who read logs themselves.
    #[must_use]
    pub fn of_journal(run: &LocalRun) -> Self {
        Self::with(run.run_dir().clone(), FollowOptions { workers: false, ..FollowOptions::default() })
    }

    pub(crate) fn with(dir: RunDir, options: FollowOptions) -> Self {
        let mut reader = RunReader::new(dir.clone());
        if !options.workers {
            reader.only_the_journal();
        }
        let watch = Watch::new(dir.path(), options.polls);
        let owner_check = options.owner_check;
        let opened = Instant::now();
        Self { dir, reader, watch, opened, owner_check, owner_seen: None, lock: Ok(None), manifest: None }
    }

    /// The view to fold into what [`RunFollower::read`] will hand over. That of a journal of which a part is in a snapshot
    /// has that part already; it is not handed over then.
    pub fn begin(&mut self) -> RunView {
        self.reader.begin()
    }

    /// Hands everything that was recorded since the last time to `take` and says how the run is. Unless it may live,
    /// nothing more will come.
    pub fn read(&mut self, mut take: impl FnMut(RunRecord)) -> Liveness {
        // First the owner: what a dead one has written is read after that.
        let without_end = self.liveness_without_end();
        self.reader.read(&mut take);
        self.reader.outcome().map_or(without_end, Liveness::Finished)
    }

    /// The same where a snapshot of what a worker did may stand for its records: for those who want the view, and of a run
    /// with very many records. Only as the first read.
    pub fn catch_up(&mut self, mut take: impl FnMut(Found)) -> Liveness {
        let without_end = self.liveness_without_end();
        self.reader.catch_up(&mut take);
        self.reader.outcome().map_or(without_end, Liveness::Finished)
    }

    /// How the run is. Reads what was recorded since the last time and passes over it.
    pub fn liveness(&mut self) -> Liveness {
        self.begin();
        self.read(drop)
    }

    /// Waits until there may be more to read, at most `limit`.
    pub fn wait(&mut self, limit: Duration) {
        self.watch.wait(self.reader.growing(), limit.min(self.owner_check));
    }

    /// What of the record cannot be read, for people, 20 texts at the most. The rest was handed over.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.reader.problems().to_vec();
        if self.reader.torn() && self.owner_seen.is_none() {
            let path = self.dir.journal_path();
            problems.push(format!("{} ends in the middle of a line; it was ignored", path.display()));
        }
        problems
    }

    /// How the run is as long as its journal does not say that it is over.
    fn liveness_without_end(&mut self) -> Liveness {
        if let Some((seen, liveness)) = self.owner_seen
            && seen.elapsed() < self.owner_check
        {
            return liveness;
        }
        if let Ok(manifest) = self.dir.manifest() {
            self.manifest = Some(manifest);
        }
        if !matches!(self.lock, Ok(Some(_))) {
            self.lock = self.dir.lock_probe();
        }
        let lock = lock_state(&self.lock);
        let facts = facts(&self.dir, self.manifest.as_ref(), lock, self.is_being_made());
        let liveness = match owner_state(&facts) {
            OwnerState::Alive => Liveness::Live,
            OwnerState::Gone => Liveness::Lost,
            OwnerState::Unknown => Liveness::Elsewhere { last_sign: self.dir.last_sign() },
        };
        self.owner_seen = liveness.may_live().then(|| (Instant::now(), liveness));
        liveness
    }

    /// Whether what was started may be about to be written.
    fn is_being_made(&self) -> bool {
        let made = fs::metadata(self.dir.path()).and_then(|meta| meta.created().or_else(|_| meta.modified()));
        // A clock that was set back makes it younger, for as long as this follower waits for it.
        let young = made.is_ok_and(|made| made.elapsed().map_or(true, |age| age < OWNER));
        young && self.opened.elapsed() < OWNER && !self.dir.manifest_path().exists()
    }
}
