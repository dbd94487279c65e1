//! Reads logs for clients: lines by number, and searches.

use std::ops::ControlFlow;

use roboppi_attach::Liveness;
use roboppi_record::{AttemptFiles, Log, LogDamage, LogLine, LogPiece, Needle, RecordStore};
use roboppi_run::{AttemptRef, AttemptStatus, RunView};

use crate::api::line::{Hit, LINE_BYTES, Line, LogGap, LogPage, SearchPage, Searched};
use crate::feed::Hub;
use crate::problem::Problem;

mod of_run;

pub(crate) use of_run::{Part, RunLog, is_renumbered};

/// Bytes of text of a page, about.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Lines that are read at a time.
const BATCH: u64 = 100;

/// Bytes that are searched for one request.
const SEARCHED: u64 = 64 * 1024 * 1024;

/// Gaps that are listed.
const GAPS: usize = 100;

/// The log of an attempt, and what the run tells of it.
#[derive(Debug)]
pub(crate) struct AttemptLog {
    log: Box<dyn Log>,
    /// The attempt has ended, so nothing comes later.
    over: bool,
    /// Bytes, by the events of the attempt.
    announced: u64,
}

/// What the run tells of the log of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownLog {
    /// What the files have to be, once the attempt has ended.
    files: Option<AttemptFiles>,
    /// Bytes.
    announced: u64,
    /// The run may go on.
    alive: bool,
}

impl KnownLog {
    /// Whether nothing comes later.
    pub(crate) const fn has_ended(&self) -> bool {
        self.files.is_some()
    }

    pub(crate) fn of(view: &RunView, liveness: Liveness, of: &AttemptRef) -> Self {
        let attempt = view.attempt(of);
        let files = attempt.and_then(|attempt| match &attempt.status {
            AttemptStatus::Finished { result, log_bytes } => Some(AttemptFiles::of(result, *log_bytes, 0)),
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        });
        let announced = attempt.map_or(0, roboppi_run::AttemptView::log_bytes);
        Self { files, announced, alive: liveness.may_live() }
    }
}

/// The attempt of an id, as it is in URLs.
///
/// # Errors
/// When the run has none.
pub(crate) fn attempt_of(hub: &Hub, id: &str) -> Result<AttemptRef, Problem> {
    let found = hub.look(|view, _, _| {
        let mut attempts = view.steps.iter().flat_map(|step| &step.attempts);
        attempts.find(|attempt| attempt.of.to_string() == id).map(|attempt| attempt.of.clone())
    });
    found.ok_or_else(|| {
        Problem::not_found(format!("the run has no attempt `{id}`"))
            .hint("GET the run: each step lists its attempts")
    })
}

