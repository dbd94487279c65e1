//! Where runs are kept.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::{AccessFlags, access, geteuid};
use roboppi_run::{RunHandle, RunId};

use crate::{LockState, OwnerLock, RecordError, RunDir, files};

/// The word for the run that began last on this machine, or the last one that was imported where there is no other.
pub const LAST: &str = "last";

/// What the directory of a run that is being removed begins with. It is no name of a run.
const REMOVED: &str = ".removed-";

/// What the directory of a run begins with as long as its owner has not taken the lock on it.
const BEGUN: &str = ".begun-";

/// The directory that holds the runs of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRoot {
    dir: PathBuf,
}

impl StateRoot {
    /// A root at a known place. It need not exist yet.
    #[must_use]
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Finds the place: `$ROBOPPI_STATE_DIR`, else `$XDG_STATE_HOME/roboppi`, else
    /// `$HOME/.local/state/roboppi`.
    ///
    /// Empty values count as absent, and so does a relative `XDG_STATE_HOME` or `HOME`. `None` when there
    /// is no place: then [`StateRoot::temporary`] is left.
    pub fn locate(env: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let path = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| path(name).filter(|value| value.is_absolute());
        let dir = path("ROBOPPI_STATE_DIR")
            // The core works elsewhere, so the place must not depend on a current directory.
            .and_then(|dir| std::path::absolute(dir).ok())
            .or_else(|| absolute("XDG_STATE_HOME").map(|dir| dir.join("roboppi")))
            .or_else(|| absolute("HOME").map(|dir| dir.join(".local/state/roboppi")))?;
        Some(Self { dir })
    }

