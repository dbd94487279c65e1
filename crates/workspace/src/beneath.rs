//! Opening files below a directory without following a link, whatever is exchanged meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, openat, readlinkat, statat};

use crate::stat::{Kind, Stat};

/// The watched directory.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    device: u64,
}

const DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

impl Root {
    /// Opens it. The path itself may contain links: it is the workspace that was asked for.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let dir = openat(CWD, path, DIR.difference(OFlags::NOFOLLOW), Mode::empty())?;
        let device = fstat(&dir)?.st_dev;
        Ok(Self { dir, device })
    }

    /// A directory below it, name by name. One on another file system is refused: it was mounted there.
    pub(crate) fn dir(&self, name: &[u8]) -> io::Result<OwnedFd> {
        let mut dir = openat(&self.dir, ".", DIR, Mode::empty())?;
        for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            dir = openat(&dir, part, DIR, Mode::empty())?;
        }
        if fstat(&dir)?.st_dev != self.device {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        Ok(dir)
    }

    /// The state of a file; `None` if it is not there, or is neither a file nor a link.
    pub(crate) fn stat(&self, name: &[u8]) -> Option<Stat> {
        let (parent, last) = split(name);
        let dir = self.dir(parent).ok()?;
        stat_in(&dir, last)
    }

    /// The content of a file or a link with at most `most` bytes, and its state, which did not change meanwhile.
    pub(crate) fn read(&self, name: &[u8], most: u64) -> Option<(Vec<u8>, Stat)> {
        let (parent, last) = split(name);
        let dir = self.dir(parent).ok()?;
        let before = stat_in(&dir, last)?;
        if before.size > most {
            return None;
        }
        if before.kind == Kind::Link {
            let target = readlinkat(&dir, last, Vec::new()).ok()?;
            return Some((std::ffi::OsString::from_vec(target.into_bytes()).into_vec(), before));
        }
        // Opening a pipe that took the place of the file does not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(openat(&dir, last, flags, Mode::empty()).ok()?);
        let opened = Stat::of(&fstat(&file).ok()?)?;
        if opened != before {
            return None;
        }
        let mut content = Vec::with_capacity(usize::try_from(before.size).ok()?);
        (&file).take(most + 1).read_to_end(&mut content).ok()?;
        let after = Stat::of(&fstat(&file).ok()?)?;
        (after == before && content.len() as u64 == before.size).then_some((content, before))
    }
}

/// The state of an entry of an open directory.
pub(crate) fn stat_in(dir: &impl AsFd, name: &[u8]) -> Option<Stat> {
    Stat::of(&statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?)
}

/// Directory and last part of a path.
pub(crate) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (&[], name),
    }
}

/// An entry of a directory as a path below the root.
pub(crate) fn join(dir: &[u8], entry: &[u8]) -> Box<[u8]> {
    if dir.is_empty() { entry.into() } else { [dir, b"/", entry].concat().into() }
}
