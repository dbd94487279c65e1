//! The rows of a log that fit on a screen, found from any place, forwards and backwards.

use std::collections::HashMap;
use std::ops::Range;

use roboppi_ipc::OutputStream;
use roboppi_record::{Log, LogLine, LogPiece, Needle, RecordError};
use roboppi_run::progress_words;
use roboppi_worker_adapters::parse_progress;

use super::matches::Matches;
use crate::log_pane::{Anchor, Layout, LogRequest, LogRow, LogWindow, RowPos};
use crate::sanitise::{self, FarLine, Row, StyledLine};

/// Bytes up to which a line is laid out as a whole. Of longer ones only what is on screen is.
pub(super) const SHORT: usize = 64 * 1024;

/// Bytes of a line that can be seen at all.
const LONGEST: usize = 16 * 1024 * 1024;

/// Bytes of the end of an over-long line that are looked at.
const ENDING: usize = 4 * 1024;

/// Over-long lines whose measure is remembered.
const MEASURES: usize = 1024;

/// Ordinals of matches that are looked up at a time.
const BATCH: u64 = 64;

/// A row, and which of its columns match what is looked for.
type Marked = (Row, Vec<Range<usize>>);

/// Reads a log as rows.
pub(super) struct LogLayout<'a> {
    log: &'a mut dyn Log,
    measured: &'a mut HashMap<(u64, usize), usize>,
    /// The lines that are shown, when not all are.
    matches: Option<&'a Matches>,
    needle: Option<Needle>,
    request: &'a LogRequest,
    /// Lines that were read; the one that the hole of a log cuts comes with the gap behind it.
    lines: HashMap<u64, Vec<LogLine>>,
    /// Ordinals of lines among the matches.
    ordinals: HashMap<u64, u64>,
    /// The over-long line that was looked at last.
    whole: Option<(u64, Vec<u8>)>,
}

impl<'a> LogLayout<'a> {
    pub(super) fn new(
        log: &'a mut dyn Log,
        measured: &'a mut HashMap<(u64, usize), usize>,
        matches: Option<&'a Matches>,
        needle: Option<Needle>,
        request: &'a LogRequest,
    ) -> Self {
        let (lines, ordinals) = (HashMap::new(), HashMap::new());
        Self { log, measured, matches, needle, request, lines, ordinals, whole: None }
    }

    /// The rows that were asked for.
    pub(super) fn window(&mut self) -> Result<LogWindow, RecordError> {
        let request = self.request;
        let mut window =
            LogWindow { of: Some(request.of.clone()), epoch: request.epoch, ..LogWindow::default() };
        window.total = self.log.line_count()?;
        if let Anchor::At { delta, .. } = request.anchor {
            window.delta = delta;
        }
        let Some(end) = self.end()? else {
            window.at_end = true;
            return Ok(window);
        };
        window.top = match request.anchor {
            Anchor::End => end,
            Anchor::At { place, delta } => self.walk(place, delta)?.min(end),
        };
        window.at_end = window.top == end;
        window.rows = self.rows(window.top)?;
        Ok(window)
    }

    /// The first line shown that is not before `line`, or the last one.
    pub(super) fn at_or_behind(&mut self, line: u64) -> Result<Option<u64>, RecordError> {
        let Some(matches) = self.matches else {
            let count = self.log.line_count()?;
            let Some(last) = count.checked_sub(1) else { return Ok(None) };
            // A number within what was given up is that of the line behind it.
            let start = self.log.line_start(line.min(last))?;
            return Ok(Some(match start {
                Some(start) => self.log.line_of(start)?,
                None => last,
            }));
        };
        let Some(last) = matches.count().checked_sub(1) else { return Ok(None) };
        let ordinal = matches.before(self.log, line)?.min(last);
        self.ordinal(ordinal, true)
    }

    /// The line shown behind a line.
    pub(super) fn behind(&mut self, line: u64) -> Result<Option<u64>, RecordError> {
        match self.ordinals.get(&line) {
            Some(ordinal) if self.matches.is_some() => self.ordinal(ordinal + 1, true),
            _ if self.matches.is_some() => Ok(None),
            _ => self.log.line_behind(line),
        }
    }

