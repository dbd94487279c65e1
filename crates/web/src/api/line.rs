//! Lines of logs.

use roboppi_ipc::OutputStream;
use roboppi_record::LogLine;
use serde::Serialize;

use super::text::cut;

/// Longest line that is shown, in bytes of the log.
pub(crate) const LINE_BYTES: usize = 16 * 1024;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Number of the line, from 0.
    pub(crate) n: u64,
    /// Path of the step, in a log of several steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// When its first byte came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<u64>,
    /// `out` or `err`.
    pub(crate) stream: &'static str,
    /// Its text: escape sequences other than colours (SGR) are removed.
    pub(crate) text: String,
    /// Full length in bytes of a line of which only the beginning is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<u64>,
    /// Bytes that are missing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<LineGap>,
    /// The line may go on: it is the last one, and has no end yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) open: bool,
}

/// A part of a log that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LineGap {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Why.
    pub(crate) reason: String,
}

/// A missing part of a log by its offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LogGap {
    /// Offset of its first byte.
    pub(crate) from: u64,
    /// Offset behind its last byte.
    pub(crate) to: u64,
    /// Why.
    pub(crate) reason: String,
}

/// A stretch of a log.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogPage {
    /// The lines.
    pub(crate) lines: Vec<Line>,
    /// Number of the first line that was asked for.
    pub(crate) from: u64,
    /// Number behind the last line given.
    pub(crate) next: u64,
    /// Lines of the log.
    pub(crate) total: u64,
    /// Bytes of the log.
    pub(crate) bytes: u64,
    /// The log is over, and nothing of it is missing.
    pub(crate) complete: bool,
    /// Bytes that are recorded by the core and not in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lag: Option<u64>,
    /// What is missing, at most 100 parts.
    pub(crate) gaps: Vec<LogGap>,
    /// Where a follower goes on: the number of the next line.
    pub(crate) cursor: String,
}

/// The answer of a search.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SearchPage {
    /// Lines with what was searched for.
    pub(crate) hits: Vec<Hit>,
    /// How much was searched.
    pub(crate) searched: Searched,
    /// Number of the line with which the search goes on; absent at the end of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<u64>,
}

/// A line that was found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Hit {
    /// Number of the line, from 0.
    pub(crate) n: u64,
    /// Path of the step, in a log of several steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// Where the first match begins in `text`, in UTF-16 units as browsers count; absent when it is behind the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<usize>,
    /// Where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<usize>,
    /// The line without colours.
    pub(crate) text: String,
}

/// How much was searched, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Searched {
    /// Offset up to which everything was searched.
    pub(crate) bytes: u64,
    /// Length of the log.
    pub(crate) of: u64,
}

impl Line {
    /// A line as it is shown. `full` is its length when only its beginning was read.
    pub(crate) fn of(line: &LogLine, full: Option<u64>, colour: bool) -> Self {
        let bytes = &line.bytes[..line.bytes.len().min(LINE_BYTES)];
        let cleaned = roboppi_untrusted::line(bytes, colour);
        let (text, shortened) = cut(&cleaned, LINE_BYTES + 8);
        let is_cut = shortened || full.is_some() || bytes.len() < line.bytes.len();
        let gap = (line.lost > 0).then(|| LineGap { bytes: line.lost, reason: "not recorded".to_owned() });
        Self {
            n: line.number,
            step: None,
            at: line.ts.map(|ts| ts.0),
            stream: match line.stream {
                OutputStream::Stdout => "out",
                OutputStream::Stderr => "err",
            },
            text: text.to_owned(),
            cut: is_cut.then(|| full.unwrap_or(line.bytes.len() as u64)),
            gap,
            open: !line.complete && line.lost == 0,
        }
    }
}

impl LogPage {
    /// A page without lines.
    pub(crate) fn empty(from: u64, total: u64, complete: bool) -> Self {
        let (lines, gaps) = (Vec::new(), Vec::new());
        Self {
            lines,
            from,
            next: from.min(total),
            total,
            bytes: 0,
            complete,
            lag: None,
            gaps,
            cursor: String::new(),
        }
    }
}
