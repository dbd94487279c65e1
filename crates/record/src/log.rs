//! Reads the log of an attempt, also while it grows.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use roboppi_ipc::{OutputStream, UtcMillis};

use crate::RecordError;
use crate::base::Base;
use crate::hole::{Hole, HoleReader};
use crate::index::IndexReader;
use crate::read_at::{MemoryFile, ReadAt};

mod access;
mod chunks;
mod damage;
mod file;
mod hits;
mod line_map;
mod lines;
mod needle;
mod search;

pub use access::Log;
pub use chunks::Chunks;
pub use damage::LogDamage;
use damage::{Checked, Expected};
use file::LogFile;
use line_map::Mark;
pub use needle::{BadPattern, Needle};
pub use search::{FoundLine, SearchPosition};

/// Reads the bytes of one attempt: by offset, by line, from the end.
///
/// Everything it answers is about the log as it was at the last [`LogReader::refresh`]. Nothing is loaded
/// whole: a line is found through the index, or by a search that is remembered when there is none. What the
/// index says about streams and times is believed only as far as it is undamaged; the bytes never depend
/// on it.
#[derive(Debug)]
pub struct LogReader {
    /// Where it is written, and where it was found.
    plain: PathBuf,
    path: PathBuf,
    log: Option<LogFile>,
    len: u64,
    index: IndexReader,
    hole: HoleReader,
    /// Lines found by search where the index has none, in order.
    marks: Vec<Mark>,
    /// The end of the log, when its lines were counted last.
    end: Option<Mark>,
    /// Behind the lines that were read last, where the next ones are mostly read.
    read_to: Mark,
    line_cap: usize,
    /// Where it is said to end, whatever its file has.
    recorded_end: Option<Arc<AtomicU64>>,
    /// Length of the log in its file, which may be shorter or longer than what is known of it.
    file_len: u64,
    expected: Option<Expected>,
    checked: Checked,
    /// What a search has read last, of use for its memory alone.
    block: Vec<u8>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 0. What was given up to keep within a budget is one line, of which nothing but the
    /// number of bytes is left, and the numbers after it go on as if all lines were there.
    pub number: u64,
    /// Offset of its first byte.
    pub offset: u64,
    /// Stream its first byte came from; `Stdout` when that is not known.
    pub stream: OutputStream,
    /// When its first byte came, to about 10 ms; `None` when that is not known.
    pub ts: Option<UtcMillis>,
    /// Its bytes, without the newline and without lost ones.
    pub bytes: Vec<u8>,
    /// Whether it ends in a newline. Only the last line may not, and one of which the rest was given up.
    pub complete: bool,
    /// Whether `bytes` is only its beginning, because it is longer than the cap.
    pub truncated: bool,
    /// Bytes of it that could not be recorded.
    pub lost: u64,
}

/// Bytes that a log counts as lost where output is missing and nobody knows how much.
pub const UNKNOWN_LOSS: u64 = 1;

/// What is at an offset of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPiece {
    /// Recorded bytes. None at the end of the log.
    Bytes(Vec<u8>),
    /// A gap: these bytes could not be recorded.
    Lost {
        /// How many from the offset on.
        len: u64,
    },
}

/// A stretch of a log that came from one stream at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// What it is.
    pub kind: ChunkKind,
    /// When its first byte came; `None` when that is not known.
    pub ts: Option<UtcMillis>,
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes in it, at least 1.
    pub len: u64,
}

/// What a stretch of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkKind {
    /// Output of the worker.
    Output(OutputStream),
    /// Output whose stream is not known, because the index is missing or damaged.
    Unknown,
    /// A gap: bytes that could not be recorded.
    Lost,
}

impl LogReader {
    /// Bytes of a line that are returned at most, unless changed: 1 MiB.
    pub const LINE_CAP: usize = 1024 * 1024;

    pub(crate) fn open(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        let base = Base::parse(run_dir, base)?;
        let (index, hole) = (IndexReader::new(base.index()), HoleReader::new(base.hole()));
        let mut reader = Self::closed(base.log(), index, hole);
        reader.refresh()?;
        Ok(reader)
    }

    /// A log that is in no file, with its index. `location` is where people are told that it is.
    pub(crate) fn in_memory(
        bytes: MemoryFile,
        index: MemoryFile,
        location: Option<PathBuf>,
    ) -> Result<Self, RecordError> {
        let location = location.unwrap_or_default();
        let mut reader = Self::closed(location, IndexReader::in_memory(index), HoleReader::without());
        reader.log = Some(LogFile::Plain(ReadAt::Memory(bytes)));
        reader.refresh()?;
        Ok(reader)
    }

