//! Which lines of logs are shown, and how.

use std::time::Instant;

use regex::bytes::Regex;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::{Log, LogLine, RecordError};
use roboppi_untrusted::line_into;

use crate::scripted::shown;
use crate::unfinished::Unfinished;
use crate::units::Zone;

/// Lines read at a time, and bytes of each at the most: a longer one is read again by itself.
const BATCH: (u64, usize) = (256, 256 * 1024);

/// Bytes of the longest line that is searched and shown whole.
pub(crate) const LONGEST: usize = 64 * 1024 * 1024;

/// Which lines are shown, and how.
#[derive(Clone, Debug, Default)]
pub struct LineFilter {
    /// Nothing older. A line whose time is not known is shown.
    pub since: Option<UtcMillis>,
    /// Only lines of this stream.
    pub stream: Option<OutputStream>,
    /// Only lines that match.
    pub grep: Option<Regex>,
    /// Begin each line with its time, in this zone.
    pub timestamps: Option<Zone>,
    /// Lines go to a terminal, which must not obey them; whether it has colours.
    pub terminal: Option<bool>,
}

impl LineFilter {
    /// Whether every byte of a log is shown as it is.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.since.is_none()
            && self.stream.is_none()
            && self.grep.is_none()
            && self.timestamps.is_none()
            && self.terminal.is_none()
    }

    pub(super) fn keeps(&self, line: &LogLine) -> bool {
        self.since.is_none_or(|since| line.ts.is_none_or(|ts| ts.0 >= since.0))
            && self.stream.is_none_or(|stream| line.stream == stream)
            && self.grep.as_ref().is_none_or(|pattern| pattern.is_match(&line.bytes))
    }

    /// Appends a line, or a part of one, and its end to `text`. On a terminal the messages of a script are put in words.
    pub(super) fn append(&self, line: &LogLine, part: Part, is_script: bool, text: &mut Vec<u8>) {
        if let Some(zone) = self.timestamps.as_ref().filter(|_| part.from == 0) {
            text.extend_from_slice(zone.format(line.ts.unwrap_or(UtcMillis(u64::MAX))).as_bytes());
            text.push(b' ');
        }
        let bytes = line.bytes.get(part.from..).unwrap_or_default();
        let is_whole = is_script && part.from == 0 && !part.open;
        match self.terminal {
            Some(colour) if is_whole => line_into(text, &shown(line.stream, bytes), colour),
            Some(colour) => line_into(text, bytes, colour),
            None => text.extend_from_slice(bytes),
        }
        if !part.open {
            text.push(b'\n');
        }
    }
}

/// Reads the lines of a log that grows.
#[derive(Debug)]
pub(super) struct LineCursor {
    log: Box<dyn Log>,
    /// Number of the next line.
    next: u64,
    /// Length of the log of which every line was read that is not going to be continued.
    done: u64,
    unfinished: Unfinished,
    /// Number of a line of which a part was shown before it ended, and how many bytes that was.
    shown: Option<(u64, usize)>,
}

/// A part of a line that was shown, or will be, in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Bytes of the line that were shown before.
    pub(super) from: usize,
    /// More of it may follow.
    pub(super) open: bool,
}

impl LineCursor {
    pub(super) fn new(mut log: Box<dyn Log>, now: Instant) -> Self {
        log.set_line_cap(BATCH.1);
        Self { log, next: 0, done: 0, unfinished: Unfinished::new(now), shown: None }
    }

