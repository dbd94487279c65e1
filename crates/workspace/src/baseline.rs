//! The state of the directory before the worker starts.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Limits;
use crate::beneath::Root;
use crate::contents::Contents;
use crate::ignored::Ignored;
use crate::scan::{Bounds, Scan, scan};
use crate::stat::{Kind, Name, Stat};
use crate::watches::Watches;

/// Nanoseconds within which two writes may have the same time of change: the tick of the clock of the kernel, and some more.
const TICK: i128 = 50_000_000;

/// Files and their content, as far as it is kept.
#[derive(Debug)]
pub(crate) struct Baseline {
    pub(crate) root: Root,
    pub(crate) scan: Scan,
    pub(crate) contents: Contents,
    pub(crate) ignored: Ignored,
    /// Nanoseconds of UTC when it was begun.
    begun: i128,
}

impl Baseline {
    /// Reads which files there are, and asks to be notified of changes from then on.
    pub(crate) fn read(
        path: &Path,
        skip: &[PathBuf],
        limits: &Limits,
        is_dropped: &dyn Fn() -> bool,
        watches: &mut Watches,
    ) -> std::io::Result<Self> {
        let root = Root::open(path)?;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let skipped: BTreeSet<Name> = skip
            .iter()
            .filter_map(|skip| Some(skip.strip_prefix(path).ok()?.as_os_str().as_bytes().into()))
            .collect();
        let mut ignored = Ignored::new(&root, skipped);
        let bounds = Bounds { limits, until: None, is_dropped };
        let scan = scan(&root, &mut ignored, b"", bounds, &mut |name, dir| watches.add(name, dir));
        Ok(Self {
            root,
            scan,
            contents: Contents::default(),
            ignored,
            begun: begun.try_into().unwrap_or(i128::MAX),
        })
    }

    /// Keeps the content of files until `go_on` says no.
    pub(crate) fn keep_contents(&mut self, dirs: &[&Path], limits: &Limits, mut go_on: impl FnMut() -> bool) {
        self.contents = Contents::new(dirs);
        for (name, stat) in &self.scan.files {
            if stat.size > limits.file_bytes || !self.contents.has_room(stat.size, limits) {
                continue;
            }
            if !go_on() {
                return;
            }
            // What has changed since is not the content of the baseline.
            if let Some((content, _)) = self.root.read(name, limits.file_bytes).filter(|(_, now)| now == stat)
            {
                self.contents.keep(name, &content, limits);
            }
        }
    }

    /// Whether a file was written so shortly before that a later write may not show in its state.
    pub(crate) fn is_racy(&self, stat: &Stat) -> bool {
        stat.kind == Kind::File && stat.changed >= self.begun - TICK
    }
}