    /// A reader that has opened nothing yet.
    fn closed(path: PathBuf, index: IndexReader, hole: HoleReader) -> Self {
        Self {
            plain: path.clone(),
            path,
            log: None,
            len: 0,
            index,
            hole,
            marks: Vec::new(),
            end: None,
            read_to: Mark::default(),
            line_cap: Self::LINE_CAP,
            recorded_end: None,
            file_len: 0,
            expected: None,
            checked: Checked::default(),
            block: Vec::new(),
        }
    }

    /// Looks how long the log is now. Returns whether that has changed.
    ///
    /// # Errors
    /// When a file cannot be read. That a file is not there is no error.
    pub fn refresh(&mut self) -> Result<bool, RecordError> {
        if self.log.is_none()
            && let Some((log, path)) = LogFile::open(&self.plain)?
        {
            (self.log, self.path) = (Some(log), path);
        }
        // The length of the log first: the index of these bytes was written before them.
        let file_len = match &self.log {
            Some(log) => log.len().map_err(RecordError::io("read", &self.path))?,
            None => 0,
        };
        self.index.refresh()?;
        if self.log.is_none() {
            return Ok(false);
        }
        self.file_len = file_len;
        let mut len = self.known_len(file_len);
        if let Some(end) = &self.recorded_end {
            len = len.min(end.load(Ordering::Relaxed));
        }
        self.hole.reload()?;
        let changed = len != self.len;
        if len < self.len {
            // Logs only grow. Somebody cut this one, or looks at an earlier time; what was known of it is void.
            self.marks.clear();
            self.end = None;
            self.read_to = Mark::default();
            self.checked = Checked::default();
        }
        self.len = len;
        Ok(changed)
    }

    /// How long the log is that is in a file of `len` bytes. What is behind the end is not of the worker, and a gap at the
    /// end need not be in the file.
    fn known_len(&self, len: u64) -> u64 {
        match (self.index.end(), self.expected) {
            (Some(end), _) if end.lost_from.is_some_and(|from| from <= len) => end.offset,
            (Some(end), _) => len.min(end.offset),
            (None, Some(expected)) => len.min(expected.len),
            (None, None) => len,
        }
    }

