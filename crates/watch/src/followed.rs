//! The files that one name led to, and how far each was read.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use roboppi_ingest::{Known, Lines, Tail};
use uuid::Uuid;

use crate::files::{self, Opened, Stamp};

/// Bytes that are read at once.
pub(crate) const PART: usize = 256 * 1024;

/// How long a session file is open after its last change.
const IDLE: Duration = Duration::from_secs(30);

/// A name, and the files it led to.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) tail: Tail,
    /// By the names of the files.
    pub(crate) open: HashMap<String, OpenFile>,
    pub(crate) stamp: Option<Stamp>,
    /// Since when a document is none.
    pub(crate) torn: Option<Instant>,
    /// Seconds since 1970 when it was looked at last.
    pub(crate) looked: i64,
    /// When it changed last.
    pub(crate) changed: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) lines: Lines,
}

impl Followed {
    /// Finds files again, under their name or another one, and those that had the name since.
    pub(crate) fn restored(path: &Path, mut tail: Tail, saved_at: i64, is_document: bool) -> Self {
        let mut followed = Self { looked: saved_at, ..Self::default() };
        if is_document {
            followed.tail = tail;
            return followed;
        }
        let own = files::open(path).ok();
        let is_own =
            |known: &Known, own: &Option<Opened>| own.as_ref().is_some_and(|own| known.is(&own.seen));
        let current = tail.current.take();
        let mut others: Vec<(PathBuf, Opened)> = Vec::new();
        if !current.as_ref().is_some_and(|known| is_own(known, &own)) || !tail.old.is_empty() {
            let opened = |path: PathBuf| files::open(&path).ok().map(|opened| (path, opened));
            others = files::siblings(path).into_iter().filter_map(opened).collect();
        }
        let mut is_renamed = false;
        for known in tail.old.into_iter().chain(current.clone()) {
            let found = others.iter().position(|(_, opened)| known.is(&opened.seen));
            if let Some(found) = found {
                let (_, opened) = others.swap_remove(found);
                is_renamed |= current.as_ref() == Some(&known);
                followed.adopt(&known, opened.file);
                followed.tail.old.push(known);
            }
        }
        if is_renamed {
            followed.adopt_missed(path, saved_at);
        } else {
            // It is where it was, or the next look finds what has become of it.
            if let (Some(known), Some(own)) = (&current, own)
                && known.is(&own.seen)
                && own.seen.len >= known.offset
            {
                followed.adopt(known, own.file);
            }
            followed.tail.current = current;
        }
        followed
    }

    /// Finds files that had the name for a time in which it was not looked at, and have another one now.
    pub(crate) fn adopt_missed(&mut self, path: &Path, since: i64) {
        let opened = |path: PathBuf| files::open(&path).ok();
        let rotated = files::siblings(path).into_iter().filter(|other| files::is_rotated(path, other));
        let mut missed: Vec<_> = rotated.filter_map(opened).filter(|found| found.changed >= since).collect();
        missed.sort_by_key(|opened| opened.changed);
        for opened in missed {
            let is_known = |known: &Known| known.is(&opened.seen);
            if !self.tail.old.iter().chain(&self.tail.current).any(is_known) {
                let known = Known::new(Uuid::now_v7().simple().to_string(), &opened.seen, 0);
                self.adopt(&known, opened.file);
                self.tail.old.push(known);
            }
        }
    }

    /// Closes files that have not changed for a while: there may be more of them than a process may open.
    pub(crate) fn close_idle(&mut self) {
        if self.changed.is_some_and(|changed| changed.elapsed() >= IDLE) {
            self.open.retain(|_, open| open.lines.end() > open.lines.complete());
        }
    }

    fn adopt(&mut self, known: &Known, file: File) {
        self.open.insert(known.name.clone(), OpenFile { file, lines: Lines::at(known.offset) });
    }

    pub(crate) fn note_progress(&mut self, name: &str, pending: Option<u64>) {
        let Some(open) = self.open.get(name) else { return };
        let complete = pending.unwrap_or_else(|| open.lines.complete());
        for known in self.tail.old.iter_mut().chain(&mut self.tail.current) {
            if known.name == name {
                known.offset = complete;
            }
        }
    }

    /// Its files, each with the position before which all lines are recorded.
    pub(crate) fn committed(&self, pending: Option<(u64, &str)>) -> Tail {
        let mut tail = self.tail.clone();
        for known in tail.old.iter_mut().chain(&mut tail.current) {
            if let Some(open) = self.open.get(&known.name) {
                let waiting = pending.filter(|(_, name)| *name == known.name).map(|(at, _)| at);
                known.offset = waiting.unwrap_or_else(|| open.lines.complete());
            }
        }
        tail
    }
}

/// Reads the next part of a file.
pub(crate) fn read_part(open: &OpenFile, part: &mut Vec<u8>) -> io::Result<usize> {
    let at = open.lines.end();
    // The length first: a buffer for what is not there would be filled with zeros at each look.
    let len = open.file.metadata()?.len().saturating_sub(at);
    if len == 0 {
        return Ok(0);
    }
    part.resize(usize::try_from(len).unwrap_or(PART).min(PART), 0);
    let read = files::read_at(&open.file, part, at)?;
    part.truncate(read);
    Ok(read)
}
