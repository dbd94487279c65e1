//! The beginning and the end of what attempts wrote, within bounds.

use quick_xml::escape::escape;
use roboppi_ipc::OutputStream;
use roboppi_record::{Log, LogLine, RecordError, RecordStore, UNKNOWN_LOSS};
use roboppi_run::{AttemptView, missing_words};
use roboppi_untrusted::line;

use crate::logs;

/// Lines of an attempt from its beginning.
const HEAD_LINES: u64 = 100;

/// Lines from its end.
const TAIL_LINES: u64 = 400;

/// Bytes of a line.
const LINE: usize = 2_000;

/// Bytes of the lines from the beginning.
const HEAD_BYTES: usize = 16 * 1024;

/// Bytes of the lines from the end.
const TAIL_BYTES: usize = 48 * 1024;

/// Bytes of all attempts of a run together, as they are in the document: a `&` has five there.
const ALL_BYTES: usize = 8 * 1024 * 1024;

/// What an attempt wrote to each stream.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Reads excerpts of logs until all of them together are as long as they may be.
#[derive(Debug)]
pub(super) struct Excerpts<'a> {
    record: &'a dyn RecordStore,
    left: usize,
}

impl<'a> Excerpts<'a> {
    pub(super) const fn new(record: &'a dyn RecordStore) -> Self {
        Self { record, left: ALL_BYTES }
    }

    /// The excerpt of one attempt. The stdout of an agent is for programs: its answer stands for it.
    pub(super) fn of(&mut self, attempt: &AttemptView, is_agent: bool) -> Output {
        if self.left == 0 {
            let stdout = format!(
                "[output left out: the report has {} MiB of output already]",
                ALL_BYTES / 1024 / 1024
            );
            return Output { stdout, ..Output::default() };
        }
        let read = logs::open(self.record, attempt).and_then(|mut log| excerpt(log.as_mut(), is_agent));
        let mut output = read.unwrap_or_else(|error| Output {
            stdout: format!("[the log cannot be read: {}]", line(error.to_string().as_bytes(), false)),
            ..Output::default()
        });
        let answer = attempt.result().and_then(|result| result.details.as_ref()?.answer.as_deref());
        if is_agent && let Some(answer) = answer {
            output.stdout = answer_text(answer);
        }
        let escaped = escape(output.stdout.as_str()).len() + escape(output.stderr.as_str()).len();
        self.left = self.left.saturating_sub(escaped);
        output
    }
}

/// The beginning of an agent's answer.
fn answer_text(answer: &str) -> String {
    let mut text = String::new();
    for one in answer.trim_end().lines() {
        if text.len() > TAIL_BYTES {
            text.push_str("…\n");
            break;
        }
        let shown: String = line(one.as_bytes(), false).chars().take(LINE).collect();
        text.push_str(&shown);
        text.push('\n');
    }
    text
}

fn excerpt(log: &mut dyn Log, is_agent: bool) -> Result<Output, RecordError> {
    log.set_line_cap(LINE);
    let count = log.line_count()?;
    let mut head = log.lines(0..HEAD_LINES.min(count))?;
    head.truncate(fitting(head.iter(), HEAD_BYTES));
    let next = head.last().map_or(0, |last| last.number + 1);
    let mut tail = log.lines(count.saturating_sub(TAIL_LINES).max(next)..count)?;
    let fitting = fitting(tail.iter().rev(), TAIL_BYTES);
    tail.drain(..tail.len() - fitting);
    let left_out = tail.first().map_or(count, |first| first.number).saturating_sub(next);
    let mut output = Output::default();
    for one in &head {
        output.push(one, is_agent);
    }
    if left_out > 0 {
        output.note(&format!("[{left_out} lines left out]"), is_agent);
    }
    for one in &tail {
        output.push(one, is_agent);
    }
    Ok(output)
}

/// How many lines there are within so many bytes.
fn fitting<'a>(lines: impl Iterator<Item = &'a LogLine>, most: usize) -> usize {
    let mut bytes = 0;
    lines
        .take_while(|line| {
            bytes += line.bytes.len() + 1;
            bytes <= most
        })
        .count()
}

impl Output {
    fn push(&mut self, one: &LogLine, is_agent: bool) {
        let text = match one.stream {
            OutputStream::Stderr => &mut self.stderr,
            OutputStream::Stdout if is_agent => return,
            OutputStream::Stdout => &mut self.stdout,
        };
        match one.lost {
            0 => {}
            UNKNOWN_LOSS => text.push_str(&format!("[{}]\n", missing_words(one.lost, true))),
            lost => text.push_str(&format!("[{lost} bytes are not in the record]\n")),
        }
        if one.lost == 0 || !one.bytes.is_empty() {
            text.push_str(&line(&one.bytes, false));
            text.push_str(if one.truncated { "…\n" } else { "\n" });
        }
    }

    /// A note in its place, wherever something was written before it.
    fn note(&mut self, note: &str, is_agent: bool) {
        if !self.stderr.is_empty() {
            self.stderr.push_str(&format!("{note}\n"));
        }
        if !is_agent && (!self.stdout.is_empty() || self.stderr.is_empty()) {
            self.stdout.push_str(&format!("{note}\n"));
        }
    }
}
