//! Waits until files change that somebody else writes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use roboppi_ipc::Mono;

#[cfg(target_os = "linux")]
mod notices;
mod rhythm;

use rhythm::{Input, Next, Rhythm};

/// Files that may grow, and where they are.
#[derive(Debug, Default)]
pub struct Growing {
    /// The files. They need not be there yet.
    pub files: Vec<PathBuf>,
    /// Their directories, and those in which these are made.
    pub dirs: Vec<PathBuf>,
}

/// Waits until files of other programs change.
#[derive(Debug)]
pub struct FileWatch(Watch);

impl FileWatch {
    /// Has seen nothing yet. `place` is on the file system in question; where that reports no changes, files are polled. With
    /// `ROBOPPI_POLL` they are polled anywhere.
    #[must_use]
    pub fn new(place: &Path) -> Self {
        Self(Watch::new(place, polls_by_environment()))
    }

    /// Waits until files may have changed, at most `limit`. Whatever was the reason: all of them are to be looked at.
    pub fn wait(&mut self, growing: Growing, limit: Duration) {
        self.0.wait(growing, limit);
    }
}

/// Tells when files change.
#[derive(Debug)]
pub(crate) struct Watch {
    notices: Option<Notices>,
    rhythm: Rhythm,
    origin: Instant,
    /// What was seen at the last look.
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// Length and time of the last change of a file.
type Stamp = (u64, i64, i64);

impl Watch {
    /// Has seen nothing yet. `place` is on the file system in question. With `polls` it looks again and again, also where
    /// the system could report changes.
    pub(crate) fn new(place: &Path, polls: bool) -> Self {
        Self::with(if polls { None } else { Notices::new(place) })
    }

    fn with(notices: Option<Notices>) -> Self {
        let rhythm = Rhythm::new(notices.is_some());
        Self { notices, rhythm, origin: Instant::now(), seen: Vec::new() }
    }

    /// Waits until files may have changed, at most `limit`. What is among them for the first time counts as changed.
    pub(crate) fn wait(&mut self, growing: Growing, limit: Duration) {
        let Growing { files, dirs } = growing;
        if !self.seen.iter().map(|(path, _)| path).eq(&files) {
            self.seen = files.into_iter().map(|path| (path, None)).collect();
        }
        let until = self.now() + limit;
        let mut next = self.rhythm.handle(self.now(), Input::Requested);
        loop {
            let input = match next {
                Next::Notify => return,
                Next::PollAt(time) => {
                    thread::sleep(time.min(until).since(self.now()));
                    if time > until {
                        return;
                    }
                    Input::Polled { changed: self.has_changed() }
                }
                Next::Arm => {
                    let granted = self.notices.as_ref().is_some_and(|notices| notices.arm(&dirs).is_ok());
                    Input::Armed { granted }
                }
                Next::Rest => {
                    let limit = until.since(self.now());
                    if !self.notices.as_ref().is_some_and(|notices| notices.wait(limit)) {
                        return;
                    }
                    Input::LinkState
                }
            };
            next = self.rhythm.handle(self.now(), input);
        }
    }

    /// Looks at all files. Says whether one is not as it was.
    fn has_changed(&mut self) -> bool {
        let mut changed = false;
        for (path, seen) in &mut self.seen {
            let stamp = fs::metadata(path).ok().map(|meta| (meta.len(), meta.mtime(), meta.mtime_nsec()));
            changed |= stamp != *seen;
            *seen = stamp;
        }
        changed
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }
}

/// Somebody knows of a file system that tells nobody here what is changed elsewhere.
pub(crate) fn polls_by_environment() -> bool {
    std::env::var_os("ROBOPPI_POLL").is_some_and(|value| !value.is_empty() && value != "0")
}

#[cfg(target_os = "linux")]
use notices::Notices;

/// There are none.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
enum Notices {}

#[cfg(not(target_os = "linux"))]
impl Notices {
    const fn new(_place: &Path) -> Option<Self> {
        None
    }

    fn arm(&self, _dirs: &[PathBuf]) -> std::io::Result<()> {
        match *self {}
    }

    fn wait(&self, _limit: Duration) -> bool {
        match *self {}
    }
}