    /// The line shown before a line.
    fn before(&mut self, line: u64) -> Result<Option<u64>, RecordError> {
        match self.ordinals.get(&line) {
            Some(0) => Ok(None),
            Some(ordinal) if self.matches.is_some() => self.ordinal(ordinal - 1, false),
            _ if self.matches.is_some() => Ok(None),
            _ => self.log.line_before(line),
        }
    }

    /// The match of an ordinal.
    fn ordinal(&mut self, ordinal: u64, forwards: bool) -> Result<Option<u64>, RecordError> {
        let Some(matches) = self.matches else { return Ok(None) };
        if let Some((line, _)) = self.ordinals.iter().find(|(_, known)| **known == ordinal) {
            return Ok(Some(*line));
        }
        let range = if forwards {
            ordinal..ordinal.saturating_add(BATCH)
        } else {
            ordinal.saturating_sub(BATCH - 1)..ordinal + 1
        };
        let lines = matches.lines(self.log, range.clone())?;
        self.ordinals.extend(lines.iter().copied().zip(range.start..));
        Ok(usize::try_from(ordinal - range.start).ok().and_then(|at| lines.get(at)).copied())
    }

    /// The first row of the last screen; `None` when no line is shown.
    fn end(&mut self) -> Result<Option<RowPos>, RecordError> {
        let Some(mut line) = self.at_or_behind(u64::MAX)? else { return Ok(None) };
        let mut missing = usize::from(self.request.rows).max(1);
        loop {
            let count = self.count(line, false)?;
            if count >= missing {
                return Ok(Some(RowPos { line, part: count - missing }));
            }
            missing -= count;
            match self.before(line)? {
                Some(before) => line = before,
                None => return Ok(Some(RowPos { line, part: 0 })),
            }
        }
    }

    /// The place so many rows behind another, as far as there are rows.
    fn walk(&mut self, from: RowPos, delta: isize) -> Result<RowPos, RecordError> {
        let Some(mut line) = self.at_or_behind(from.line)? else { return Ok(RowPos::default()) };
        let mut part = if line == from.line { from.part } else { 0 };
        if part > 0 {
            part = part.min(self.count(line, true)? - 1);
        }
        let mut left = delta.unsigned_abs();
        while left > 0 {
            if delta > 0 {
                let count = self.count(line, true)?;
                if left < count - part {
                    return Ok(RowPos { line, part: part + left });
                }
                left -= count - part;
                match self.behind(line)? {
                    Some(behind) => (line, part) = (behind, 0),
                    None => return Ok(RowPos { line, part: count - 1 }),
                }
            } else {
                if left <= part {
                    return Ok(RowPos { line, part: part - left });
                }
                left -= part + 1;
                match self.before(line)? {
                    Some(before) => {
                        line = before;
                        part = self.count(line, false)? - 1;
                    }
                    None => return Ok(RowPos { line, part: 0 }),
                }
            }
        }
        Ok(RowPos { line, part })
    }

    /// Rows of a line, at least one.
    fn count(&mut self, line: u64, forwards: bool) -> Result<usize, RecordError> {
        if self.request.layout != Layout::Wrapped {
            return Ok(1);
        }
        self.read(line, forwards)?;
        let Some(entries) = self.lines.remove(&line) else { return Ok(1) };
        let mut count = 0;
        for entry in &entries {
            count += self.parts(entry)?;
        }
        self.lines.insert(line, entries);
        Ok(count.max(1))
    }

    /// The rows from a place on that fit.
    fn rows(&mut self, from: RowPos) -> Result<Vec<LogRow>, RecordError> {
        let most = usize::from(self.request.rows);
        let mut rows = Vec::with_capacity(most);
        let (mut line, mut skip) = (Some(from.line), from.part);
        while let Some(number) = line.filter(|_| rows.len() < most) {
            self.read(number, true)?;
            let entries = self.lines.remove(&number).unwrap_or_default();
            let mut part = 0;
            for entry in &entries {
                let count = self.parts(entry)?;
                let wanted = skip.min(count)..count.min(skip + most - rows.len());
                for row in self.lay_out(entry, wanted.clone())?.into_iter().zip(wanted) {
                    let (row, at) = (row.0, part + row.1);
                    let lost = if at + 1 == part + count { entry.lost } else { 0 };
                    rows.push(self.row(entry, RowPos { line: number, part: at }, row, lost));
                }
                skip -= skip.min(count);
                part += count;
            }
            self.lines.insert(number, entries);
            skip = 0;
            line = self.behind(number)?;
        }
        rows.truncate(most);
        Ok(rows)
    }

