//! Follow files of other programs into runs.
//!
//! [`start`] begins a thread that follows [`Source`]s and records what they report, until the [`Watching`] is stopped or dropped. What a
//! line means is decided by `roboppi_ingest`; here files are opened, read and remembered.
//!
//! A file is followed under its name and under names that it gets later. How far each was read is saved now and then; each record has a mark
//! of its place in its file, so what was recorded after that is not recorded again. Memory and time are bounded by what is new, not by
//! what is there.

mod clock;
mod files;
mod followed;
mod follower;
mod runs;
mod saved;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use roboppi_attach::{FileWatch, Growing, LocalRun};
use roboppi_ingest::Format;
use roboppi_record::{RecordError, StateRoot};
use thiserror::Error;

use follower::Follower;
use runs::Runs;
pub use status::{Notice, SourceState, SourceStatus};
use status::{Notices, Statuses};

/// Time between two looks when no change is reported.
const LOOK: Duration = Duration::from_millis(250);

/// The same while the disk is full or the record cannot be written.
const RETRY: Duration = Duration::from_secs(1);

/// Where the files of a source are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One file. It need not be there yet.
    File(PathBuf),
    /// All files `*/*.jsonl` below a directory.
    Sessions(PathBuf),
}

impl Place {
    /// The path that names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Sessions(path) => path,
        }
    }
}

/// What is followed.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its format.
    pub format: Format,
    /// Where it is.
    pub place: Place,
    /// Bytes before the end of a file that was there before it was followed for the first time.
    pub backlog: u64,
    /// Categories of events to record; all when there is none.
    pub categories: Vec<String>,
    /// Name of its runs; by default that of the session, or of the file.
    pub name: Option<String>,
}

impl Source {
    /// The log of Victor in a home directory.
    #[must_use]
    pub fn victor(home: &Path) -> Self {
        Self::of(Format::Victor, Place::File(home.join(".victor/logs/victor.log")))
    }

    /// The file that agents of Pyjama share in a home directory.
    #[must_use]
    pub fn pyjama(home: &Path) -> Self {
        Self::of(Format::Pyjama, Place::File(home.join(".pyjama/metrics.json")))
    }

    /// The session files of Claude Code in a home directory.
    #[must_use]
    pub fn claude(home: &Path) -> Self {
        Self::of(Format::ClaudeProject, Place::Sessions(home.join(".claude/projects")))
    }

    /// A source with the usual backlog.
    #[must_use]
    pub const fn of(format: Format, place: Place) -> Self {
        Self { format, place, backlog: BACKLOG, categories: Vec::new(), name: None }
    }
}

/// Bytes of the recent history of a file.
pub const BACKLOG: u64 = 64 * 1024;

/// After which time without a line a run is usually lost.
pub const SILENT_AFTER: Duration = Duration::from_secs(30 * 60);

/// What to follow, and where it is recorded.
#[derive(Clone, Debug)]
pub struct WatchSpec {
    /// Where the runs are.
    pub root: StateRoot,
    /// What is followed.
    pub sources: Vec<Source>,
    /// The run that all of it goes to; by default each session has a run of its own.
    pub run: Option<LocalRun>,
    /// After which time without a line a run is lost.
    pub silent_after: Duration,
    /// The version of this program.
    pub version: String,
    /// A source that another process follows is waited for. Otherwise it is an error.
    pub takes_over: bool,
}

/// Why nothing is followed.
#[derive(Debug, Error)]
pub enum WatchError {
    /// Another process follows the file.
    #[error("{} is followed by another process already", .0.display())]
    Busy(PathBuf),
    /// The state directory cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no thread for it.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}

/// Files that are being followed. Dropping it stops that, as [`Watching::stop`] does.
#[derive(Debug)]
pub struct Watching {
    is_over: Arc<AtomicBool>,
    statuses: Statuses,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// How each source is now, in the order of the specification.
    #[must_use]
    pub fn status(&self) -> Vec<SourceStatus> {
        self.statuses.get()
    }

    /// Stops: what was read is recorded, how far it was read is saved, and the thread has ended. Returns how each source is then.
    #[must_use]
    pub fn stop(mut self) -> Vec<SourceStatus> {
        self.end();
        self.status()
    }

    fn end(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it.
            let _ = thread.join();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.end();
    }
}

/// Follows files until the result is stopped or dropped. `on_notice` gets what a user should know; it is called on the thread that reads.
///
/// # Errors
/// When a source is followed by another process and is not waited for, or there is no thread for it.
pub fn start(
    spec: WatchSpec,
    on_notice: impl FnMut(Notice) + Send + 'static,
) -> Result<Watching, WatchError> {
    let statuses = Statuses::of(&spec.sources);
    let is_over = Arc::new(AtomicBool::new(false));
    let mut followers = Vec::new();
    for source in &spec.sources {
        let mut follower = Follower::new(&spec, source.clone());
        if !follower.acquire()? && !spec.takes_over {
            return Err(WatchError::Busy(source.place.path().to_owned()));
        }
        followers.push(follower);
    }
    let (shown, stops) = (statuses.clone(), Arc::clone(&is_over));
    let work = move || {
        // Open runs belong to their thread.
        let mut worker = Worker {
            watch: FileWatch::new(&place(&spec.sources)),
            runs: Runs::new(&spec),
            followers,
            notices: Notices::new(on_notice),
            statuses: shown,
            is_over: stops,
        };
        worker.run();
    };
    let thread = thread::Builder::new().name("watch".to_owned()).spawn(work);
    Ok(Watching { is_over, statuses, thread: Some(thread.map_err(WatchError::Thread)?) })
}

/// A directory that is there, on the file system of the first source.
fn place(sources: &[Source]) -> PathBuf {
    let path = sources.first().map_or(Path::new("/"), |source| source.place.path());
    files::existing_ancestor(path)
}

struct Worker {
    watch: FileWatch,
    runs: Runs,
    followers: Vec<Follower>,
    notices: Notices,
    statuses: Statuses,
    is_over: Arc<AtomicBool>,
}

impl Worker {
    fn run(&mut self) {
        loop {
            let is_over = self.is_over.load(Ordering::Acquire);
            let mut has_more = false;
            for (index, follower) in self.followers.iter_mut().enumerate() {
                has_more |= follower.look(&mut self.runs, &mut self.notices);
                if is_over {
                    follower.finish(&mut self.runs, &mut self.notices);
                }
                self.statuses.set(index, follower.status());
            }
            if is_over {
                return;
            }
            if !has_more {
                self.wait();
            }
        }
    }

    fn wait(&mut self) {
        let mut growing = Growing::default();
        for follower in &self.followers {
            follower.growing(&mut growing);
        }
        growing.dirs.sort();
        growing.dirs.dedup();
        if self.followers.iter().any(Follower::is_stuck) {
            // Files that grow meanwhile change nothing.
            let begun = std::time::Instant::now();
            while begun.elapsed() < RETRY && !self.is_over.load(Ordering::Acquire) {
                thread::sleep(LOOK / 5);
            }
        } else {
            self.watch.wait(growing, LOOK);
        }
    }
}
