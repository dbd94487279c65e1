//! What a worker did up to a place of its event file, so that a long one need not be folded from its beginning.
//!
//! `<base>.events.snapshot` is `{"format": 1, "offset": …, "events": …, "nextSeq": …, "logBytes": …, "lines": …, "hole": …, "sum": …,
//! "hash": …, "activity": …}`: the activity after the line that ends at byte `offset`, with the position of the next one.
//! `sum` is the CRC-32 of the bytes before `offset`, without the part that was given up, and `hash` is over all of these
//! fields, so a snapshot fits this file and no other, and an event file that was changed anywhere is read whole.
//!
//! What was given up changes what the beginning of a file says. A snapshot from before that is void, unless all it knows is
//! before the part that was given up; the last one of these is kept as `<base>.events.head.snapshot`.

use std::fs::File;
use std::path::{Path, PathBuf};

use roboppi_run::AttemptActivity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::base::Base;
use crate::fingerprint::hex;
use crate::hole::Hole;
use crate::read_at::read_full_at;
use crate::{EventPosition, RecordError, files};

/// Rises whenever an activity means something else than before; snapshots of other formats are not read.
const FORMAT: u32 = 1;

/// Longest snapshot. An activity is hardly ever longer than a tenth of it.
const LONGEST: usize = 32 * 1024 * 1024;

/// An activity, and the position of the first event that is not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) activity: AttemptActivity,
    pub(crate) position: EventPosition,
    /// Lines before it.
    pub(crate) lines: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    format: u32,
    offset: u64,
    events: u64,
    next_seq: u64,
    log_bytes: u64,
    lines: u64,
    /// What had been given up: where it begins and ends, and the events before its end.
    hole: Option<(u64, u64, u64)>,
    sum: u32,
    hash: String,
    #[serde(borrow)]
    activity: &'a RawValue,
}

impl Content<'_> {
    /// What `hash` must be.
    fn expected_hash(&self) -> String {
        let mut hash = Sha256::new();
        let (from, to, line) = self.hole.unwrap_or_default();
        let sum = u64::from(self.sum);
        let position = [self.offset, self.events, self.next_seq, self.log_bytes, self.lines];
        for number in position.into_iter().chain([from, to, line, sum]) {
            hash.update(number.to_le_bytes());
        }
        hash.update(self.activity.get());
        hex(&hash.finalize())
    }

    /// Whether what it knows of the beginning of the file is what `hole` leaves there.
    fn fits(&self, hole: Option<Hole>) -> bool {
        match (self.hole, hole) {
            (None, None) => true,
            (None, Some(hole)) => self.offset <= hole.from,
            (Some(known), Some(hole)) => known == (hole.from, hole.to, hole.line),
            (Some(_), None) => false,
        }
    }
}

/// The files of snapshots of an attempt, the newest first.
pub(crate) fn paths(base: &Base) -> [PathBuf; 2] {
    [base.events_snapshot(), base.events_head_snapshot()]
}

/// The newest snapshot that fits the event file. One that does not, or cannot be read, is as good as none.
pub(crate) fn newest(base: &Base, events: &File, hole: Option<Hole>) -> Option<State> {
    paths(base).iter().find_map(|path| read(path, events, hole))
}

fn read(path: &Path, events: &File, hole: Option<Hole>) -> Option<State> {
    let file = files::open_read(path).ok()??;
    let len = usize::try_from(file.metadata().ok()?.len()).ok().filter(|len| *len <= LONGEST)?;
    let mut text = vec![0; len];
    let read = read_full_at(&file, &mut text, 0).ok()?;
    text.truncate(read);
    let content: Content<'_> = serde_json::from_slice(&text).ok()?;
    if content.format != FORMAT || !content.fits(hole) || content.expected_hash() != content.hash {
        return None;
    }
    let mut sum = Sum::default();
    sum.extend(events, content.offset, hole)?;
    if sum.value() != content.sum {
        return None;
    }
    let activity = serde_json::from_str(content.activity.get()).ok()?;
    let position = EventPosition::new(content.offset, content.events, content.next_seq, content.log_bytes);
    Some(State { activity, position, lines: content.lines })
}

/// Puts a snapshot in place. Returns how long it is; 0 when it would be too long to be read.
pub(crate) fn write(path: &Path, state: &State, hole: Option<Hole>, sum: &Sum) -> Result<u64, RecordError> {
    let encode = |source| RecordError::Encode { path: path.to_owned(), source };
    let activity = serde_json::value::to_raw_value(&state.activity).map_err(encode)?;
    let (next_seq, log_bytes) = state.position.after();
    let mut content = Content {
        format: FORMAT,
        offset: state.position.offset(),
        events: state.position.events_before(),
        next_seq,
        log_bytes,
        lines: state.lines,
        hole: hole.map(|hole| (hole.from, hole.to, hole.line)),
        sum: sum.value(),
        hash: String::new(),
        activity: &activity,
    };
    content.hash = content.expected_hash();
    let mut text = serde_json::to_vec(&content).map_err(encode)?;
    text.push(b'\n');
    if text.len() > LONGEST {
        return Ok(0);
    }
    // A system that crashes may leave it damaged, which is noticed.
    files::place(path, &text)?;
    Ok(text.len() as u64)
}

/// The checksum of the beginning of an event file, without what was given up of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    sum: crc32fast::Hasher,
    /// Bytes that are in it, or were given up.
    to: u64,
}

impl Sum {
    /// Goes on to the offset `to`. `None` when the file is shorter, or cannot be read.
    pub(crate) fn extend(&mut self, file: &File, to: u64, hole: Option<Hole>) -> Option<()> {
        const BLOCK: u64 = 256 * 1024;
        let mut block = vec![0; usize::try_from(BLOCK.min(to.saturating_sub(self.to))).ok()?];
        while self.to < to {
            let mut end = to;
            if let Some(hole) = hole {
                if (hole.from..hole.to).contains(&self.to) {
                    self.to = hole.to;
                    continue;
                }
                if self.to < hole.from {
                    end = end.min(hole.from);
                }
            }
            let bytes = &mut block[..usize::try_from(BLOCK.min(end - self.to)).ok()?];
            if read_full_at(file, bytes, self.to).ok()? != bytes.len() {
                return None;
            }
            self.sum.update(bytes);
            self.to += bytes.len() as u64;
        }
        Some(())
    }

    fn value(&self) -> u32 {
        self.sum.clone().finalize()
    }
}