    /// Reads no further than `end` says at each refresh, as the log was at another time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn end_at(&mut self, end: Arc<AtomicU64>) -> Result<(), RecordError> {
        self.recorded_end = Some(end);
        self.refresh().map(drop)
    }

    /// Changes how many bytes of a line are returned at most.
    pub fn set_line_cap(&mut self, bytes: usize) {
        self.line_cap = bytes.max(1);
    }

    /// A line that was cut at the cap, as it is in the log, but for what it has beyond `longest` bytes: then it is
    /// still `truncated`. Any other line is given back as it is.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn whole_line(&mut self, line: LogLine, longest: usize) -> Result<LogLine, RecordError> {
        if !line.truncated {
            return Ok(line);
        }
        let cap = std::mem::replace(&mut self.line_cap, longest.max(1));
        let read = self.lines(line.number..line.number + 1);
        self.line_cap = cap;
        Ok(read?.into_iter().next().unwrap_or(line))
    }

    /// Length of the log in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file it was found in: `.log`, or `.log.zst` when it was packed. It need not be there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same for people; `None` when it is in memory and has no place.
    fn location(&self) -> Option<&Path> {
        (!self.path.as_os_str().is_empty()).then_some(&self.path)
    }

    /// Up to `max` bytes from `offset` on, or the gap that is there. Fewer bytes when the log or the next gap
    /// comes first.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&mut self, offset: u64, max: usize) -> Result<LogPiece, RecordError> {
        if offset >= self.len {
            return Ok(LogPiece::Bytes(Vec::new()));
        }
        loop {
            let hole = self.hole.hole();
            let piece = self.read_once(offset, max)?;
            if self.hole.is_still(hole)? {
                return Ok(piece);
            }
        }
    }

    fn read_once(&mut self, offset: u64, max: usize) -> Result<LogPiece, RecordError> {
        let wanted = offset.saturating_add(max as u64).min(self.len);
        let mut end = offset;
        while end < wanted {
            let Some(chunk) = self.chunk_at(end)? else { break };
            if chunk.kind == ChunkKind::Lost {
                if end == offset {
                    return Ok(LogPiece::Lost { len: chunk.offset + chunk.len - offset });
                }
                break;
            }
            end = chunk.offset + chunk.len;
        }
        let mut bytes = Vec::new();
        self.fill(&mut bytes, offset, usize::try_from(end.min(wanted) - offset).unwrap_or(max))?;
        Ok(LogPiece::Bytes(bytes))
    }

    /// Where the part ends that is lost with the byte at `offset` when that cannot be read: only of a packed log there are
    /// such parts. The rest can still be read.
    #[must_use]
    pub fn part_end(&self, offset: u64) -> Option<u64> {
        match &self.log {
            Some(LogFile::Packed(packed)) => Some(packed.frame_end(offset).min(self.len)),
            Some(LogFile::Plain(_)) | None => None,
        }
    }

    /// The last `count` lines, an incomplete one included.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn tail(&mut self, count: u64) -> Result<Vec<LogLine>, RecordError> {
        let lines = self.line_count()?;
        self.lines(lines.saturating_sub(count)..lines)
    }

    /// The line of a number, from 0; `None` behind the last one.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line(&mut self, number: u64) -> Result<Option<LogLine>, RecordError> {
        Ok(self.lines(number..number.saturating_add(1))?.pop())
    }

    /// The lines of a range of numbers, as far as they exist. The caller bounds the memory: at most the cap
    /// of a line for each.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn lines(&mut self, numbers: Range<u64>) -> Result<Vec<LogLine>, RecordError> {
        loop {
            let hole = self.hole.hole();
            let lines = lines::collect(self, numbers.clone())?;
            if self.hole.is_still(hole)? {
                return Ok(lines);
            }
        }
    }

    /// Number of the line behind a line: the next number, except behind what was given up. `None` when the line is the
    /// last one or not there.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_behind(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        let next = number.saturating_add(1);
        if self.hole().is_none() {
            return Ok((next < self.line_count()?).then_some(next));
        }
        Ok(self.locate(next)?.map(|place| place.line))
    }

    /// Number of the line before a line: the number before, except behind what was given up. `None` before the
    /// first line.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_before(&mut self, number: u64) -> Result<Option<u64>, RecordError> {
        let Some(before) = number.checked_sub(1) else { return Ok(None) };
        if let Some(hole) = self.hole().filter(|hole| before < hole.line) {
            return Ok(Some(before.min(self.line_of(hole.from)?)));
        }
        Ok(Some(before))
    }

    /// The first line that came at `time` or later; `None` when all came before, or when no times are known.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn line_at(&mut self, time: UtcMillis) -> Result<Option<u64>, RecordError> {
        let len = self.len;
        let before = self.index.last_where(|entry| entry.offset < len && entry.ts < time)?;
        let next = self.index.entry(before.map_or(0, |(number, _)| number + 1))?;
        let Some(next) = next.filter(|next| next.offset < len) else { return Ok(None) };
        // A line that began before goes on here; it is the next one that came later.
        let line = self.line_of(next.offset)?;
        let begins_here = self.line_start(line)? == Some(next.offset);
        if begins_here { Ok(Some(line)) } else { Ok(self.line_behind(line)?.or(Some(line))) }
    }

    /// Bytes that were given up to keep within a budget.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.hole().map_or(0, |hole| hole.to.min(self.len) - hole.from)
    }

    /// The part that is not there any more.
    fn hole(&self) -> Option<Hole> {
        self.hole.hole().filter(|hole| hole.from < self.len)
    }

    /// Stretches from the one that holds the byte at `offset` on.
    pub fn chunks(&mut self, offset: u64) -> Chunks<'_> {
        Chunks::new(self, offset)
    }

    /// Appends `count` bytes of the log at `offset` to `buffer`.
    fn fill(&mut self, buffer: &mut Vec<u8>, offset: u64, count: usize) -> Result<(), RecordError> {
        if self.log.is_none() {
            return Ok(());
        }
        let have = buffer.len();
        buffer.resize(have + count, 0);
        self.read_exact(&mut buffer[have..], offset)
    }

    /// Makes `block` the `count` bytes of the log at `offset`. A block that is used again is not wiped before.
    fn fill_all(&mut self, block: &mut Vec<u8>, offset: u64, count: usize) -> Result<(), RecordError> {
        if self.log.is_none() {
            block.clear();
            return Ok(());
        }
        block.resize(count, 0);
        self.read_exact(block, offset)
    }

    fn read_exact(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), RecordError> {
        // What is behind the file is a gap, which reads as zeros like any other.
        let there =
            usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let (there, behind) = bytes.split_at_mut(there);
        behind.fill(0);
        self.read_plain(there, offset)?;
        self.compare(offset..offset + there.len() as u64, there, offset)
    }

    fn read_plain(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), RecordError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.read_exact_at(bytes, offset).map_err(RecordError::io("read", &self.path))
    }

    const fn is_packed(&self) -> bool {
        matches!(self.log, Some(LogFile::Packed(_)))
    }
}
