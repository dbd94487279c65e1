//! The log pane as the person left it.

use std::ops::Range;

use roboppi_ipc::{OutputStream, UtcMillis};

use super::{Anchor, Copy, Direction, Found, LogWindow, Prompt, Query, RowPos, Seek, Sought, TextPos};

/// Where the pane is, what it shows of the log, and what was read for it.
#[derive(Debug)]
pub(crate) struct LogPane {
    /// The first row shown.
    pub(crate) anchor: Anchor,
    /// Changes whenever the anchor is set anew.
    pub(crate) epoch: u64,
    /// Shown although streaming is off.
    pub(crate) opened: bool,
    /// Lines that are too long go on in the next row.
    pub(crate) wrap: bool,
    /// First column shown, while lines are not wrapped.
    pub(crate) left: usize,
    /// Each line begins with its time.
    pub(crate) times: bool,
    /// Lines of the other stream are left out.
    pub(crate) stream: Option<OutputStream>,
    /// Lines without a match are left out.
    pub(crate) filter: bool,
    /// What is looked for.
    pub(crate) query: Option<Query>,
    /// Which way it was looked for.
    pub(crate) direction: Direction,
    /// The match at which the person is.
    pub(crate) current: Option<TextPos>,
    /// The line that is looked for.
    pub(crate) seek: Option<Seek>,
    /// Lines that were looked for so far.
    seeks: u64,
    /// The text that is to be copied.
    pub(crate) copy: Option<Copy>,
    copies: u64,
    /// What is being typed.
    pub(crate) prompt: Option<Prompt>,
    /// What was read last.
    pub(crate) window: LogWindow,
}

impl Default for LogPane {
    fn default() -> Self {
        Self {
            anchor: Anchor::End,
            epoch: 0,
            opened: false,
            wrap: false,
            left: 0,
            times: false,
            stream: None,
            filter: false,
            query: None,
            direction: Direction::Forward,
            current: None,
            seek: None,
            seeks: 0,
            copy: None,
            copies: 0,
            prompt: None,
            window: LogWindow::default(),
        }
    }
}

impl LogPane {
    /// Whether the end stays in sight.
    pub(crate) fn follows(&self) -> bool {
        self.anchor == Anchor::End
    }

    /// Another log is shown; what is looked for stays.
    pub(crate) fn leave(&mut self) {
        self.put(Anchor::End);
        self.left = 0;
        self.current = None;
        self.seek = None;
    }

    /// Sets the first row anew.
    pub(crate) fn put(&mut self, anchor: Anchor) {
        self.anchor = anchor;
        self.epoch += 1;
    }

    /// Scrolls by rows.
    pub(crate) fn walk(&mut self, rows: isize) {
        match &mut self.anchor {
            Anchor::End => self.put(Anchor::At { place: self.window.top, delta: rows }),
            Anchor::At { delta, .. } => *delta = delta.saturating_add(rows),
        }
    }

    /// Shows a line, a third of the way down.
    pub(crate) fn show_line(&mut self, line: u64, rows: u16) {
        let delta = -(rows / 3).cast_signed();
        self.put(Anchor::At { place: RowPos { line, part: 0 }, delta: isize::from(delta) });
    }

    /// What was read comes in. Who scrolls to the end follows it again.
    pub(crate) fn ingest(&mut self, window: LogWindow) {
        if let Anchor::At { delta, .. } = self.anchor
            && window.epoch == self.epoch
            && window.error.is_none()
        {
            // Until all lines that are shown are known, the place may be among those that are not.
            let filtered = self.stream.is_some() || (self.filter && self.query.is_some());
            let known = !filtered || window.matches.is_none_or(|matches| matches.percent.is_none());
            if window.delta > 0 && window.at_end && known {
                self.put(Anchor::End);
            } else if known {
                self.anchor = Anchor::At { place: window.top, delta: delta.saturating_sub(window.delta) };
                // The same rows may have been asked for twice, and are gone once.
                self.epoch += u64::from(window.delta != 0);
            }
        }
        self.window = window;
    }

    /// Looks for a line, from the match the person is at, or else from what is on screen.
    pub(crate) fn search_for(&mut self, what: Sought, direction: Direction) {
        let shown = |row: Option<&super::LogRow>| row.map(|row| row.place.line);
        let from = match (self.current, direction) {
            (Some(at), Direction::Forward) => at.line + 1,
            (Some(at), Direction::Backward) => at.line,
            (None, Direction::Forward) => shown(self.window.rows.first()).unwrap_or(0),
            (None, Direction::Backward) => shown(self.window.rows.last()).map_or(u64::MAX, |line| line + 1),
        };
        self.seeks += 1;
        self.seek = Some(Seek { number: self.seeks, what, direction, from });
    }

    /// Looks for the first line from a time on.
    pub(crate) fn search_for_time(&mut self, time: UtcMillis) {
        self.search_for(Sought::Time(time), Direction::Forward);
    }

    /// What is on screen.
    pub(crate) fn visible(&self) -> Option<Range<TextPos>> {
        let (first, last) = (self.window.rows.first()?, self.window.rows.last()?);
        let from = TextPos { line: first.place.line, column: first.column };
        let to = TextPos { line: last.place.line, column: last.column + crate::text::width(&last.text()) };
        Some(from..to)
    }

    /// Asks for a stretch of text that is to be copied.
    pub(crate) fn copy(&mut self, range: Range<TextPos>) {
        self.copies += 1;
        self.copy = Some(Copy { number: self.copies, from: range.start, to: range.end });
    }

    /// What came of looking for a line; the words are for the person.
    pub(crate) fn found(&mut self, found: Found, rows: u16, columns: usize) -> Option<String> {
        let seek = self.seek.take_if(|seek| seek.number == found.number)?;
        if let Some(error) = found.error {
            return Some(error);
        }
        let Some(at) = found.at else {
            return Some(match seek.what {
                Sought::Match(query) => format!("no line has {}", query.in_words()),
                Sought::Error => "no line looks like an error".to_owned(),
                Sought::Time(_) => "no line is that late".to_owned(),
            });
        };
        self.current = Some(at);
        let seen = self.window.rows.iter().any(|row| row.place.line == at.line);
        if !seen || matches!(seek.what, Sought::Time(_)) {
            self.show_line(at.line, rows);
        } else if self.follows() {
            // What was found stays in sight when there is more.
            self.put(Anchor::At { place: self.window.top, delta: 0 });
        }
        if !self.wrap && !(self.left..self.left + columns.max(1)).contains(&at.column) {
            self.left = at.column.saturating_sub(columns / 2);
        }
        match (found.wrapped, seek.direction) {
            (false, _) => None,
            (true, Direction::Forward) => Some("search wrapped to the top".to_owned()),
            (true, Direction::Backward) => Some("search wrapped to the bottom".to_owned()),
        }
    }
}