impl AttemptLog {
    /// Opens the log of an attempt. Reads files.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn open(hub: &Hub, of: &AttemptRef) -> Result<Self, Problem> {
        let known = hub.look(|view, liveness, _| KnownLog::of(view, liveness, of));
        Self::of_record(hub.record().as_ref(), of, known)
    }

    /// Opens the log of an attempt in a record. Reads files.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn of_record(
        store: &dyn RecordStore,
        of: &AttemptRef,
        known: KnownLog,
    ) -> Result<Self, Problem> {
        let mut log = match known.files {
            Some(files) => store.finished_log(of, files)?,
            None => store.log(of)?,
        };
        log.set_line_cap(LINE_BYTES);
        Ok(Self { log, over: known.files.is_some() || !known.alive, announced: known.announced })
    }

    /// Offset of the first byte of a line; the length of the log behind its last line.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn offset_of(&mut self, line: u64) -> Result<u64, Problem> {
        Ok(self.log.line_start(line)?.unwrap_or_else(|| self.log.len()))
    }

    /// Lines of the log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn total(&mut self) -> Result<u64, Problem> {
        Ok(self.log.line_count()?)
    }

    /// Bytes of the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.log.len()
    }

    /// Lines from a number on, at most `limit`. A negative number counts from the end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn page(&mut self, from: i64, limit: u64) -> Result<LogPage, Problem> {
        let total = self.log.line_count()?;
        let first = match u64::try_from(from) {
            Ok(from) => from,
            Err(_) => total.saturating_sub(from.unsigned_abs()),
        };
        let lines = self.lines(first, limit, PAGE_BYTES)?;
        let next = lines.last().map_or(first.min(total), |line| line.n + 1);
        let next = match lines.last() {
            Some(last) => self.log.line_behind(last.n)?.unwrap_or(next),
            None => next,
        };
        let gaps = self.gaps()?;
        let lag = (!self.over).then(|| self.announced.saturating_sub(self.log.len())).filter(|lag| *lag > 0);
        Ok(LogPage {
            lines,
            from: first,
            next,
            total,
            bytes: self.log.len(),
            complete: self.over && gaps.is_empty(),
            lag,
            gaps,
            cursor: next.to_string(),
        })
    }

    /// Lines from a number on: at most `limit`, and about `bytes` of text.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn lines(&mut self, from: u64, limit: u64, bytes: usize) -> Result<Vec<Line>, Problem> {
        let end = from.saturating_add(limit);
        let (mut at, mut lines, mut size) = (from, Vec::new(), 0);
        while at < end && size < bytes {
            let read = self.log.lines(at..at.saturating_add(BATCH).min(end))?;
            let Some(last) = read.last().map(|line| line.number) else { break };
            for line in read {
                let line = self.line(&line)?;
                size += line.text.len() + 64;
                lines.push(line);
                if size >= bytes {
                    return Ok(lines);
                }
            }
            match self.log.line_behind(last)? {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(lines)
    }

    fn line(&mut self, line: &LogLine) -> Result<Line, Problem> {
        let full = if line.truncated { Some(self.length(line)?) } else { None };
        Ok(Line::of(line, full, true))
    }

    /// Length of a line of which only the beginning was read.
    fn length(&mut self, line: &LogLine) -> Result<u64, Problem> {
        let end = match self.log.line_start(line.number + 1)? {
            Some(next) => next.saturating_sub(1),
            None => self.log.len().saturating_sub(u64::from(line.complete)),
        };
        Ok(end.saturating_sub(line.offset))
    }

    /// A whole line, of at most `longest` bytes.
    ///
    /// # Errors
    /// When there is none, or the log cannot be read.
    pub(crate) fn whole_line(&mut self, number: u64, longest: usize) -> Result<(String, bool), Problem> {
        let line = self.log.line(number)?;
        let line = line.ok_or_else(|| Problem::not_found(format!("the log has no line {number}")))?;
        let line = self.log.whole_line(line, longest)?;
        let bytes = &line.bytes[..line.bytes.len().min(longest)];
        Ok((roboppi_untrusted::line(bytes, true), line.truncated))
    }

    /// What is known to be missing.
    fn gaps(&mut self) -> Result<Vec<LogGap>, Problem> {
        let len = self.log.len();
        let mut gaps = Vec::new();
        if self.log.given_up() > 0 {
            // The part is one stretch: the first one that is lost, looked at from both ends of the log.
            let mut at = 0;
            while at < len && gaps.is_empty() {
                match self.log.read(at, 1)? {
                    LogPiece::Lost { len } => {
                        gaps.push(LogGap {
                            from: at,
                            to: at + len,
                            reason: "given up to keep within a limit".to_owned(),
                        });
                    }
                    LogPiece::Bytes(_) => match self.log.chunk_at(at)? {
                        Some(chunk) => at = chunk.offset + chunk.len.max(1),
                        None => break,
                    },
                }
            }
        }
        for damage in self.log.damage()? {
            let (from, to) = match &damage {
                LogDamage::Cut { missing, len } => (*len, len + missing),
                LogDamage::Changed(range) => (range.start, range.end),
                LogDamage::Longer { .. } | LogDamage::NoIndex | LogDamage::BadIndex => continue,
            };
            gaps.push(LogGap { from, to, reason: damage.to_string() });
        }
        gaps.truncate(GAPS);
        Ok(gaps)
    }

    /// Finds lines from a number on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn search(&mut self, needle: &Needle, from: u64, limit: usize) -> Result<SearchPage, Problem> {
        let begin = self.log.search_from(from)?;
        let mut found = Vec::new();
        let reached = self.log.search(needle, begin, SEARCHED, &mut |line| {
            found.push(line.number);
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut hits = Vec::with_capacity(found.len());
        for number in &found {
            if let Some(line) = self.log.line(*number)? {
                hits.push(hit(&line, needle));
            }
        }
        let is_full = found.len() >= limit;
        let is_over = reached.offset() >= self.log.len()
            || (!is_full && reached.line() + 1 >= self.log.line_count()?);
        let next = if is_full || !is_over { Some(reached.line()) } else { None };
        let searched = Searched { bytes: reached.offset(), of: self.log.len() };
        Ok(SearchPage { hits, searched, next: next.filter(|next| *next > from || is_full) })
    }

    /// Streams the log: `take` gets each part until it returns false.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn each_line(&mut self, mut take: impl FnMut(Line) -> bool) -> Result<(), Problem> {
        let mut at = 0;
        loop {
            let lines = self.lines(at, BATCH * 5, PAGE_BYTES)?;
            let Some(last) = lines.last().map(|line| line.n) else { return Ok(()) };
            for line in lines {
                if !take(line) {
                    return Ok(());
                }
            }
            match self.log.line_behind(last)? {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
    }

    /// Streams the bytes of the log as they were recorded. In place of missing ones there is a line that says so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn each_piece(&mut self, mut take: impl FnMut(Vec<u8>) -> bool) -> Result<(), Problem> {
        let (mut at, len) = (0, self.log.len());
        while at < len {
            let piece = self.log.read(at, 256 * 1024)?;
            let bytes = match piece {
                LogPiece::Bytes(bytes) if bytes.is_empty() => return Ok(()),
                LogPiece::Bytes(bytes) => {
                    at += bytes.len() as u64;
                    bytes
                }
                LogPiece::Lost { len } => {
                    at += len;
                    format!("\n[{len} bytes are not in the record]\n").into_bytes()
                }
            };
            if !take(bytes) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A found line with the place of its first match.
fn hit(line: &LogLine, needle: &Needle) -> Hit {
    let shown = Line::of(line, None, false);
    let place = needle.find_in(&shown.text, 0);
    let units = |bytes: usize| shown.text[..bytes].encode_utf16().count();
    let (start, end) =
        (place.as_ref().map(|place| units(place.start)), place.as_ref().map(|place| units(place.end)));
    Hit { n: line.number, step: None, start, end, text: shown.text }
}
