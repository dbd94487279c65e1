//! The content of the baseline, in a file without a name: it goes with the process, whatever ends that.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::Limits;
use crate::stat::Name;

/// Compresses fast rather than well.
const LEVEL: i32 = 1;

/// Content by name.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    file: Option<File>,
    places: BTreeMap<Name, Place>,
    written: u64,
    read: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    stored: u32,
    len: u32,
}

impl Contents {
    /// Keeps content in the file system of the first of `dirs` that can have such a file; without one nothing is kept.
    pub(crate) fn new(dirs: &[&Path]) -> Self {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = dirs.iter().find_map(|dir| openat(CWD, *dir, flags, Mode::RUSR | Mode::WUSR).ok());
        Self { file: file.map(File::from), ..Self::default() }
    }

    /// Whether there is room for `size` more bytes.
    pub(crate) fn has_room(&self, size: u64, limits: &Limits) -> bool {
        self.file.is_some() && self.written < limits.kept_bytes && self.read + size <= limits.read_bytes
    }

    /// Keeps the content of a file, unless it does not fit.
    pub(crate) fn keep(&mut self, name: &[u8], content: &[u8], limits: &Limits) {
        self.read += content.len() as u64;
        let (Some(file), Ok(len)) = (&self.file, u32::try_from(content.len())) else { return };
        let Ok(packed) = zstd::bulk::compress(content, LEVEL) else { return };
        let Ok(stored) = u32::try_from(packed.len()) else { return };
        let fits = self.written + u64::from(stored) <= limits.kept_bytes;
        if fits && file.write_all_at(&packed, self.written).is_ok() {
            self.places.insert(name.into(), Place { offset: self.written, stored, len });
            self.written += u64::from(stored);
        }
    }

    /// The content of a file, if it was kept.
    pub(crate) fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let place = self.places.get(name)?;
        let mut packed = vec![0; place.stored as usize];
        self.file.as_ref()?.read_exact_at(&mut packed, place.offset).ok()?;
        zstd::bulk::decompress(&packed, place.len as usize).ok()
    }
}
