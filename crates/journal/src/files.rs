//! How files and directories of the record are made: for the owner alone, closed in children.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use crate::RecordError;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// Makes a directory and its missing parents.
pub(crate) fn create_dirs(path: &Path) -> Result<(), RecordError> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path).map_err(RecordError::io("create", path))
}

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

/// Makes the directory of a step. The run directory itself is not made: when it is gone, the run is.
pub(crate) fn ensure_step_dir(path: &Path) -> Result<(), RecordError> {
    for dir in [path.parent(), Some(path)].into_iter().flatten() {
        match DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(RecordError::io("create", dir)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a file to append to, which must not be there yet.
pub(crate) fn create_append(path: &Path) -> Result<File, RecordError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(|source| exists_or("create", path, source))
}

/// Makes a file to write at any place, which must not be there yet.
pub(crate) fn create_write(path: &Path) -> Result<File, RecordError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(|source| exists_or("create", path, source))
}

/// Makes a file to write, empty, whatever was there before.
pub(crate) fn create_over(path: &Path) -> Result<File, RecordError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE_MODE);
    options.open(path).map_err(RecordError::io("create", path))
}

/// Opens a file to append to, and makes it when it is not there.
pub(crate) fn open_or_create_append(path: &Path) -> Result<File, RecordError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    options.open(path).map_err(RecordError::io("open", path))
}

/// Opens a file to read; `None` when it is not there.
pub(crate) fn open_read(path: &Path) -> Result<Option<File>, RecordError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RecordError::io("open", path)(error)),
    }
}

/// Puts a whole file in place: readers see the old one or the new one, never a part.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || -> io::Result<()> {
        // A temporary file is made with mode 0600 and removed when a step fails.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(content)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(RecordError::io("write", path))
}

/// Puts a whole file in place without waiting for the disk. After a crash of the system it may be damaged.
pub(crate) fn place(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(RecordError::io("write", path))
}

/// What is in a directory; nothing when it is not there.
pub(crate) fn list(path: &Path) -> Result<Vec<fs::DirEntry>, RecordError> {
    match fs::read_dir(path) {
        Ok(entries) => entries.collect::<io::Result<_>>().map_err(RecordError::io("list", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(RecordError::io("list", path)(error)),
    }
}

/// Reads a small file whole.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RecordError> {
    fs::read(path).map_err(RecordError::io("read", path))
}

fn exists_or(action: &'static str, path: &Path, source: io::Error) -> RecordError {
    if source.kind() == io::ErrorKind::AlreadyExists {
        RecordError::Exists { path: path.to_owned() }
    } else {
        RecordError::io(action, path)(source)
    }
}
