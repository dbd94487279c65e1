//! Reads the logs of attempts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use roboppi_attach::RunSource;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{ChunkKind, Log, LogDamage, LogPiece, RecordError, RecordPart, UNKNOWN_LOSS};
use roboppi_run::{AttemptRef, missing_words};

use super::cut::{CutLine, LineCutter};
use crate::unfinished::Unfinished;

/// Longest piece of a line that is held in memory.
const LONGEST_LINE: usize = 1024 * 1024;

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// What the printer asks of logs.
pub(super) trait Logs {
    /// The end of a log: at most `lines` lines and `bytes` bytes.
    fn tail(&mut self, of: &AttemptRef, lines: usize, bytes: u64) -> Result<LogTail, RecordError>;

    /// Where the log is, for people.
    fn path(&self, of: &AttemptRef) -> PathBuf;
}

/// The end of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogTail {
    /// Its last lines, oldest first, and which stream each was written to.
    pub(super) lines: Vec<(OutputStream, Vec<u8>)>,
    /// Lines of the whole log.
    pub(super) total: u64,
    /// The first of `lines` is only the end of a line.
    pub(super) cut: bool,
    /// When the last byte came; `None` when that is not known, or there is none.
    pub(super) last_at: Option<UtcMillis>,
}

/// The logs of a run.
pub(super) struct SourceLogs(pub(super) Arc<dyn RunSource>);

impl Logs for SourceLogs {
    fn tail(&mut self, of: &AttemptRef, lines: usize, bytes: u64) -> Result<LogTail, RecordError> {
        tail(self.0.record().log(of)?.as_mut(), lines, bytes)
    }

    fn path(&self, of: &AttemptRef) -> PathBuf {
        let location = self.0.record().location(RecordPart::Log(of));
        location.unwrap_or_else(|| PathBuf::from(of.base() + ".log"))
    }
}

fn tail(log: &mut dyn Log, lines: usize, bytes: u64) -> Result<LogTail, RecordError> {
    let total = log.line_count()?;
    let len = log.len();
    let start = len.saturating_sub(bytes);
    // One byte more tells whether a line begins at `start`.
    let from = start.saturating_sub(1);
    let mut kept: Vec<(OutputStream, Vec<u8>)> = Vec::new();
    let mut cutter = LineCutter::new(usize::MAX);
    let mut at = from;
    while at < len {
        at = read_piece(log, &mut cutter, at, |line| kept.push((line.stream, line.bytes.to_vec())))?;
    }
    cutter.finish(|line| kept.push((line.stream, line.bytes.to_vec())));
    let mut cut = false;
    if start > 0 {
        if kept.len() > 1 {
            kept.remove(0);
        } else {
            cut = true;
        }
    }
    if kept.len() > lines {
        kept.drain(..kept.len() - lines);
        cut = false;
    }
    let last_at = match len.checked_sub(1) {
        Some(last) => log.chunk_at(last)?.and_then(|chunk| chunk.ts),
        None => None,
    };
    Ok(LogTail { lines: kept, total, cut, last_at })
}

/// Cuts what is at `at`; returns the offset behind it.
fn read_piece(
    log: &mut dyn Log,
    cutter: &mut LineCutter,
    at: u64,
    line: impl FnMut(CutLine<'_>),
) -> Result<u64, RecordError> {
    let Some(chunk) = log.chunk_at(at)? else { return Ok(log.len()) };
    let stream = match chunk.kind {
        ChunkKind::Output(stream) => stream,
        ChunkKind::Unknown | ChunkKind::Lost => OutputStream::Stdout,
    };
    let rest = usize::try_from(chunk.offset + chunk.len - at).unwrap_or(BLOCK);
    match log.read(at, rest.min(BLOCK))? {
        LogPiece::Bytes(bytes) if bytes.is_empty() => Ok(log.len()),
        LogPiece::Bytes(bytes) => {
            cutter.push(stream, &bytes, line);
            Ok(at + bytes.len() as u64)
        }
        LogPiece::Lost { len } => {
            let note = match len {
                UNKNOWN_LOSS => format!("[{}]", missing_words(len, true)),
                len => format!("[{len} bytes of output are not in the record]"),
            };
            cutter.push(stream, note.as_bytes(), line);
            Ok(at + len)
        }
    }
}

/// The lines of a log while it grows, each exactly once.
///
/// They come from the record, which has every byte; live events only tell that there is more. A line
/// longer than 1 MiB comes in pieces, each as a line of its own.
pub(super) struct LogStream {
    log: Box<dyn Log>,
    cutter: LineCutter,
    at: u64,
    unfinished: Unfinished,
}

impl LogStream {
    pub(super) fn new(log: Box<dyn Log>) -> Self {
        let unfinished = Unfinished::new(Instant::now());
        Self { log, cutter: LineCutter::new(LONGEST_LINE), at: 0, unfinished }
    }

    /// One that begins `lines` lines before the end.
    pub(super) fn near_the_end(mut log: Box<dyn Log>, lines: u64) -> Result<Self, RecordError> {
        let first = log.line_count()?.saturating_sub(lines);
        let at = log.line_start(first)?.unwrap_or(0);
        Ok(Self { at, ..Self::new(log) })
    }

    /// Looks how long the log is now.
    pub(super) fn refresh(&mut self) -> Result<(), RecordError> {
        self.log.refresh().map(|_| ())
    }

    /// Hands on the next lines, of a bounded number of bytes at a time. Returns false when there is nothing more until the
    /// next refresh.
    pub(super) fn read(&mut self, mut line: impl FnMut(CutLine<'_>)) -> Result<bool, RecordError> {
        if self.at >= self.log.len() {
            return Ok(false);
        }
        let mut any = false;
        let end = self.at.saturating_add(BLOCK as u64).min(self.log.len());
        while self.at < end {
            self.at = read_piece(self.log.as_mut(), &mut self.cutter, self.at, |cut| {
                any = true;
                line(cut);
            })?;
        }
        self.unfinished.holds(Instant::now(), self.cutter.held(), any);
        Ok(true)
    }

    /// When the incomplete line at the end is to be shown although it may go on.
    pub(super) fn due(&self) -> Option<Instant> {
        self.unfinished.due()
    }

    /// Hands that line on, when it is time. Its rest will be a line of its own.
    pub(super) fn take_due(&mut self, now: Instant, line: impl FnMut(CutLine<'_>)) {
        if self.unfinished.due().is_some_and(|due| due <= now) {
            self.unfinished.shown(now);
            self.cutter.hand_on(line);
        }
    }

    /// Bytes of what was read that are not those that were written.
    pub(super) fn changed(&mut self) -> Result<Vec<LogDamage>, RecordError> {
        let mut damage = self.log.damage()?;
        damage.retain(|one| matches!(one, LogDamage::Changed(_)));
        Ok(damage)
    }

    /// Hands on the last, incomplete line, when nothing more comes.
    pub(super) fn finish(&mut self, line: impl FnMut(CutLine<'_>)) {
        self.cutter.finish(line);
    }
}
