//! The stretch of a log that is on screen.
//!
//! Only lines that are visible are read. What to read follows from the model ([`LogPane`] says where it is,
//! [`LogRequest`] what it needs), the driver reads, and what it found comes back as a message.

use ratatui::style::Style;
use roboppi_ipc::OutputStream;
use roboppi_journal::LogLine;
use roboppi_run::AttemptRef;

use crate::sanitise;

/// Bytes of a line that are looked at. A screen shows a few hundred columns.
pub(crate) const LINE_BYTES: usize = 16 * 1024;

/// The log pane as the person left it, and what was read for it.
#[derive(Debug)]
pub(crate) struct LogPane {
    /// The end stays visible.
    pub(crate) follow: bool,
    /// Number of the first line shown, when the end is not followed.
    pub(crate) top: u64,
    /// Shown although streaming is off.
    pub(crate) opened: bool,
    /// What was read last.
    pub(crate) window: LogWindow,
}

impl Default for LogPane {
    fn default() -> Self {
        Self { follow: true, top: 0, opened: false, window: LogWindow::default() }
    }
}

/// What the pane needs to have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRequest {
    pub(crate) of: AttemptRef,
    /// First line; `None` for the end of the log.
    pub(crate) from: Option<u64>,
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) colour: bool,
}

/// Lines that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogWindow {
    /// Whose; `None` when nothing was read yet.
    pub(crate) of: Option<AttemptRef>,
    /// Lines the log has.
    pub(crate) total: u64,
    pub(crate) lines: Vec<LogRow>,
    /// Why it could not be read.
    pub(crate) error: Option<String>,
}

/// One line, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogRow {
    /// From 0.
    pub(crate) number: u64,
    pub(crate) stream: OutputStream,
    pub(crate) runs: Vec<(String, Style)>,
    /// There is more of it than is shown.
    pub(crate) cut: bool,
    /// Bytes of it that could not be recorded.
    pub(crate) lost: u64,
}

impl LogRow {
    /// Makes a line ready. `ending` is the end of a line of which the reader gave the beginning only.
    pub(crate) fn new(line: &LogLine, ending: Option<&[u8]>, columns: u16, colour: bool) -> Self {
        // A progress bar goes back to the start of its line again and again; its state is in the end.
        let overwritten = ending.and_then(|end| {
            let end = end.trim_ascii_end();
            memchr::memrchr(b'\r', end).map(|at| &end[at + 1..])
        });
        let bytes = overwritten.unwrap_or(&line.bytes);
        let styled = sanitise::styled_line(bytes, usize::from(columns), colour);
        Self {
            number: line.number,
            stream: line.stream,
            runs: styled.runs,
            cut: styled.cut || (line.truncated && overwritten.is_none()),
            lost: line.lost,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8], truncated: bool) -> LogLine {
        LogLine {
            number: 0,
            offset: 0,
            stream: OutputStream::Stdout,
            ts: None,
            bytes: bytes.to_vec(),
            complete: true,
            truncated,
            lost: 0,
        }
    }

    #[test]
    fn an_endless_progress_bar_shows_its_last_state() {
        let row = LogRow::new(&line(b"  1%\r  2%\r", true), Some(b"8%\r 99%\r100%\r\n"), 20, false);
        assert_eq!(row.runs, [("100%".to_owned(), Style::new())]);
        assert!(!row.cut);
    }

    #[test]
    fn an_endless_line_shows_its_beginning() {
        let row = LogRow::new(&line(b"aaaa", true), Some(b"zzzz"), 20, false);
        assert_eq!(row.runs, [("aaaa".to_owned(), Style::new())]);
        assert!(row.cut);
    }
}
