//! The stretch of a log that is on screen.
//!
//! Only rows that are visible are read. What to read follows from the model ([`LogPane`] says where it is, [`LogRequest`]
//! what it needs), the log_service reads, and what it found comes back as a message.

mod find;
mod pane;
mod prompt;
mod request;

pub(crate) use find::{Query, errors};
pub(crate) use pane::LogPane;
pub(crate) use prompt::{Prompt, Purpose, Wanted};
pub(crate) use request::{
    Anchor, Copied, Copy, Direction, Found, Layout, LogReply, LogRequest, LogRow, LogWindow, MatchCount,
    RowPos, Seek, Sought, TextPos,
};

/// The end of what the core said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoreTail {
    /// Lines, safe to draw.
    pub(crate) lines: Vec<String>,
    /// Bytes before them that are not shown.
    pub(crate) skipped: u64,
    /// Path of the file, for people.
    pub(crate) path: String,
    /// Why it could not be read.
    pub(crate) error: Option<String>,
}
