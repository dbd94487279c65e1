//! The lock by which one tells whether the owner of a run lives.
//!
//! The owner holds it on the file `lock` of the run directory for its whole life. The kernel lets go of it when the
//! process ends, however it ends, and tells it to every process that sees the file: in another container, under
//! another host name, in another pid namespace. Where several kernels see one file (network file systems, directories
//! shared with a virtual machine) a lock that is held is one all the same, and one that is not held says nothing.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;

use crate::run_dir::OWNER_LOCK;
use crate::{RecordError, RunDir, files};

mod file_system;
mod range;

/// What a lock says of the owner of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// It is held: the owner lives.
    Held,
    /// No process of this kernel holds it, and the file system has no others.
    Free,
    /// It is not known to be held, which may mean nothing here.
    Unknown,
}

/// The lock on a run. Held until it is dropped, or the process ends.
#[derive(Debug)]
pub struct OwnerLock {
    file: File,
    is_conclusive: bool,
}

impl OwnerLock {
    /// Makes the file in a directory that no reader knows yet, and takes the lock.
    pub(crate) fn take(run_dir: &Path) -> Result<Self, RecordError> {
        let file = files::create_write(&run_dir.join(OWNER_LOCK))?;
        let is_conclusive = range::lock(&file).is_ok() && file_system::is_of_this_kernel(&file);
        Ok(Self { file, is_conclusive })
    }

    /// Whether that it is free means that the owner is gone, for every process that sees the file.
    #[must_use]
    pub const fn is_conclusive(&self) -> bool {
        self.is_conclusive
    }

    /// Leaves a sign of life, the time of change of the file, for those to whom the lock says nothing.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn sign_of_life(&self) -> io::Result<()> {
        Ok(futimens(&self.file, &TimeSpec::UTIME_OMIT, &TimeSpec::UTIME_NOW)?)
    }
}

/// Looks at the lock of a run, also when the directory of the run is taken away meanwhile.
#[derive(Debug)]
pub struct LockProbe {
    file: File,
    /// A record of an earlier version: its owner holds another kind of lock, on the journal.
    on_journal: bool,
}

impl LockProbe {
    /// What the lock says now.
    #[must_use]
    pub fn state(&self) -> LockState {
        let held = if self.on_journal { whole::is_held(&self.file) } else { range::is_held(&self.file) };
        match held {
            Ok(true) => LockState::Held,
            Ok(false) if file_system::is_of_this_kernel(&self.file) => LockState::Free,
            Ok(false) | Err(_) => LockState::Unknown,
        }
    }
}

impl RunDir {
    /// What the lock of this run is looked at through; `None` when there is nothing a lock could be on.
    ///
    /// # Errors
    /// When the file cannot be opened, so that nothing is known.
    pub fn lock_probe(&self) -> Result<Option<LockProbe>, RecordError> {
        if let Some(file) = files::open_read(&self.path().join(OWNER_LOCK))? {
            return Ok(Some(LockProbe { file, on_journal: false }));
        }
        let journal = files::open_read(&self.journal_path())?;
        Ok(journal.map(|file| LockProbe { file, on_journal: true }))
    }

    /// Whether the owner of the run made the file of its lock. Owners of earlier versions did not.
    #[must_use]
    pub fn has_lock(&self) -> bool {
        self.path().join(OWNER_LOCK).symlink_metadata().is_ok()
    }
}

/// Locks on whole files, as `flock(2)` makes them.
mod whole {
    use std::fs::{File, TryLockError};
    use std::io;

    pub(super) fn is_held(file: &File) -> io::Result<bool> {
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use roboppi_run::RunId;

    use super::*;
    use crate::{JournalWriter, StateRoot};

    #[test]
    fn the_lock_is_held_as_long_as_its_owner_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().to_owned());
        let (run, lock) = root.begin_run(&RunId::parse("r1").unwrap()).unwrap();
        assert!(lock.is_conclusive(), "the directory for temporary files is a local one");
        let probe = run.lock_probe().unwrap().unwrap();
        assert_eq!(probe.state(), LockState::Held);
        assert_eq!(probe.state(), LockState::Held, "looking changes nothing");
        // Another look in the process of the owner does not open it.
        drop(run.lock_probe());
        assert_eq!(probe.state(), LockState::Held);
        let before = run.last_sign().unwrap();
        lock.sign_of_life().unwrap();
        assert!(run.last_sign().unwrap() >= before);
        root.remove(&RunId::parse("r1").unwrap()).unwrap();
        assert_eq!(probe.state(), LockState::Held, "the record is gone, and its owner is not");
        drop(lock);
        assert_eq!(probe.state(), LockState::Free);
    }

    #[test]
    fn of_an_earlier_version_the_journal_tells() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path().to_owned());
        let run = root.create_run(&RunId::parse("r1").unwrap()).unwrap();
        assert!(run.lock_probe().unwrap().is_none());
        let journal = JournalWriter::create(&run).unwrap();
        let probe = run.lock_probe().unwrap().unwrap();
        assert_eq!(probe.state(), LockState::Held);
        drop(journal);
        assert_eq!(probe.state(), LockState::Free);
    }
}
