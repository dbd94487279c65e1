//! How files and directories of the record are made and opened: for the owner alone, closed in children, and never
//! through a symbolic link.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::O_NOFOLLOW;
use tempfile::TempDir;

use crate::RecordError;

mod owner;
mod within;

pub(crate) use owner::create_dirs;
pub(crate) use within::{has_plain_dirs, open_dir};

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// Makes one directory, which must not be there yet.
pub(crate) fn create_new_dir(path: &Path) -> Result<(), RecordError> {
    DirBuilder::new().mode(DIR_MODE).create(path).map_err(|source| exists_or("create", path, source))
}

/// Makes a directory of a fresh name, which is removed unless it is kept.
pub(crate) fn temporary_dir(parent: &Path, prefix: &str) -> Result<TempDir, RecordError> {
    let private = Permissions::from_mode(DIR_MODE);
    let dir = tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(parent);
    dir.map_err(RecordError::io("create", parent))
}

/// Makes a directory of a record beside others, unless it is there.
pub(crate) fn ensure_dir_in_run(path: &Path) -> Result<(), RecordError> {
    refuse_links(path)?;
    match create_new_dir(path) {
        Err(RecordError::Exists { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the directory of a step. The run directory itself is not made: when it is gone, the run is. Nothing is made
/// where a link has taken the place of one of them.
pub(crate) fn ensure_step_dir(path: &Path) -> Result<(), RecordError> {
    refuse_links(path.parent().unwrap_or(path))?;
    for dir in [path.parent(), Some(path)].into_iter().flatten() {
        match DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(RecordError::io("create", dir)(error));
            }
            _ => {}
        }
        open_dir(dir)?;
    }
    Ok(())
}

/// Makes a file to append to, which must not be there yet.
pub(crate) fn create_append(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(|source| exists_or("create", path, source))
}

/// Makes a file to write at any place, which must not be there yet.
pub(crate) fn create_write(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(|source| exists_or("create", path, source))
}

/// Makes a file to write, empty, whatever was there before.
pub(crate) fn create_over(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE_MODE).custom_flags(O_NOFOLLOW);
    options.open(path).map_err(RecordError::io("create", path))
}

/// Opens a file to append to, and makes it when it is not there.
pub(crate) fn open_or_create_append(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE).custom_flags(O_NOFOLLOW);
    options.open(path).map_err(RecordError::io("open", path))
}

/// Opens a file that several processes append to and cut in turn, and makes it when it is not there.
pub(crate) fn open_shared(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(FILE_MODE).custom_flags(O_NOFOLLOW);
    options.open(path).map_err(RecordError::io("open", path))
}

/// Takes the lock on a file that processes hold for a moment each.
///
/// # Errors
/// When another process holds it for five seconds.
pub(crate) fn wait_for_lock(file: &File, path: &Path) -> Result<(), RecordError> {
    /// Time between two attempts.
    const PAUSE: Duration = Duration::from_millis(1);
    const PATIENCE: Duration = Duration::from_secs(5);

    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let busy = "another process has held the lock for five seconds, and may be suspended";
                return Err(RecordError::io("lock", path)(io::Error::other(busy)));
            }
            Err(TryLockError::Error(error)) => return Err(RecordError::io("lock", path)(error)),
        }
    }
}

/// Opens a file to write at any place, and makes it when it is not there.
pub(crate) fn open_or_create_write(path: &Path) -> Result<File, RecordError> {
    refuse_links(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(FILE_MODE).custom_flags(O_NOFOLLOW);
    options.open(path).map_err(RecordError::io("open", path))
}

/// Opens a file of a record to read; `None` when it is not there.
///
/// # Errors
/// [`RecordError::NotPlain`] when it, or a directory of the record on the way to it, is a link, or when it is no regular
/// file.
pub(crate) fn open_read(path: &Path) -> Result<Option<File>, RecordError> {
    match within::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(RecordError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a whole file of a record in place: readers see the old one or the new one, never a part.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    put(parent_of(path)?, path, content, File::sync_data)
}

/// The same for content that is written bit by bit. Returns how long it is.
pub(crate) fn replace_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<u64, RecordError> {
    let dir = parent_of(path)?;
    let put = || -> io::Result<u64> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        write(file.as_file_mut())?;
        file.as_file().sync_data()?;
        let length = file.as_file().metadata()?.len();
        file.persist(path)?;
        Ok(length)
    };
    put().map_err(RecordError::io("write", path))
}

/// Puts a whole file of a record in place without waiting for the disk. After a crash of the system it may be damaged.
pub(crate) fn place(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    put(parent_of(path)?, path, content, |_| Ok(()))
}

/// The same for a file beside the runs.
pub(crate) fn place_beside_runs(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    put(parent(path), path, content, |_| Ok(()))
}

fn put(
    dir: &Path,
    path: &Path,
    content: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), RecordError> {
    let write = || -> io::Result<()> {
        // A temporary file is made with mode 0600 and removed when a step fails.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(content)?;
        settle(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(RecordError::io("write", path))
}

/// The directory a file of a record is put into, when no link has taken its place.
fn parent_of(path: &Path) -> Result<&Path, RecordError> {
    refuse_links(path)?;
    Ok(parent(path))
}

/// Insists that no link has taken the place of a directory of the record on the way to `path`.
fn refuse_links(path: &Path) -> Result<(), RecordError> {
    if has_plain_dirs(path) { Ok(()) } else { Err(RecordError::NotPlain { path: parent(path).to_owned() }) }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// What is in a directory of a record; nothing when it is not there.
///
/// # Errors
/// [`RecordError::NotPlain`] when it, or a directory of the record on the way to it, is a link.
pub(crate) fn list(path: &Path) -> Result<Vec<fs::DirEntry>, RecordError> {
    if !has_plain_dirs(&path.join("_")) {
        return Err(RecordError::NotPlain { path: path.to_owned() });
    }
    list_runs(path)
}

/// What is in the directory of all runs; nothing when it is not there.
pub(crate) fn list_runs(path: &Path) -> Result<Vec<fs::DirEntry>, RecordError> {
    match fs::read_dir(path) {
        Ok(entries) => entries.collect::<io::Result<_>>().map_err(RecordError::io("list", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(RecordError::io("list", path)(error)),
    }
}

/// Reads a small file of a record whole.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::new();
    let mut file = within::open(path).map_err(|error| match error {
        RecordError::Io { source, path, .. } => RecordError::Io { action: "read", path, source },
        other => other,
    })?;
    file.read_to_end(&mut bytes).map_err(RecordError::io("read", path))?;
    Ok(bytes)
}

fn exists_or(action: &'static str, path: &Path, source: io::Error) -> RecordError {
    if source.kind() == io::ErrorKind::AlreadyExists {
        RecordError::Exists { path: path.to_owned() }
    } else {
        RecordError::io(action, path)(source)
    }
}
