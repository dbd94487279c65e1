//! A view of a run with its place in the journal, so that a long journal need not be folded from its beginning.
//!
//! `snapshots/<seq>.json` is `{"format": 4, "seq": …, "offset": …, "lines": …, "hash": …, "view": …}`: the view after the
//! record `seq`, which ends at byte `offset` of the journal, with its line number `lines`. `hash` is over these numbers, the
//! view as it stands there, and the last bytes of the journal before `offset`, so it fits this journal and no other.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use roboppi_run::RunView;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::fingerprint::hex;
use crate::read_at::read_full_at;
use crate::{RecordError, files};

mod fold;
mod writer;

pub use fold::JournalFold;
pub use writer::SnapshotWriter;

/// Rises whenever a view means something else than before; snapshots of other formats are not read.
const FORMAT: u32 = 4;

/// Bytes of the journal that a snapshot vouches for.
const TAIL: u64 = 4 * 1024;

#[derive(Debug, Deserialize)]
struct Content<'a> {
    format: u32,
    seq: u64,
    offset: u64,
    lines: u64,
    hash: String,
    #[serde(borrow)]
    view: &'a RawValue,
}

/// A view that was read from a snapshot.
#[derive(Debug)]
struct Snapshot {
    view: RunView,
    /// Bytes of the journal that are folded into it.
    offset: u64,
    /// Lines of the journal that are folded into it.
    lines: u64,
}

fn dir(run: &Path) -> PathBuf {
    run.join("snapshots")
}

/// The snapshots that are there, newest first.
fn list(run: &Path) -> Result<Vec<(u64, PathBuf)>, RecordError> {
    let number = |name: &str| name.strip_suffix(".json")?.parse::<u64>().ok();
    let entries = files::list(&dir(run))?.into_iter();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((entry.file_name().to_str().and_then(number)?, entry.path())))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The newest snapshot that fits the journal. One that does not, or cannot be read, is as good as none.
fn newest(run: &Path, journal: &Path) -> Option<Snapshot> {
    let snapshots = list(run).ok()?;
    let journal = snapshots.first().and_then(|_| files::open_read(journal).ok())??;
    snapshots.into_iter().find_map(|(seq, path)| {
        let text = files::read(&path).ok()?;
        let content: Content<'_> = serde_json::from_slice(&text).ok()?;
        if content.format != FORMAT || content.seq != seq {
            return None;
        }
        if hash(&content, &journal)? != content.hash {
            return None;
        }
        let view: RunView = serde_json::from_str(content.view.get()).ok()?;
        (view.position.journal_seq == seq).then_some(Snapshot {
            view,
            offset: content.offset,
            lines: content.lines,
        })
    })
}

/// A place between two lines of a journal.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Bytes before it.
    offset: u64,
    /// Lines before it.
    lines: u64,
}

/// Puts a snapshot in place. Returns how long it is. What is written is never in memory as a whole: the view of a long run
/// is large.
fn write(run: &Path, journal: &Path, view: &RunView, place: Place) -> Result<u64, RecordError> {
    let seq = view.position.journal_seq;
    let path = dir(run).join(format!("{seq}.json"));
    let Place { offset, lines } = place;
    let Some(tail) = files::open_read(journal)?.and_then(|journal| tail(&journal, offset)) else {
        return Ok(0);
    };
    let mut hash = Hash::new(seq, offset, lines);
    serde_json::to_writer(BufWriter::with_capacity(BLOCK, &mut hash), view)
        .map_err(|source| RecordError::Encode { path: path.clone(), source })?;
    let hash = hash.finish(&tail);
    files::ensure_dir_in_run(&dir(run))?;
    files::replace_with(&path, |file| {
        let mut file = BufWriter::with_capacity(BLOCK, file);
        write!(
            file,
            r#"{{"format":{FORMAT},"seq":{seq},"offset":{offset},"lines":{lines},"hash":"{hash}","view":"#
        )?;
        serde_json::to_writer(&mut file, view)?;
        file.write_all(b"}\n")?;
        file.flush()
    })
}

/// What is hashed or written at once.
const BLOCK: usize = 64 * 1024;

/// The `hash` of a snapshot while it is made.
struct Hash(Sha256);

impl Hash {
    fn new(seq: u64, offset: u64, lines: u64) -> Self {
        let mut hash = Sha256::new();
        for number in [seq, offset, lines] {
            hash.update(number.to_le_bytes());
        }
        Self(hash)
    }

    /// Behind the view comes the tail of the journal.
    fn finish(mut self, tail: &[u8]) -> String {
        self.0.update(tail);
        hex(&self.0.finalize())
    }
}

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `hash` must be; `None` when the journal does not reach so far.
fn hash(content: &Content<'_>, journal: &File) -> Option<String> {
    let tail = tail(journal, content.offset)?;
    let mut hash = Hash::new(content.seq, content.offset, content.lines);
    hash.0.update(content.view.get());
    Some(hash.finish(&tail))
}

/// The last bytes of the journal before `offset`, which is behind a line; `None` when it is not.
fn tail(journal: &File, offset: u64) -> Option<Vec<u8>> {
    let mut tail = vec![0; usize::try_from(offset.min(TAIL)).ok()?];
    let from = offset - tail.len() as u64;
    let read = read_full_at(journal, &mut tail, from).ok()?;
    (read == tail.len() && tail.last() == Some(&b'\n')).then_some(tail)
}
