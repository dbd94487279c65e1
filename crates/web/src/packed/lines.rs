//! The lines of a log that fit: all of them, or its beginning and its end.

use std::collections::VecDeque;
use std::ops::Range;

use super::embedded;
use crate::api::line::Line;
use crate::logs::AttemptLog;
use crate::problem::Problem;

/// Lines that are read at a time. With lines of the greatest length they fit in one answer of the log.
const BATCH: u64 = 100;

/// Bytes of a batch.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The part of the room that the beginning of a log gets, when it is not whole.
const BEGINNING: u64 = 4;

/// Lines as JSON.
#[derive(Debug, Default)]
pub(super) struct PackedLines {
    /// Members of an array.
    pub(super) lines: VecDeque<String>,
    /// Bytes of them, with commas.
    pub(super) bytes: u64,
    /// Numbers of lines that are left out.
    pub(super) left_out: Option<Range<u64>>,
    /// Lines of which only the beginning is there.
    pub(super) cut: u64,
}

impl PackedLines {
    /// Takes from a log as many lines as fit in `room` bytes.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn read(log: &mut AttemptLog, room: u64) -> Result<Self, Problem> {
        let mut packed = Self::default();
        let mut sizes: Vec<(u64, u64, u64)> = Vec::new();
        let mut whole = true;
        log.each_line(|line| {
            let text = embedded(&line);
            let bytes = text.len() as u64 + 1;
            if packed.bytes + bytes > room {
                whole = false;
                return false;
            }
            packed.bytes += bytes;
            packed.cut += u64::from(line.cut.is_some());
            sizes.push((line.n, bytes, u64::from(line.cut.is_some())));
            packed.lines.push_back(text);
            true
        })?;
        if whole {
            return Ok(packed);
        }
        while packed.bytes > room / BEGINNING
            && let Some((_, bytes, cut)) = sizes.pop()
        {
            packed.bytes -= bytes;
            packed.cut -= cut;
            packed.lines.pop_back();
        }
        let first = sizes.last().map_or(0, |(n, ..)| n + 1);
        let (end, tail) = packed.tail(log, first, room)?;
        packed.lines.extend(tail);
        packed.left_out = Some(first..end);
        Ok(packed)
    }

    /// The last lines of a log, down to a number or as many as there is room for. Returns the number of the first one too.
    fn tail(
        &mut self,
        log: &mut AttemptLog,
        first: u64,
        room: u64,
    ) -> Result<(u64, VecDeque<String>), Problem> {
        let mut tail = VecDeque::new();
        let mut end = log.total()?;
        while end > first {
            let from = end.saturating_sub(BATCH).max(first);
            let lines: Vec<Line> = log.lines(from, end - from, BATCH_BYTES)?;
            for line in lines.into_iter().rev() {
                let text = embedded(&line);
                let bytes = text.len() as u64 + 1;
                if self.bytes + bytes > room {
                    return Ok((end, tail));
                }
                self.bytes += bytes;
                self.cut += u64::from(line.cut.is_some());
                end = line.n;
                tail.push_front(text);
            }
            end = from;
        }
        Ok((end, tail))
    }
}
