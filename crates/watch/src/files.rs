//! Files of other programs, as they are found.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use roboppi_ingest::{HEAD, Seen};

/// Endings of names of files that hold no lines.
const OTHER: [&str; 8] = [".gz", ".zst", ".xz", ".bz2", ".zip", ".lock", ".tmp", ".swp"];

/// Project directories, and session files in each, that are looked at.
const SESSIONS: usize = 10_000;

/// A file that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) seen: Seen,
    /// Seconds since 1970 of its last change.
    pub(crate) changed: i64,
}

/// What of a file shows that it has changed: device, inode, length, time of the last change.
pub(crate) type Stamp = (u64, u64, u64, i64, i64);

pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    fs::metadata(path).map(|meta| stamp_of(&meta))
}

fn stamp_of(meta: &Metadata) -> Stamp {
    (meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}

/// Opens a file to read it.
pub(crate) fn open(path: &Path) -> io::Result<Opened> {
    // Opening a named pipe must not wait for its writer.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut head = vec![0; HEAD];
    let read = read_at(&file, &mut head, 0)?;
    head.truncate(read);
    let seen = Seen { dev: meta.dev(), ino: meta.ino(), len: meta.len(), head };
    Ok(Opened { file, seen, changed: meta.mtime() })
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Files beside one that may have had its name: `NAME.1`, `NAME-20260106`.
pub(crate) fn siblings(path: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let is_sibling = |found: &Path| {
        let Some(other) = found.file_name().and_then(|name| name.to_str()) else { return false };
        let rest = other.strip_prefix(name).filter(|rest| rest.starts_with(['.', '-', '_']));
        rest.is_some() && !OTHER.iter().any(|ending| other.ends_with(ending))
    };
    let entries = fs::read_dir(if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|found| is_sibling(found)).take(SESSIONS).collect()
}

/// Whether a name is one that rotation gives: a number or a date behind the name.
pub(crate) fn is_rotated(path: &Path, other: &Path) -> bool {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let other = name(other);
    let Some(rest) = other.strip_prefix(&name(path)) else { return false };
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | 'T' | 'Z');
    rest.chars().all(is_part) && rest.contains(|c: char| c.is_ascii_digit())
}

/// The session files below a directory.
pub(crate) fn sessions(dir: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut found = Vec::new();
    for project in fs::read_dir(dir)?.flatten().take(SESSIONS) {
        // What cannot be read holds no sessions of this user.
        for entry in fs::read_dir(project.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "jsonl")
                && let Ok(meta) = fs::metadata(&path)
                && meta.is_file()
                && found.len() < SESSIONS
            {
                found.push((path, meta));
            }
        }
    }
    Ok(found)
}

/// Seconds since 1970.
pub(crate) fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The nearest directory that is there, upwards.
pub(crate) fn existing_ancestor(path: &Path) -> PathBuf {
    let found = path.ancestors().skip(1).find(|dir| dir.is_dir());
    found.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_rotated_have_a_number_or_a_date() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        for name in ["app.log", "app.log.1", "app.log-20260106", "app.log.err", "app.log.2.gz", "other.log.1"]
        {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut found: Vec<_> = siblings(&path).iter().map(name).collect();
        found.sort();
        assert_eq!(found, ["app.log-20260106", "app.log.1", "app.log.err"]);
        let mut rotated: Vec<_> =
            siblings(&path).iter().filter(|other| is_rotated(&path, other)).map(name).collect();
        rotated.sort();
        assert_eq!(rotated, ["app.log-20260106", "app.log.1"]);
        assert!(open(dir.path()).is_err());
        assert_eq!(existing_ancestor(&dir.path().join("a/b/c")), dir.path());
    }
}
