//! Directories that are entered one name at a time, so that no link leads out of them.
//!
//! Workers may write where this reads and writes, also at the same moment. So nothing here looks at a path and uses it
//! then: a directory is held open, each name in it is used relative to that, and a link in the place of a name is not
//! followed. Paths are for messages only. This needs no `openat2`, which old kernels lack and containers forbid.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::tree_error::{Named, TreeError, special};

/// A directory that is open.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// Which directory it is, whatever its name.
pub(super) type DirId = (u64, u64);

/// A directory that is left for one in it, to come back to.
struct Above {
    id: DirId,
    /// The one in it.
    name: OsString,
    rest: Vec<Named>,
}

impl Dir {
    /// Opens a directory by its path. Links in that are followed: only for paths no worker can have made.
    pub(super) fn open(path: &Path) -> Result<Self, TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(TreeError::of(path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// The same of one that need not be listed, so that it may be one that others keep their names in.
    pub(super) fn anchor(path: &Path) -> Result<Self, TreeError> {
        #[cfg(target_os = "linux")]
        const ACCESS: OFlags = OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        const ACCESS: OFlags = OFlags::RDONLY;
        let flags = ACCESS | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(TreeError::of(path))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> Result<DirId, TreeError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(TreeError::of(&self.path))?;
        Ok(id_of(&stat))
    }

    /// Which directory a name is at this moment; `None` when it is none.
    pub(super) fn id_at(&self, name: &OsStr) -> Option<DirId> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::Directory).then(|| id_of(&stat))
    }

    /// A descriptor of its own for the directory.
    pub(super) fn file(&self) -> Result<File, TreeError> {
        self.fd.try_clone().map(File::from).map_err(TreeError::io(&self.path))
    }

    /// What a name is; `None` when there is nothing.
    pub(super) fn kind(&self, name: &OsStr) -> Result<Option<FileType>, TreeError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// What tells a file at a name from any other, and from what it may become; `None` when there is none.
    pub(super) fn identity(&self, name: &OsStr) -> Option<String> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(format!("{} {} {} {}", stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_size))
    }

    /// The directory of a name.
    pub(super) fn enter(&self, name: &OsStr) -> Result<Self, TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.at(name);
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(errno) => Err(match self.kind(name) {
                Ok(Some(FileType::Symlink)) => TreeError::Link { path },
                _ => TreeError::of(path)(errno),
            }),
        }
    }

    /// The same, made if it is not there, as it mostly is.
    pub(super) fn enter_or_make(&self, name: &OsStr) -> Result<Self, TreeError> {
        match self.enter(name) {
            Err(error) if error.is_absence() => self.make(name),
            entered => entered,
        }
    }

    /// Makes the directory of a name if it is not there.
    pub(super) fn ensure(&self, name: &OsStr) -> Result<(), TreeError> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.enter(name).map(drop),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// The directory of a name, made if it is not there.
    pub(super) fn make(&self, name: &OsStr) -> Result<Self, TreeError> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.enter(name),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// A regular file, to be read.
    pub(super) fn read(&self, name: &OsStr) -> Result<File, TreeError> {
        // Should a FIFO come in its place now, nobody waits for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let path = self.at(name);
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::LOOP => TreeError::Link { path: path.clone() },
            errno => TreeError::of(&path)(errno),
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(TreeError::of(&path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(fd)),
            kind => Err(TreeError::Special { path, what: special(kind) }),
        }
    }

    /// A new file where nothing has the name, with these rights as far as the umask lets them.
    pub(super) fn create_new(&self, name: &OsStr, mode: Mode) -> Result<File, TreeError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.fd, name, flags, mode);
        made.map(File::from).map_err(TreeError::of(self.at(name)))
    }

    /// A new file in the place of whatever had the name, with these rights as far as the umask lets them.
    pub(super) fn create(&self, name: &OsStr, mode: Mode) -> Result<File, TreeError> {
        match self.create_new(name, mode) {
            Err(TreeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.unlink(name)?;
                self.create_new(name, mode)
            }
            made => made,
        }
    }

    /// Where a link leads.
    pub(super) fn target(&self, name: &OsStr) -> Result<OsString, TreeError> {
        let text =
            rustix::fs::readlinkat(&self.fd, name, Vec::new()).map_err(TreeError::of(self.at(name)))?;
        Ok(OsString::from_vec(text.into_bytes()))
    }

    /// A new link in the place of whatever had the name.
    pub(super) fn link(&self, name: &OsStr, target: &OsStr) -> Result<(), TreeError> {
        self.unlink(name)?;
        rustix::fs::symlinkat(target, &self.fd, name).map_err(TreeError::of(self.at(name)))
    }

    /// Gives a file a second name, in the place of whatever had that, by way of a name that nobody uses. `false` where
    /// files have one name only.
    pub(super) fn name_again(&self, name: &OsStr, new: &OsStr, between: &OsStr) -> Result<bool, TreeError> {
        let link = |new| rustix::fs::linkat(&self.fd, name, &self.fd, new, AtFlags::empty());
        match link(new) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => {
                self.unlink(between)?;
                match link(between) {
                    Ok(()) => self.rename(between, self, new).map(|()| true),
                    Err(_) => Ok(false),
                }
            }
            Err(_) => Ok(false),
        }
    }

    /// Gives what is at a name another place on the same disk.
    pub(super) fn rename(&self, name: &OsStr, to: &Self, new: &OsStr) -> Result<(), TreeError> {
        rustix::fs::renameat(&self.fd, name, &to.fd, new).map_err(TreeError::of(to.at(new)))
    }

    /// Names with what they are, in order.
    pub(super) fn list(&self) -> Result<Vec<Named>, TreeError> {
        let failed = || TreeError::of(&self.path);
        let mut named = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind(name)?.unwrap_or(FileType::Unknown),
                known => known,
            };
            named.push((name.to_owned(), kind));
        }
        named.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(named)
    }

    /// Removes what is at a name, with everything in it. That nothing is there is fine.
    pub(super) fn remove(&self, name: &OsStr) -> Result<(), TreeError> {
        if !self.stays_full(name)? {
            return Ok(());
        }
        // Workers decide how deep it is: one directory is open at a time, and nothing calls itself.
        let mut here = self.enter(name)?;
        let mut rest = here.list()?;
        let mut above: Vec<Above> = Vec::new();
        loop {
            if let Some((name, _)) = rest.pop() {
                if here.stays_full(&name)? {
                    let id = here.id()?;
                    here.descend(&name)?;
                    above.push(Above { id, name, rest });
                    rest = here.list()?;
                }
            } else if let Some(Above { id, name, rest: more }) = above.pop() {
                here.ascend(id)?;
                here.remove_empty(&name)?;
                rest = more;
            } else {
                return self.remove_empty(name);
            }
        }
    }

    /// Removes what is at a name unless it is a directory that holds something. Whether it is.
    fn stays_full(&self, name: &OsStr) -> Result<bool, TreeError> {
        if self.kind(name)? != Some(FileType::Directory) {
            return self.unlink(name).map(|()| false);
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(false),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(true),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// Becomes the directory of a name.
    fn descend(&mut self, name: &OsStr) -> Result<(), TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|errno| TreeError::of(self.at(name))(errno))?;
        self.path.push(name);
        Ok(())
    }

    /// Becomes the directory this one is in, which must be the one it was entered from: somebody may have moved it.
    fn ascend(&mut self, to: DirId) -> Result<(), TreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let up = rustix::fs::openat(&self.fd, "..", flags, Mode::empty())
            .map_err(|errno| TreeError::of(&self.path)(errno))?;
        let stat = rustix::fs::fstat(&up).map_err(TreeError::of(&self.path))?;
        if id_of(&stat) != to {
            return Err(TreeError::Moved { path: self.path.clone() });
        }
        self.fd = up;
        self.path.pop();
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn remove_empty(&self, name: &OsStr) -> Result<(), TreeError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// Removes what is at a name and no directory. That nothing is there is fine.
    pub(super) fn unlink(&self, name: &OsStr) -> Result<(), TreeError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(TreeError::of(self.at(name))(errno)),
        }
    }

    /// The path of a name, for messages.
    pub(super) fn at(&self, name: &OsStr) -> PathBuf {
        if name == "." { self.path.clone() } else { self.path.join(name) }
    }
}

