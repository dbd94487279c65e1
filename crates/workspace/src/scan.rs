//! Reading which files there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::fs::{Dir, FileType};

use crate::Limits;
use crate::beneath::{Root, join, stat_in};
use crate::ignored::Ignored;
use crate::missed::Missed;
use crate::stat::{Name, Stat};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Files and links.
    pub(crate) files: BTreeMap<Name, Stat>,
    /// Directories that were seen.
    pub(crate) seen: BTreeSet<Name>,
    /// Those of them whose entries are all known.
    pub(crate) read: BTreeSet<Name>,
    pub(crate) missed: Missed,
}

/// How far to go.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    /// When to stop.
    pub(crate) until: Option<Instant>,
    /// Whether it is no longer wanted.
    pub(crate) is_dropped: &'a dyn Fn() -> bool,
}

/// Reads the directory `from` and all below it. `enter` is called for each directory before its entries are read, so that it can ask
/// to be notified of changes from then on.
pub(crate) fn scan(
    root: &Root,
    ignored: &mut Ignored,
    from: &[u8],
    bounds: Bounds<'_>,
    enter: &mut dyn FnMut(&[u8], BorrowedFd<'_>),
) -> Scan {
    let mut found = Scan::default();
    let mut waiting = VecDeque::from([Name::from(from)]);
    found.seen.insert(from.into());
    while let Some(name) = waiting.pop_front() {
        let out_of_time = bounds.until.is_some_and(|until| Instant::now() >= until);
        if out_of_time || (bounds.is_dropped)() {
            found.missed.out_of_time = true;
            break;
        }
        match read_dir(root, ignored, &name, bounds.limits, &mut found, enter) {
            Ok(below) => waiting.extend(below),
            Err(Trouble::TooMany) => {
                found.missed.too_many_files = true;
                break;
            }
            Err(Trouble::Gone) => {}
            Err(Trouble::Unreadable) if name.is_empty() => {
                found.missed.root = Some("it is not there, or access is denied".to_owned());
            }
            Err(Trouble::Unreadable) => found.missed.cannot_read(&name),
        }
    }
    found
}

enum Trouble {
    /// More files than the limit.
    TooMany,
    /// The directory was removed meanwhile, or is another file system.
    Gone,
    Unreadable,
}

/// Reads one directory; gives those in it.
fn read_dir(
    root: &Root,
    ignored: &mut Ignored,
    name: &[u8],
    limits: &Limits,
    found: &mut Scan,
    enter: &mut dyn FnMut(&[u8], BorrowedFd<'_>),
) -> Result<Vec<Name>, Trouble> {
    let dir = root.dir(name).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if !name.is_empty() => Trouble::Gone,
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::CrossesDevices if !name.is_empty() => {
            Trouble::Gone
        }
        // The kind of ELOOP, which a link in place of a directory gives, has no stable name.
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Trouble::Gone,
        _ => Trouble::Unreadable,
    })?;
    enter(name, dir.as_fd());
    ignored.enter(root, name);
    let mut below = Vec::new();
    for entry in Dir::read_from(&dir).map_err(|_| Trouble::Unreadable)? {
        let entry = entry.map_err(|_| Trouble::Unreadable)?;
        let last = entry.file_name().to_bytes();
        if last == b"." || last == b".." {
            continue;
        }
        let path = join(name, last);
        let kind = kind_of(&dir, &entry);
        let is_dir = kind == FileType::Directory;
        if !matches!(kind, FileType::Directory | FileType::RegularFile | FileType::Symlink)
            || ignored.has(&path, is_dir)
        {
            continue;
        }
        if is_dir {
            if path.iter().filter(|byte| **byte == b'/').count() >= limits.depth {
                found.missed.too_deep = true;
            } else {
                below.push(path.clone());
            }
            found.seen.insert(path);
        } else if let Some(stat) = stat_in(&dir, last) {
            if found.files.len() >= limits.files {
                return Err(Trouble::TooMany);
            }
            found.files.insert(path, stat);
        }
    }
    found.read.insert(name.into());
    below.sort_unstable();
    Ok(below)
}

fn kind_of(dir: &impl AsFd, entry: &rustix::fs::DirEntry) -> FileType {
    match entry.file_type() {
        FileType::Unknown => {
            let stat = rustix::fs::statat(dir, entry.file_name(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
            stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
        }
        known => known,
    }
}
