//! The private directory of an attempt, among the temporary files.
//!
//! Whoever made one holds a lock on it. A core that is killed removes nothing; whoever comes across a directory that
//! nobody has locked does ([`remove_abandoned`]). A lock goes with its process, and holds wherever the directory can
//! be seen: numbers of processes may mean others there.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

/// How the name of a directory begins that is locked by whoever uses it.
const PREFIX: &str = "roboppi-attempt-";

/// How it begins until it is locked.
const UNLOCKED: &str = "roboppi-new-";

/// How long a directory is given to be locked.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// Entries that are looked at in one go.
const LOOKS: usize = 100_000;

/// A private directory. It goes with the value.
#[derive(Debug)]
pub(super) struct PrivateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PrivateDir {
    /// Makes one where temporary files are.
    pub(super) fn make() -> io::Result<Self> {
        Self::make_in(&std::env::temp_dir())
    }

    fn make_in(parent: &Path) -> io::Result<Self> {
        let new = tempfile::Builder::new().prefix(UNLOCKED).tempdir_in(parent)?;
        let lock = lock(new.path())?;
        // From its first moment under this name it is locked.
        let name = new.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = parent.join(name.replacen(UNLOCKED, PREFIX, 1));
        fs::rename(new.path(), &path)?;
        // It is not there any more.
        let _ = new.keep();
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it that is private, too.
    pub(super) fn make_directory(&self, name: &str) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(self.path.join(name))
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock(dir: &Path) -> io::Result<Flock<File>> {
    Flock::lock(File::open(dir)?, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error.into())
}

/// Removes the private directories of attempts whose core was killed.
pub fn remove_abandoned() {
    remove_abandoned_in(&std::env::temp_dir());
}

fn remove_abandoned_in(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.take(LOOKS).flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_young = |meta: &fs::Metadata| {
            meta.modified().map_or(true, |time| time.elapsed().is_ok_and(|age| age < YOUNG))
        };
        let (ours, new) = (name.starts_with(PREFIX), name.starts_with(UNLOCKED));
        if !ours && !new {
            continue;
        }
        // What others made is theirs, and what is behind a link was not made by us.
        let meta = entry.metadata().ok().filter(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
        if meta.is_some_and(|meta| ours || !is_young(&meta))
            && let Ok(_lock) = lock(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_uses_any_more_is_removed_and_what_is_used_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = PrivateDir::make_in(parent.path()).unwrap();
        used.make_directory("inside").unwrap();
        let abandoned = parent.path().join(format!("{PREFIX}dead"));
        let others = parent.path().join("something else");
        for dir in [&abandoned, &others] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("file"), "x").unwrap();
        }
        let link = parent.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(&others, &link).unwrap();
        remove_abandoned_in(parent.path());
        assert!(!abandoned.exists());
        assert!(used.path().join("inside").exists() && others.join("file").exists());
        assert!(link.symlink_metadata().is_ok());

        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
    }
}
