//! Where the socket of a run is.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use roboppi_run::RunId;

/// What the name of a socket ends in.
const EXTENSION: &str = "sock";

/// Sockets of others that are looked at when one is made.
const SWEPT: usize = 100;

/// A socket younger than this may be about to be listened at.
const YOUNG: Duration = Duration::from_secs(60);

/// A socket that is bound. Its file goes with the value.
#[derive(Debug)]
pub(crate) struct ControlPlace {
    listener: Option<UnixListener>,
    path: PathBuf,
}

impl ControlPlace {
    /// Binds the socket of a run: `$XDG_RUNTIME_DIR/roboppi/<run>.sock`, or where there is no such directory, or its
    /// name is too long for a socket, one of the user's own among the temporary files.
    pub(crate) fn bind(run_id: &RunId, env: impl Fn(&str) -> Option<OsString>) -> io::Result<Self> {
        let runtime = env("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let own = std::env::temp_dir().join(format!("roboppi-{}", geteuid()));
        match runtime.map(|dir| Self::bind_in(&dir.join("roboppi"), run_id)) {
            Some(Ok(place)) => Ok(place),
            Some(Err(_)) | None => Self::bind_in(&own, run_id),
        }
    }

    fn bind_in(dir: &Path, run_id: &RunId) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let meta = fs::symlink_metadata(dir)?;
        if !meta.is_dir() || meta.uid() != geteuid().as_raw() || meta.mode() & 0o077 != 0 {
            let what = format!("{} is not a directory of this user alone", dir.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        sweep(dir);
        let path = dir.join(format!("{run_id}.{EXTENSION}"));
        let listener = UnixListener::bind(&path)?;
        let place = Self { listener: Some(listener), path };
        fs::set_permissions(&place.path, Permissions::from_mode(0o600))?;
        Ok(place)
    }

    /// Path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is listened with, once.
    pub(super) fn listener(&mut self) -> io::Result<UnixListener> {
        let listener = self.listener.take().ok_or(io::ErrorKind::NotConnected)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

impl Drop for ControlPlace {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what owners left that were killed.
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let sockets = entries.flatten().map(|entry| entry.path());
    for path in sockets.filter(|path| path.extension().is_some_and(|end| end == EXTENSION)).take(SWEPT) {
        let age = fs::symlink_metadata(&path).and_then(|meta| meta.modified()).map(|time| time.elapsed());
        let old = age.is_ok_and(|age| age.is_ok_and(|age| age > YOUNG));
        let refused =
            || UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if old && refused() {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_others_can_enter_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let id = RunId::parse("r1").unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let refused = ControlPlace::bind_in(dir.path(), &id).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(ControlPlace::bind_in(dir.path(), &id).is_ok());
    }

    #[test]
    fn what_a_killed_owner_left_goes_and_what_is_listened_at_stays() {
        let dir = tempfile::tempdir().unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * YOUNG;
        let mut listeners = Vec::new();
        for (name, listens) in [("dead", false), ("alive", true), ("young", false)] {
            let path = dir.path().join(name).with_extension(EXTENSION);
            let listener = UnixListener::bind(&path).unwrap();
            if listens {
                listeners.push(listener);
            }
            if name != "young" {
                let seconds = long_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
                let times = nix::sys::time::TimeVal::new(seconds.cast_signed(), 0);
                nix::sys::stat::lutimes(&path, &times, &times).unwrap();
            }
        }
        sweep(dir.path());
        let there = |name: &str| dir.path().join(name).with_extension(EXTENSION).exists();
        assert_eq!(["dead", "alive", "young"].map(there), [false, true, true]);
    }
}