/// The widths differ between systems.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    clippy::allow_attributes,
    reason = "not everywhere"
)]
const fn id_of(stat: &rustix::fs::Stat) -> DirId {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_neither_entered_nor_written_through() {
        let place = tempfile::tempdir().unwrap();
        let (inside, outside) = (place.path().join("in"), place.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "kept").unwrap();
        symlink(&outside, inside.join("dir")).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        let dir = Dir::open(&inside).unwrap();
        assert!(matches!(dir.enter("dir".as_ref()), Err(TreeError::Link { .. })));
        assert!(matches!(dir.make("dir".as_ref()), Err(TreeError::Link { .. })));
        assert!(matches!(dir.read("file".as_ref()), Err(TreeError::Link { .. })));
        drop(dir.create("file".as_ref(), Mode::RWXU).unwrap());
        assert!(inside.join("file").symlink_metadata().unwrap().is_file());
        dir.remove("dir".as_ref()).unwrap();
        assert!(!inside.join("dir").exists());
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "kept");
    }

    #[test]
    fn what_is_nested_deeply_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let root = Dir::open(place.path()).unwrap();
        let mut dir = root.make("top".as_ref()).unwrap();
        for level in 0..5_000 {
            if level % 1_000 == 0 {
                drop(dir.create("file".as_ref(), Mode::RWXU).unwrap());
                drop(dir.make("z".as_ref()).unwrap().create("file".as_ref(), Mode::RWXU).unwrap());
            }
            dir = dir.make("d".as_ref()).unwrap();
        }
        drop(dir);
        let removing = move || root.remove("top".as_ref()).map_err(|error| error.to_string());
        let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(removing).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn nobody_leads_a_removal_elsewhere_by_moving_a_directory() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        let mut dir = Dir::open(&place.path().join("a")).unwrap();
        let id = dir.id().unwrap();
        dir.descend("b".as_ref()).unwrap();
        fs::rename(place.path().join("a/b"), place.path().join("moved")).unwrap();
        let error = dir.ascend(id).unwrap_err();
        assert!(matches!(&error, TreeError::Moved { path } if path.ends_with("a/b")), "{error}");
    }
}
