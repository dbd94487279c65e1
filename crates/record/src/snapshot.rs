//! A view of a run with its place in the journal, so that a long journal need not be folded from its beginning.
//!
//! `snapshots/<seq>.json` is `{"format": 4, "seq": …, "offset": …, "lines": …, "hash": …, "view": …}`: the view after the
//! record `seq`, which ends at byte `offset` of the journal, with its line number `lines`. `hash` is over these numbers, the
//! view as it stands there, and the last bytes of the journal before `offset`, so it fits this journal and no other.

use std::fs::File;
use std::path::{Path, PathBuf};

use roboppi_run::RunView;
use serde::{Deserialize, Serialize};
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

#[derive(Debug, Serialize, Deserialize)]
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

/// Puts a snapshot in place. Returns how long it is.
fn write(run: &Path, journal: &Path, fold: &JournalFold) -> Result<u64, RecordError> {
    let view = fold.view();
    let seq = view.position.journal_seq;
    let path = dir(run).join(format!("{seq}.json"));
    let encode = |source| RecordError::Encode { path: path.clone(), source };
    let view = serde_json::value::to_raw_value(view).map_err(encode)?;
    let (offset, lines) = fold.place();
    let mut content = Content { format: FORMAT, seq, offset, lines, hash: String::new(), view: &view };
    let file = files::open_read(journal)?;
    let Some(hash) = file.and_then(|file| hash(&content, &file)) else { return Ok(0) };
    content.hash = hash;
    let mut text = serde_json::to_vec(&content).map_err(encode)?;
    text.push(b'\n');
    files::ensure_dir_in_run(&dir(run))?;
    files::replace(&path, &text)?;
    Ok(text.len() as u64)
}

/// What `hash` must be; `None` when the journal does not reach so far.
fn hash(content: &Content<'_>, journal: &File) -> Option<String> {
    let mut tail = vec![0; usize::try_from(content.offset.min(TAIL)).ok()?];
    let from = content.offset - tail.len() as u64;
    let read = read_full_at(journal, &mut tail, from).ok()?;
    if read != tail.len() || tail.last() != Some(&b'\n') {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(content.seq.to_le_bytes());
    hash.update(content.offset.to_le_bytes());
    hash.update(content.lines.to_le_bytes());
    hash.update(content.view.get());
    hash.update(&tail);
    Some(hex(&hash.finalize()))
}
