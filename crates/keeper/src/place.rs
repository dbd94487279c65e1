//! Where the keeper of a session is: a directory with its socket, its lock and its spool.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use roboppi_hosts::SessionName;
use thiserror::Error;

/// Why a keeper has no place.
#[derive(Debug, Error)]
#[error("cannot use {}: {source}", path.display())]
pub struct PlaceError {
    path: PathBuf,
    source: io::Error,
}

/// The directory of a session.
#[derive(Debug)]
pub struct KeeperPlace {
    path: PathBuf,
    /// Names of a socket are short, and directories may be deep: it is reached through this descriptor.
    dir: File,
}

impl KeeperPlace {
    /// The place of a session among those of a state directory. It is made if there is none.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to another user.
    pub fn open(state_dir: &Path, session: &SessionName) -> Result<Self, PlaceError> {
        let all = state_dir.join("hosts");
        let path = all.join(session.as_str());
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PlaceError { path, source }
        };
        for dir in [state_dir, &all, &path] {
            match DirBuilder::new().mode(0o700).recursive(dir == state_dir).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(dir)(error)),
                _ => {}
            }
        }
        let dir = File::open(&path).map_err(failed(&path))?;
        let meta = dir.metadata().map_err(failed(&path))?;
        if meta.uid() != geteuid().as_raw() {
            return Err(failed(&path)(io::Error::other(format!("it belongs to uid {}", meta.uid()))));
        }
        Ok(Self { path, dir })
    }

    /// Whether a session has left a place.
    #[must_use]
    pub fn exists(state_dir: &Path, session: &SessionName) -> bool {
        state_dir.join("hosts").join(session.as_str()).is_dir()
    }

    /// The sessions that have left a place, in no order.
    pub(crate) fn all(state_dir: &Path) -> Vec<SessionName> {
        let entries = fs::read_dir(state_dir.join("hosts")).into_iter().flatten().flatten();
        let names = entries.filter(|entry| entry.path().is_dir());
        names.filter_map(|entry| SessionName::try_from(entry.file_name().into_string().ok()?).ok()).collect()
    }

    /// Whether a keeper has it, or what it started.
    pub(crate) fn is_taken(&self) -> bool {
        let file = File::open(self.path.join("stderr"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket, under a name that is short whatever the directory is.
    pub(crate) fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/socket", self.dir.as_raw_fd()))
    }

    /// The directory of the record.
    pub(crate) fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    fn lock_file(&self) -> io::Result<File> {
        let path = self.path.join("stderr");
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
    }

    /// Takes the place, if it is free. It is taken as long as the file, or one inherited from it, is open in any process: it is the
    /// standard error of the core and its guard.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn try_lock(&self) -> io::Result<Option<File>> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Makes the place as if nothing had ever been there. Only for the owner of its lock.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for entry in [fs::remove_file(self.path.join("socket")), fs::remove_dir_all(self.spool())] {
            match entry {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        DirBuilder::new().mode(0o700).create(self.spool())
    }

    /// Lets only this user connect.
    pub(crate) fn protect_socket(&self) -> io::Result<()> {
        fs::set_permissions(self.path.join("socket"), Permissions::from_mode(0o600))
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) {
        // What is left is found by the next session of that name, and by a person.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_as_long_as_any_descriptor_of_its_lock_is_open() {
        let state = tempfile::tempdir().unwrap();
        let deep = state.path().join("d".repeat(200));
        let session = SessionName::of("run", "far").unwrap();
        assert!(!KeeperPlace::exists(&deep, &session));
        let place = KeeperPlace::open(&deep, &session).unwrap();
        let lock = place.try_lock().unwrap().unwrap();
        let inherited = lock.try_clone().unwrap();
        assert!(place.try_lock().unwrap().is_none());
        drop(lock);
        assert!(place.try_lock().unwrap().is_none(), "a core may still have it");
        drop(inherited);
        assert!(place.try_lock().unwrap().is_some());
        place.clear().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(place.socket()).unwrap();
        place.remove();
        assert!(!KeeperPlace::exists(&deep, &session));
    }
}
