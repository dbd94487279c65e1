//! Does what is asked at the log_service, one piece after another.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_attach::RunSource;
use roboppi_ipc::OutputStream;
use roboppi_record::{Log, Needle, RecordError};
use roboppi_run::AttemptRef;

use super::copy;
use super::log_layout::{LogLayout, SHORT};
use super::matches::{Matches, SLICE};
use super::seek::Search;
use crate::log_pane::{
    Direction, Found, LogReply, LogRequest, LogWindow, MatchCount, Query, Seek, Sought, TextPos, errors,
};
use crate::sanitise;

/// Time between two words about how far a search is.
const WORD: Duration = Duration::from_millis(100);

/// Reads the log of one attempt at a time.
pub(super) struct LogWorker {
    source: Arc<dyn RunSource>,
    open: Option<Open>,
    request: Option<LogRequest>,
    /// What was answered last.
    answered: Option<LogWindow>,
    seek: Option<(u64, Search)>,
    /// Numbers of the last seek and the last copy that were done.
    sought: u64,
    copied: u64,
    last_word: Instant,
}

/// The log that is read, and what is known of it.
pub(super) struct Open {
    of: AttemptRef,
    pub(super) log: Box<dyn Log>,
    /// Its reader knows how long it is to be.
    has_ended: bool,
    matches: Option<(Choice, Matches)>,
    /// Columns of over-long lines, by their offset and length.
    pub(super) measured: HashMap<(u64, usize), usize>,
}

/// What makes a line be among the matches.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    query: Option<Query>,
    stream: Option<OutputStream>,
}

impl Choice {
    /// Whether the lines are those that a line is searched among.
    fn is_sought(&self, request: &LogRequest) -> bool {
        let sought = request.seek.as_ref().map(|seek| &seek.what);
        matches!(sought, Some(Sought::Match(query)) if self.query.as_ref() == Some(query))
            && self.stream == request.stream
    }
}

impl LogWorker {
    pub(super) fn new(source: Arc<dyn RunSource>) -> Self {
        Self {
            source,
            open: None,
            request: None,
            answered: None,
            seek: None,
            sought: 0,
            copied: 0,
            last_word: Instant::now(),
        }
    }

    /// Whether there is something to go on with.
    pub(super) fn is_busy(&self) -> bool {
        self.seek.is_some() || self.matches().is_some_and(|matches| !matches.is_done())
    }

    fn matches(&self) -> Option<&Matches> {
        self.open.as_ref()?.matches.as_ref().map(|(_, matches)| matches)
    }

    /// Answers a request, as far as that is possible at once.
    pub(super) fn serve(&mut self, request: LogRequest, replies: &mut Vec<LogReply>) {
        self.request = Some(request);
        self.attempt(replies, Self::try_serve);
    }

    /// Goes on with what takes longer.
    pub(super) fn work(&mut self, replies: &mut Vec<LogReply>) {
        self.attempt(replies, Self::try_work);
    }

    fn attempt(
        &mut self,
        replies: &mut Vec<LogReply>,
        action: fn(&mut Self, &LogRequest, &mut Vec<LogReply>) -> Result<(), RecordError>,
    ) {
        let Some(request) = self.request.take() else { return };
        if let Err(error) = action(self, &request, replies) {
            // Opened again with the next request.
            self.open = None;
            self.seek = None;
            let window = LogWindow {
                of: Some(request.of.clone()),
                epoch: request.epoch,
                error: Some(format!("The log cannot be read: {error}")),
                ..LogWindow::default()
            };
            self.answer(window, replies);
        }
        self.request = Some(request);
    }