    /// A fresh root for the owner alone in the directory for temporary files. It is kept, not removed.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn temporary() -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("roboppi-").permissions(private).tempdir()?;
        Ok(Self { dir: dir.keep() })
    }

    /// The root itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The directory with one directory a run.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.dir.join("runs")
    }

    /// Makes the directory of a new run, and the root when it is not there.
    ///
    /// # Errors
    /// [`RecordError::Exists`] when the id is taken, or when a directory cannot be made.
    pub fn create_run(&self, id: &RunId) -> Result<RunDir, RecordError> {
        let runs = self.runs_dir();
        files::create_dirs(&runs)?;
        let path = runs.join(id.as_str());
        files::create_new_dir(&path)?;
        Ok(RunDir::at(path))
    }

    /// Makes the directory of a new run with the lock of this process on it, and the root when it is not there. No
    /// reader sees the run before the lock is held.
    ///
    /// # Errors
    /// [`RecordError::Exists`] when the id is taken, or when something cannot be made.
    pub fn begin_run(&self, id: &RunId) -> Result<(RunDir, OwnerLock), RecordError> {
        let runs = self.runs_dir();
        files::create_dirs(&runs)?;
        let (path, begun) = (runs.join(id.as_str()), runs.join(format!("{BEGUN}{id}")));
        files::create_new_dir(&begun)?;
        let placed = OwnerLock::take(&begun).and_then(|lock| {
            if path.symlink_metadata().is_ok() {
                return Err(RecordError::Exists { path: path.clone() });
            }
            if fs::rename(&begun, &path).is_ok() {
                return Ok(lock);
            }
            // Some network file systems move no directory with an open file in it. There a reader may come too early.
            drop(lock);
            let _ = fs::remove_dir_all(&begun);
            files::create_new_dir(&path)?;
            OwnerLock::take(&path)
        });
        match placed {
            Ok(lock) => Ok((RunDir::at(path), lock)),
            Err(error) => {
                // It is empty, or as good as that.
                let _ = fs::remove_dir_all(&begun);
                Err(error)
            }
        }
    }

    /// Whether the directory is this user's own; so is one that is not there yet. What another user keeps in it is left
    /// as it is, also by root.
    #[must_use]
    pub fn is_of_this_user(&self) -> bool {
        self.owner().is_none_or(|owner| owner == geteuid().as_raw())
    }

    /// The number of the user who owns the directory; `None` when it is not there.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        Some(self.dir.metadata().ok()?.uid())
    }

    /// The directory of a run that is there.
    ///
    /// # Errors
    /// [`RecordError::RunNotFound`] when it is not there.
    pub fn open_run(&self, id: &RunId) -> Result<RunDir, RecordError> {
        let path = self.runs_dir().join(id.as_str());
        let is_there = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_there { Ok(RunDir::at(path)) } else { Err(self.not_found(id.as_str())) }
    }

    /// Removes a run. It leaves the list at once; what cannot be removed goes with the next one.
    ///
    /// # Errors
    /// When it cannot be taken out of the list, or not all of it can be removed.
    pub fn remove(&self, id: &RunId) -> Result<(), RecordError> {
        let runs = self.runs_dir();
        let path = runs.join(id.as_str());
        let handle = RunDir::at(path.clone()).handle();
        let gone = runs.join(format!("{REMOVED}{id}"));
        fs::rename(&path, &gone).map_err(RecordError::io("remove", &path))?;
        if let Some(handle) = handle {
            self.release_handle(handle, id);
        }
        let removed = fs::remove_dir_all(&gone).map_err(RecordError::io("remove", &gone));
        self.finish_removals()?;
        removed
    }

    /// Removes what removals left that were killed, unless it is another user's.
    ///
    /// # Errors
    /// When the runs cannot be listed.
    pub fn finish_removals(&self) -> Result<(), RecordError> {
        for entry in files::list_runs(&self.runs_dir())? {
            let is_removed = entry.file_name().to_str().is_some_and(|name| name.starts_with(REMOVED));
            if is_removed && RunDir::at(entry.path()).is_of_this_user() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Removes what owners left that were killed before their run was one. What changed after `before` is left: its owner
    /// may be about to take the lock.
    ///
    /// # Errors
    /// When the runs cannot be listed, or one cannot be removed.
    pub fn remove_unfinished(&self, before: SystemTime) -> Result<(), RecordError> {
        for entry in files::list_runs(&self.runs_dir())? {
            let is_begun = entry.file_name().to_str().is_some_and(|name| name.starts_with(BEGUN));
            let old =
                || entry.metadata().and_then(|found| found.modified()).is_ok_and(|changed| changed < before);
            if !is_begun || !old() {
                continue;
            }
            let dir = RunDir::at(entry.path());
            let probe = dir.lock_probe();
            let unheld = probe.is_ok_and(|probe| probe.is_none_or(|probe| probe.state() != LockState::Held));
            if dir.is_of_this_user() && unheld {
                fs::remove_dir_all(dir.path()).map_err(RecordError::io("remove", dir.path()))?;
            }
        }
        Ok(())
    }

    /// All runs, the one that began last first. What is not named like a run is ignored, and a root that is not there has
    /// none.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, RecordError> {
        let dir = self.runs_dir();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RecordError::io("list", &dir)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(RecordError::io("list", &dir))?;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(id) =
                entry.file_name().to_str().and_then(|name| RunId::parse(name).ok()).filter(|_| is_dir)
            {
                runs.push(id);
            }
        }
        runs.sort_by_cached_key(|id| Reverse((self.began(id), id.clone())));
        Ok(runs)
    }

    /// When a run began, in milliseconds of Unix time: its id tells, unless a person gave it another one.
    fn began(&self, id: &RunId) -> u64 {
        let from_record = || {
            let manifest = RunDir::at(self.runs_dir().join(id.as_str())).manifest();
            manifest.map(|manifest| manifest.started_at.0).unwrap_or_default()
        };
        id.time_ms().unwrap_or_else(from_record)
    }

    /// The run a person means: a whole id, a handle such as `r17`, the beginning of an id, or `-1` for the one that began
    /// last, `-2` for the one before it, or [`LAST`]. Numbers count the runs of this machine that may be read: what was
    /// imported is no last run, and among those of a user there may be some of root.
    ///
    /// # Errors
    /// [`RecordError::RunNotFound`] when nothing fits, [`RecordError::AmbiguousRun`] when several runs do.
    pub fn resolve(&self, text: &str) -> Result<RunId, RecordError> {
        let mut runs = self.runs()?;
        if let Some(back) = text.strip_prefix('-').and_then(|digits| digits.parse::<usize>().ok()) {
            let readable = |id: &RunId| {
                let flags = AccessFlags::R_OK | AccessFlags::X_OK;
                let path = self.runs_dir().join(id.as_str());
                access(&path, flags).is_ok() && !RunDir::at(path).is_imported()
            };
            let found = back.checked_sub(1).and_then(|index| runs.into_iter().filter(readable).nth(index));
            return found.ok_or_else(|| self.not_found(text));
        }
        if let Some(exact) = runs.iter().position(|id| id.as_str() == text) {
            return Ok(runs.swap_remove(exact));
        }
        if text == LAST {
            let own = self.resolve("-1");
            return own.or_else(|error| runs.into_iter().next().ok_or(error));
        }
        if let Some(handle) = RunHandle::parse(text) {
            let found = self.run_of_handle(handle).filter(|id| runs.contains(id));
            return found.ok_or_else(|| self.not_found(text));
        }
        runs.retain(|id| !text.is_empty() && id.as_str().starts_with(text));
        match runs.len() {
            0 => Err(self.not_found(text)),
            1 => Ok(runs.swap_remove(0)),
            _ => Err(RecordError::AmbiguousRun { text: text.to_owned(), candidates: runs }),
        }
    }

    /// Reads a file that [`StateRoot::write_derived`] wrote; `None` when there is none.
    #[must_use]
    pub fn read_derived(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(name);
        let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
        is_file.then(|| fs::read(path).ok()).flatten()
    }

    /// Puts a file beside the runs that belongs to none of them and can be made anew from them. After a crash of the system
    /// it may be damaged.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_derived(&self, name: &str, content: &[u8]) -> Result<(), RecordError> {
        files::place_beside_runs(&self.dir.join(name), content)
    }

    fn not_found(&self, text: &str) -> RecordError {
        RecordError::RunNotFound { text: text.to_owned(), runs_dir: self.runs_dir() }
    }
}
