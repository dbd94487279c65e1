//! What the system says of a file.

use rustix::fs::{FileType, Stat as SystemStat};

/// Path of a file relative to the watched directory, as bytes; empty for the directory itself.
pub(crate) type Name = Box<[u8]>;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A symbolic link. Its content is the path that it leads to.
    Link,
}

/// State of a file. Two equal ones mean the same content, except within the tick of the clock in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) executable: bool,
    pub(crate) size: u64,
    /// Nanoseconds of UTC of the last write.
    pub(crate) modified: i128,
    /// The same of the last change of anything.
    pub(crate) changed: i128,
    inode: u64,
    device: u64,
}

impl Stat {
    /// `None` for what is neither a file nor a link.
    pub(crate) fn of(stat: &SystemStat) -> Option<Self> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Link,
            _ => return None,
        };
        Some(Self {
            kind,
            executable: kind == Kind::File && stat.st_mode & 0o100 != 0,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanos(i128::from(stat.st_mtime), i128::from(stat.st_mtime_nsec)),
            changed: nanos(i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec)),
            inode: stat.st_ino,
            device: stat.st_dev,
        })
    }

    /// Whether content may have changed since `before` was taken.
    pub(crate) fn may_differ(&self, before: &Self) -> bool {
        self != before
    }

    /// Whether a difference to `before` is one of the content or of the executable bit for certain, without reading either.
    pub(crate) fn surely_differs(&self, before: &Self) -> bool {
        self.kind != before.kind || self.size != before.size || self.executable != before.executable
    }
}

const fn nanos(seconds: i128, nanos: i128) -> i128 {
    seconds * 1_000_000_000 + nanos
}
