//! What the pane needs of the record, and what it gets.

use std::ops::Range;

use ratatui::style::Style;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_record::AttemptFiles;
use roboppi_run::AttemptRef;

use super::find::Query;

/// A row of a log: a line, and which of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPos {
    /// Number of the line, from 0.
    pub(crate) line: u64,
    /// Row within the line, from 0; always 0 unless lines are wrapped.
    pub(crate) part: usize,
}

/// What the first row shown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The one with which the end of the log is just shown.
    End,
    /// So many rows behind a place, or before it.
    At {
        /// The place.
        place: RowPos,
        /// Rows to go from there.
        delta: isize,
    },
}

/// What the pane needs to have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRequest {
    pub(crate) of: AttemptRef,
    /// What the journal says of its files, once the attempt has ended.
    pub(crate) ended: Option<AttemptFiles>,
    pub(crate) anchor: Anchor,
    /// Changes whenever the anchor was set anew, so that an answer can be told from an outdated one.
    pub(crate) epoch: u64,
    pub(crate) rows: u16,
    /// Columns of the text alone.
    pub(crate) columns: u16,
    pub(crate) layout: Layout,
    pub(crate) colour: bool,
    /// A script wrote it, whose reports of its progress are shown in words.
    pub(crate) scripted: bool,
    /// What is looked for; its matches are marked and counted.
    pub(crate) query: Option<Query>,
    /// Lines without a match are left out.
    pub(crate) filter: bool,
    /// Lines of the other stream are left out.
    pub(crate) stream: Option<OutputStream>,
    /// The match at which the person is.
    pub(crate) current: Option<u64>,
    /// A line to be found.
    pub(crate) seek: Option<Seek>,
    /// A stretch of text to be copied.
    pub(crate) copy: Option<Copy>,
}

/// How lines become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As many rows as the line needs.
    Wrapped,
    /// One row, from this column of the line on.
    From(usize),
}

/// A line to be found. The same number is not looked for twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seek {
    pub(crate) number: u64,
    pub(crate) what: Sought,
    pub(crate) direction: Direction,
    /// The first line that is looked at; backwards, the one behind it.
    pub(crate) from: u64,
}

/// What a line to be found holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    Match(Query),
    /// What compilers and test runners print when something is wrong.
    Error,
    /// The first line from this time on.
    Time(UtcMillis),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// A stretch of text, from the first character to behind the last. The same number is not copied twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) number: u64,
    pub(crate) from: TextPos,
    pub(crate) to: TextPos,
}

/// A column of a line of a log, both from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TextPos {
    pub(crate) line: u64,
    pub(crate) column: usize,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LogReply {
    Window(LogWindow),
    Sought(Found),
    Copied(Copied),
}

/// Rows that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogWindow {
    /// Whose; `None` when nothing was read yet.
    pub(crate) of: Option<AttemptRef>,
    /// Epoch of the request.
    pub(crate) epoch: u64,
    /// Rows of the request's delta that were gone.
    pub(crate) delta: isize,
    /// The first row shown.
    pub(crate) top: RowPos,
    /// Nothing comes behind the last row shown.
    pub(crate) at_end: bool,
    /// Lines the log has.
    pub(crate) total: u64,
    pub(crate) rows: Vec<LogRow>,
    /// How the search stands.
    pub(crate) matches: Option<MatchCount>,
    /// Why it could not be read.
    pub(crate) error: Option<String>,
    /// What is wrong with the log, as far as that was seen.
    pub(crate) damage: Option<String>,
}

/// How a search stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MatchCount {
    /// Lines found so far.
    pub(crate) lines: u64,
    /// Which of them the current one is, from 1.
    pub(crate) current: Option<u64>,
    /// Part of the log that was searched, of 100; `None` when all of it was.
    pub(crate) percent: Option<u8>,
    /// Bytes that could not be searched because they were given up.
    pub(crate) lost: u64,
}

/// One row, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogRow {
    pub(crate) place: RowPos,
    pub(crate) stream: OutputStream,
    /// When its line came.
    pub(crate) ts: Option<UtcMillis>,
    /// Column of the line it begins with.
    pub(crate) column: usize,
    pub(crate) runs: Vec<(String, Style)>,
    /// There is more of it than is shown.
    pub(crate) cut: bool,
    /// Columns of the row, from 0, that match what is looked for.
    pub(crate) hits: Vec<Range<usize>>,
    /// Bytes that could not be recorded or were given up, behind the text.
    pub(crate) lost: u64,
}

impl LogRow {
    /// The text alone.
    pub(crate) fn text(&self) -> String {
        self.runs.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// What came of a [`Seek`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) number: u64,
    /// Line and column; `None` when there is none.
    pub(crate) at: Option<TextPos>,
    /// The search went over the end and on from the beginning, or the other way round.
    pub(crate) wrapped: bool,
    /// Why it could not be done.
    pub(crate) error: Option<String>,
}

/// What came of a [`Copy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) number: u64,
    pub(crate) text: String,
    /// There was more than is copied at a time.
    pub(crate) cut: bool,
}
