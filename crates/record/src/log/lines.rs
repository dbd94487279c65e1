//! Cuts a log into lines.

use std::ops::Range;

use memchr::memchr;
use roboppi_ipc::OutputStream;

use super::line_map::Mark;
use super::{ChunkKind, LogChunk, LogLine, LogReader};
use crate::RecordError;

const BLOCK: usize = 64 * 1024;

/// The lines of a range of numbers.
pub(super) fn collect(log: &mut LogReader, numbers: Range<u64>) -> Result<Vec<LogLine>, RecordError> {
    let mut lines = Vec::new();
    if numbers.is_empty() {
        return Ok(lines);
    }
    let Some(place) = log.locate(numbers.start)? else { return Ok(lines) };
    let mut cutter = Cutter { log, window: Vec::new(), start: place.offset, taken: 0, chunk: None };
    let mut number = place.line;
    while number < numbers.end {
        let Some(line) = cutter.next_line(number)? else { break };
        number = cutter.number_after(&line);
        lines.push(line);
    }
    let offset = cutter.start + cutter.taken as u64;
    if lines.last().is_some_and(|last| last.complete) {
        log.read_to = Mark { offset, line: number };
    }
    Ok(lines)
}

impl LogLine {
    fn empty(number: u64, offset: u64) -> Self {
        Self {
            number,
            offset,
            stream: OutputStream::Stdout,
            ts: None,
            bytes: Vec::new(),
            complete: true,
            truncated: false,
            lost: 0,
        }
    }
}

/// Goes through a log line by line.
struct Cutter<'a> {
    log: &'a mut LogReader,
    /// Bytes of the log from `start` on.
    window: Vec<u8>,
    start: u64,
    /// Bytes of the window that are done with.
    taken: usize,
    /// Stretch that was looked at last.
    chunk: Option<LogChunk>,
}

impl Cutter<'_> {
    fn next_line(&mut self, number: u64) -> Result<Option<LogLine>, RecordError> {
        let offset = self.start + self.taken as u64;
        if offset >= self.log.len {
            return Ok(None);
        }
        let hole = self.log.hole().filter(|hole| offset < hole.to);
        if let Some(hole) = hole.filter(|hole| offset >= hole.from) {
            self.go_to(hole.to.min(self.log.len));
            return Ok(Some(LogLine { lost: hole.to - offset, ..LogLine::empty(number, offset) }));
        }
        // A line that runs into the hole ends there.
        let end_of_bytes = hole.map_or(self.log.len, |hole| hole.from);
        let cap = self.log.line_cap;
        let mut searched = 0;
        let (bytes, next, complete, truncated) = loop {
            let have = &self.window[self.taken..];
            let limit = have.len().min(cap + 1);
            if let Some(found) = memchr(b'\n', &have[searched..limit]) {
                let end = searched + found;
                break (have[..end].to_vec(), offset + end as u64 + 1, true, false);
            }
            if have.len() > cap {
                let bytes = have[..cap].to_vec();
                let (next, complete) = self.log.line_end(number, offset + cap as u64)?;
                break (bytes, next, complete, true);
            }
            searched = limit;
            if offset + have.len() as u64 >= end_of_bytes {
                break (have.to_vec(), end_of_bytes, false, false);
            }
            self.read_more(end_of_bytes)?;
        };
        self.go_to(next);
        let first = self.chunk_at(offset)?;
        let ts = first.and_then(|chunk| chunk.ts);
        let mut line = LogLine { ts, bytes, complete, truncated, ..LogLine::empty(number, offset) };
        if let Some(ChunkKind::Output(stream)) = first.map(|chunk| chunk.kind) {
            line.stream = stream;
        }
        self.take_out_lost(&mut line)?;
        Ok(Some(line))
    }

    /// Number of the line that begins where the last one ended.
    fn number_after(&self, line: &LogLine) -> u64 {
        let at = self.start + self.taken as u64;
        match self.log.hole() {
            // A line that the hole has cut goes on within it, as the gap.
            Some(hole) if at == hole.from && !line.complete => line.number,
            Some(hole) if at == hole.to => hole.line.max(line.number),
            _ => line.number + 1,
        }
    }

    fn read_more(&mut self, end: u64) -> Result<(), RecordError> {
        self.window.drain(..self.taken);
        self.start += self.taken as u64;
        self.taken = 0;
        let at = self.start + self.window.len() as u64;
        let count = usize::try_from(end - at).unwrap_or(usize::MAX).min(BLOCK);
        self.log.fill(&mut self.window, at, count)
    }

    fn go_to(&mut self, offset: u64) {
        match usize::try_from(offset - self.start) {
            Ok(taken) if taken <= self.window.len() => self.taken = taken,
            _ => {
                self.window.clear();
                (self.start, self.taken) = (offset, 0);
            }
        }
    }

    fn chunk_at(&mut self, offset: u64) -> Result<Option<LogChunk>, RecordError> {
        let holds = |chunk: &LogChunk| (chunk.offset..chunk.offset + chunk.len).contains(&offset);
        if !self.chunk.as_ref().is_some_and(holds) {
            self.chunk = self.log.chunk_at(offset)?;
        }
        Ok(self.chunk)
    }

    /// Lost bytes read as zeros; they are counted instead.
    fn take_out_lost(&mut self, line: &mut LogLine) -> Result<(), RecordError> {
        let end = line.offset + line.bytes.len() as u64;
        let mut at = line.offset;
        while at < end {
            let Some(chunk) = self.chunk_at(at)? else { break };
            let stop = (chunk.offset + chunk.len).min(end);
            if chunk.kind == ChunkKind::Lost {
                let from = (at - line.offset - line.lost) as usize;
                line.bytes.drain(from..from + (stop - at) as usize);
                line.lost += stop - at;
            }
            at = stop;
        }
        Ok(())
    }
}