    fn row(&self, line: &LogLine, place: RowPos, row: Marked, lost: u64) -> LogRow {
        let (row, hits) = row;
        LogRow {
            place,
            stream: line.stream,
            ts: line.ts,
            column: row.column,
            runs: row.runs,
            cut: row.cut,
            hits,
            lost,
        }
    }

    /// Makes sure that a line was read.
    fn read(&mut self, line: u64, forwards: bool) -> Result<(), RecordError> {
        if self.lines.contains_key(&line) {
            return Ok(());
        }
        let many = if self.matches.is_some() { 1 } else { u64::from(self.request.rows).max(1) };
        let range = if forwards {
            line..line.saturating_add(many)
        } else {
            line.saturating_sub(many - 1)..line.saturating_add(1)
        };
        let mut fresh: HashMap<u64, Vec<LogLine>> = HashMap::new();
        for read in self.log.lines(range)? {
            fresh.entry(read.number).or_default().push(read);
        }
        self.lines.extend(fresh);
        Ok(())
    }

    /// How many rows a line takes.
    fn parts(&mut self, line: &LogLine) -> Result<usize, RecordError> {
        if self.request.layout != Layout::Wrapped {
            return Ok(1);
        }
        let columns = usize::from(self.request.columns).max(1);
        match self.styled(line, usize::MAX)? {
            Some(styled) => Ok(sanitise::wrapped(&styled, columns).len()),
            None => Ok(self.measure(line)?.div_ceil(columns).max(1)),
        }
    }

    /// Rows of a line and what matches in each.
    fn lay_out(&mut self, line: &LogLine, parts: Range<usize>) -> Result<Vec<Marked>, RecordError> {
        let columns = usize::from(self.request.columns);
        let left = match self.request.layout {
            Layout::Wrapped => None,
            Layout::From(left) => Some(left),
        };
        let edge = left.map_or(usize::MAX, |left| left.saturating_add(columns));
        let Some(styled) = self.styled(line, edge)? else {
            return self.far(line, parts, columns, left);
        };
        let hits = self.hits(&styled.plain());
        let rows = match left {
            Some(left) => vec![sanitise::scrolled(&styled, left, columns)],
            None => sanitise::wrapped(&styled, columns),
        };
        let wanted = rows.into_iter().skip(parts.start).take(parts.len());
        Ok(wanted
            .map(|row| {
                let wide = row.runs.iter().map(|(text, _)| crate::text::width(text)).sum::<usize>();
                let (from, to) = (row.column, row.column + wide);
                let seen = hits.iter().filter(|hit| hit.start < to && hit.end > from);
                let seen = seen.map(|hit| hit.start.max(from) - from..hit.end.min(to) - from).collect();
                (row, seen)
            })
            .collect())
    }