    /// When the incomplete last line is to be shown, if nothing else comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.unfinished.due()
    }

    /// That line, when it is time.
    pub(super) fn take_due(&mut self, now: Instant) -> Result<Option<LogLine>, RecordError> {
        if self.unfinished.due().is_none_or(|due| now < due) {
            return Ok(None);
        }
        self.unfinished.shown(now);
        let line = self.log.lines(self.next..self.next + 1)?.pop();
        line.map(|line| self.whole(line)).transpose()
    }

    /// This much of an incomplete line was shown.
    pub(super) const fn has_shown(&mut self, line: &LogLine) {
        self.shown = Some((line.number, line.bytes.len()));
    }

    /// What of a line is new. What was shown of an earlier one is forgotten.
    pub(super) fn part(&mut self, line: &LogLine) -> Part {
        let from = self.shown.take_if(|(number, _)| *number <= line.number);
        let from = from.filter(|(number, _)| *number == line.number).map_or(0, |(_, bytes)| bytes);
        Part { from, open: false }
    }

    /// Goes to the last `count` lines.
    pub(super) fn skip_to_tail(&mut self, count: u64) -> Result<(), RecordError> {
        self.log.refresh()?;
        self.next = self.log.line_count()?.saturating_sub(count);
        Ok(())
    }

    /// A line as it is in the log, up to [`LONGEST`] bytes of it.
    pub(super) fn whole(&mut self, line: LogLine) -> Result<LogLine, RecordError> {
        self.log.whole_line(line, LONGEST)
    }

    /// The log.
    pub(super) fn log(&mut self) -> &mut dyn Log {
        self.log.as_mut()
    }

    /// Looks how long the log is now.
    pub(super) fn refresh(&mut self) -> Result<(), RecordError> {
        self.log.refresh().map(drop)
    }

    /// The next lines; none when there are no more for now. An incomplete line is there only when it is not going
    /// to be continued.
    pub(super) fn read(&mut self, is_over: bool) -> Result<Vec<LogLine>, RecordError> {
        if self.done == self.log.len() && !is_over {
            return Ok(Vec::new());
        }
        let mut lines = self.log.lines(self.next..self.next.saturating_add(BATCH.0))?;
        let mut end = lines.last().map_or(self.log.len(), |last| {
            // A gap has no newline.
            let newline = last.complete && !last.bytes.is_empty();
            last.offset + last.bytes.len() as u64 + last.lost + u64::from(newline)
        });
        let mut held = 0;
        if let Some(last) = lines.last()
            && !last.complete
            && !is_over
            && last.lost == 0
            && (last.truncated || end >= self.log.len())
        {
            end = self.log.len();
            let shown = self.shown.filter(|(number, _)| *number == last.number).map_or(0, |(_, bytes)| bytes);
            held = usize::try_from(end - last.offset).unwrap_or(usize::MAX).saturating_sub(shown);
            lines.pop();
        }
        self.unfinished.holds(Instant::now(), held, !lines.is_empty());
        if end >= self.log.len() {
            self.done = self.log.len();
        }
        if let Some(last) = lines.last() {
            self.next = if last.bytes.is_empty() && last.lost > 0 {
                // The lines that were in a gap are counted, but are not there.
                self.log.line_of(last.offset + last.lost)?.max(last.number + 1)
            } else {
                last.number + 1
            };
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use roboppi_attach::MemoryRun;
    use roboppi_record::RecordStore;
    use roboppi_run::AttemptRef;

    use super::*;

    #[test]
    fn a_line_that_is_longer_than_what_is_read_at_once_waits_for_its_end_too() {
        let (run, _requested) = MemoryRun::new(None);
        let of = AttemptRef::first("build".into());
        let long = "x".repeat(3 * BATCH.1);
        let write = |text: &str| {
            run.record().output(&of, OutputStream::Stdout, text.as_bytes(), UtcMillis(1));
        };
        write(&format!("first\n{long}"));
        let mut cursor = LineCursor::new(run.record().log(&of).unwrap(), Instant::now());
        let read = |cursor: &mut LineCursor| -> Vec<Vec<u8>> {
            cursor.refresh().unwrap();
            let lines = cursor.read(false).unwrap();
            lines.into_iter().map(|line| cursor.whole(line).unwrap().bytes).collect()
        };
        assert_eq!(read(&mut cursor), [b"first"]);
        assert!(read(&mut cursor).is_empty());
        write("yz");
        assert!(read(&mut cursor).is_empty(), "it has grown and has no end yet");
        write("\nlast\n");
        assert_eq!(read(&mut cursor), [format!("{long}yz").into_bytes(), b"last".to_vec()]);
    }
}