    fn try_serve(&mut self, request: &LogRequest, replies: &mut Vec<LogReply>) -> Result<(), RecordError> {
        if self.open.as_ref().is_none_or(|open| open.of != request.of) {
            self.seek = None;
            let mut log = self.source.record().log(&request.of)?;
            log.set_line_cap(SHORT);
            self.open = Some(Open {
                of: request.of.clone(),
                log,
                has_ended: false,
                matches: None,
                measured: HashMap::new(),
            });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Some(files) = request.ended.filter(|_| !open.has_ended) {
            open.has_ended = true;
            open.log.expect(files.log_bytes, files.closed)?;
        }
        let grown = open.log.refresh()?;
        open.choose(request);
        if let Some((_, matches)) = &mut open.matches {
            if grown {
                matches.go_on();
            }
            if !matches.is_done() {
                matches.advance(open.log.as_mut(), SLICE)?;
            }
        }
        if request.seek.is_none() {
            self.seek = None;
        }
        if let Some(seek) = request.seek.as_ref().filter(|seek| seek.number > self.sought) {
            self.sought = seek.number;
            self.seek = None;
            self.begin(seek, request, replies)?;
        }
        if let Some(wanted) = request.copy.filter(|copy| copy.number > self.copied) {
            self.copied = wanted.number;
            if let Some(mut log_layout) = self.log_layout(request) {
                replies.push(LogReply::Copied(copy::copy(&mut log_layout, &wanted)?));
            }
        }
        self.show(request, replies)
    }

    fn try_work(&mut self, request: &LogRequest, replies: &mut Vec<LogReply>) -> Result<(), RecordError> {
        if let Some((number, search)) = &mut self.seek
            && let Some(Open { log, matches, .. }) = &mut self.open
            && let ControlFlow::Break(line) = {
                let known = matches.as_ref().filter(|(choice, _)| choice.is_sought(request));
                let known = known.map(|(_, matches)| matches);
                search.advance(log.as_mut(), known)?
            }
        {
            let (number, wrapped) = (*number, search.wrapped);
            let at = match line {
                Some(line) => Some(spot(log.as_mut(), line, &search.needle, request.colour)?),
                None => None,
            };
            self.seek = None;
            replies.push(LogReply::Sought(Found { number, at, wrapped, error: None }));
        }
        if let Some(open) = &mut self.open
            && let Some((_, matches)) = &mut open.matches
            && !matches.is_done()
        {
            matches.advance(open.log.as_mut(), SLICE)?;
            if matches.is_done() || self.last_word.elapsed() >= WORD {
                self.show(request, replies)?;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        seek: &Seek,
        request: &LogRequest,
        replies: &mut Vec<LogReply>,
    ) -> Result<(), RecordError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let found = |at, error| LogReply::Sought(Found { number: seek.number, at, wrapped: false, error });
        let needle = match &seek.what {
            Sought::Match(query) => query.needle(),
            Sought::Error => Ok(errors()),
            Sought::Time(time) => {
                let line = open.log.line_at(*time)?;
                replies.push(found(line.map(|line| TextPos { line, column: 0 }), None));
                return Ok(());
            }
        };
        match needle {
            Ok(needle) => {
                let from = match seek.direction {
                    Direction::Forward => seek.from,
                    Direction::Backward => seek.from.min(open.log.line_count()?),
                };
                let needle = needle.of_stream(request.stream);
                self.seek = Some((seek.number, Search::new(needle, seek.direction, from)));
            }
            Err(error) => replies.push(found(None, Some(error))),
        }
        Ok(())
    }

    fn show(&mut self, request: &LogRequest, replies: &mut Vec<LogReply>) -> Result<(), RecordError> {
        self.last_word = Instant::now();
        let count = self.open.as_mut().map(|open| open.count(request)).transpose()?.flatten();
        let Some(mut log_layout) = self.log_layout(request) else { return Ok(()) };
        let mut window = log_layout.window()?;
        window.matches = count;
        if let Some(open) = &mut self.open {
            window.damage = open.log.damage()?.first().map(ToString::to_string);
        }
        self.answer(window, replies);
        Ok(())
    }

    fn answer(&mut self, window: LogWindow, replies: &mut Vec<LogReply>) {
        if self.answered.as_ref() != Some(&window) || window.delta != 0 {
            self.answered = Some(window.clone());
            replies.push(LogReply::Window(window));
        }
    }

    fn log_layout<'a>(&'a mut self, request: &'a LogRequest) -> Option<LogLayout<'a>> {
        let open = self.open.as_mut()?;
        let needle = request.query.as_ref().and_then(|query| query.needle().ok());
        let filtered = request.stream.is_some() || (request.filter && needle.is_some());
        let matches = open.matches.as_ref().map(|(_, matches)| matches).filter(|_| filtered);
        Some(LogLayout::new(open.log.as_mut(), &mut open.measured, matches, needle, request))
    }
}

impl Open {
    /// Makes the matches those that are wanted.
    fn choose(&mut self, request: &LogRequest) {
        let choice = Choice { query: request.query.clone(), stream: request.stream };
        if self.matches.as_ref().is_some_and(|(chosen, _)| *chosen == choice) {
            return;
        }
        // Without a filter the lines between the matches are shown, and all that match are counted.
        let needle = match &choice.query {
            Some(query) => query.needle().ok(),
            None => choice.stream.map(|_| Needle::everything()),
        };
        let needle = needle.map(|needle| needle.of_stream(choice.stream));
        self.matches = needle.map(|needle| (choice, Matches::new(needle)));
    }

    fn count(&mut self, request: &LogRequest) -> Result<Option<MatchCount>, RecordError> {
        let Some((_, matches)) = &self.matches else { return Ok(None) };
        let percent = (!matches.is_done()).then(|| {
            let percent = matches.searched().saturating_mul(100) / self.log.len().max(1);
            u8::try_from(percent.min(99)).unwrap_or(99)
        });
        let current = match request.current {
            Some(line) => {
                let before = matches.before(self.log.as_mut(), line)?;
                let it = matches.lines(self.log.as_mut(), before..before + 1)?;
                (it.first() == Some(&line)).then_some(before + 1)
            }
            None => None,
        };
        Ok(Some(MatchCount { lines: matches.count(), current, percent, lost: self.log.given_up() }))
    }
}

/// Where in a line that matches the match is.
fn spot(log: &mut dyn Log, line: u64, needle: &Needle, colour: bool) -> Result<TextPos, RecordError> {
    let column = match log.line(line)? {
        Some(found) if found.truncated => {
            let bytes = super::log_layout::whole(log, &found)?;
            let text = String::from_utf8_lossy(&bytes);
            needle.find_in(&text, 0).map_or(0, |range| sanitise::measure(&text.as_bytes()[..range.start]))
        }
        Some(found) => {
            let text = sanitise::styled_line(&found.bytes, usize::MAX, colour).plain();
            let hit = needle.find_in(&text, 0);
            hit.map_or(0, |range| crate::text::width(&text[..range.start]))
        }
        None => 0,
    };
    Ok(TextPos { line, column })
}