    /// Columns of a text that match what is looked for.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let Some(needle) = &self.needle else { return Vec::new() };
        let (mut ranges, mut from) = (Vec::new(), 0);
        while let Some(range) = needle.find_in(text, from) {
            from = range.end;
            ranges.push(range);
        }
        sanitise::columns_of(text, &ranges)
    }

    /// The first `edge` columns of a line; `None` when it is over-long and they are not among those that were read.
    fn styled(&mut self, line: &LogLine, edge: usize) -> Result<Option<StyledLine>, RecordError> {
        let colour = self.request.colour;
        if !line.truncated {
            let words = self.request.scripted.then(|| progress(line)).flatten();
            let bytes = words.as_ref().map_or(&*line.bytes, String::as_bytes);
            return Ok(Some(sanitise::styled_line(bytes, edge, colour)));
        }
        // A progress bar goes back to the start of its line again and again; its state is in the end.
        if memchr::memchr(b'\r', &line.bytes).is_some() {
            let ending = ending(self.log, line)?;
            let ending = ending.trim_ascii_end();
            if let Some(at) = memchr::memrchr(b'\r', ending) {
                return Ok(Some(sanitise::styled_line(&ending[at + 1..], edge, colour)));
            }
        }
        // A column takes few bytes.
        if edge > line.bytes.len() / 16 {
            return Ok(None);
        }
        let styled = sanitise::styled_line(&line.bytes, edge, colour);
        Ok(Some(StyledLine { cut: true, ..styled }))
    }

    /// Rows of an over-long line.
    fn far(
        &mut self,
        line: &LogLine,
        parts: Range<usize>,
        columns: usize,
        left: Option<usize>,
    ) -> Result<Vec<Marked>, RecordError> {
        self.load(line)?;
        let Some((_, bytes)) = &self.whole else { return Ok(Vec::new()) };
        let mut rows = Vec::with_capacity(parts.len());
        let mut far = FarLine::new(bytes);
        for part in parts {
            let from = left.unwrap_or(part * columns.max(1));
            let mut row = far.row(from, columns, self.request.colour);
            row.cut &= left.is_some();
            let text: String = row.runs.iter().map(|(text, _)| text.as_str()).collect();
            rows.push((row, self.hits(&text)));
        }
        Ok(rows)
    }

    fn measure(&mut self, line: &LogLine) -> Result<usize, RecordError> {
        self.load(line)?;
        let Some((_, bytes)) = &self.whole else { return Ok(0) };
        let key = (line.offset, bytes.len());
        if let Some(columns) = self.measured.get(&key) {
            return Ok(*columns);
        }
        let columns = sanitise::measure(bytes);
        if self.measured.len() >= MEASURES {
            self.measured.clear();
        }
        self.measured.insert(key, columns);
        Ok(columns)
    }

    fn load(&mut self, line: &LogLine) -> Result<(), RecordError> {
        if self.whole.as_ref().is_none_or(|(offset, _)| *offset != line.offset) {
            self.whole = Some((line.offset, whole(self.log, line)?));
        }
        Ok(())
    }

    /// The text of a line between two columns.
    pub(super) fn text(&mut self, line: u64, from: usize, to: usize) -> Result<String, RecordError> {
        self.read(line, true)?;
        let entries = self.lines.remove(&line).unwrap_or_default();
        let mut text = String::new();
        for entry in &entries {
            let columns = to.saturating_sub(from);
            let row = match self.styled(entry, usize::MAX)? {
                Some(styled) => sanitise::scrolled(&styled, from, columns),
                None => {
                    self.load(entry)?;
                    let bytes = self.whole.as_ref().map_or(&[][..], |(_, bytes)| bytes);
                    FarLine::new(bytes).row(from, columns.min(LONGEST), false)
                }
            };
            text.extend(row.runs.iter().map(|(text, _)| text.as_str()));
        }
        text.truncate(text.trim_end().len());
        Ok(text)
    }
}

/// A report of progress in words, when the line is one.
fn progress(line: &LogLine) -> Option<String> {
    let is_one = line.stream == OutputStream::Stdout && line.bytes.starts_with(b"::");
    is_one.then(|| parse_progress(&line.bytes)).flatten().map(|progress| progress_words(&progress))
}

/// All of a line, as far as it can be seen, without its newline.
pub(super) fn whole(log: &mut dyn Log, line: &LogLine) -> Result<Vec<u8>, RecordError> {
    let end = log.line_start(line.number + 1)?.unwrap_or(log.len());
    let len = usize::try_from(end - line.offset).unwrap_or(usize::MAX).min(LONGEST);
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match log.read(line.offset + bytes.len() as u64, len - bytes.len())? {
            LogPiece::Bytes(more) if !more.is_empty() => bytes.extend_from_slice(&more),
            LogPiece::Bytes(_) | LogPiece::Lost { .. } => break,
        }
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

/// The end of a line of which only the beginning was read.
fn ending(log: &mut dyn Log, line: &LogLine) -> Result<Vec<u8>, RecordError> {
    let end = log.line_start(line.number + 1)?.unwrap_or(log.len());
    let from = end.saturating_sub(ENDING as u64).max(line.offset);
    Ok(match log.read(from, usize::try_from(end - from).unwrap_or(ENDING))? {
        LogPiece::Bytes(bytes) => bytes,
        LogPiece::Lost { .. } => Vec::new(),
    })
}
