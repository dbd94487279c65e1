//! The beginning and the end of a log.

use std::borrow::Cow;
use std::fmt::Write as _;

use roboppi_attach::RunSource;
use roboppi_ipc::OutputStream;
use roboppi_record::RecordError;
use roboppi_run::{AttemptRef, StepView};
use roboppi_untrusted::line;

use crate::places::{Finding, PlaceFinder};
use crate::plain::log::{LogStream, Logs};
use crate::scripted::{is_script, shown};

/// Bytes of a line that are shown.
const LONGEST_LINE: usize = 2_000;

/// Reads of 64 KiB in which the first lines must be found.
const FIRST_READS: usize = 32;

/// Reads of 64 KiB in which places are looked for.
const SEARCHED_READS: usize = 128;

/// Lines at the end of a longer log in which places are looked for.
const SEARCHED_LINES: usize = 2_000;

/// Bytes of them.
const SEARCHED_BYTES: u64 = 1024 * 1024;

/// Places of a step that are kept.
const FINDINGS: usize = 50;

/// How much of a log is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) first_lines: usize,
    pub(super) last_lines: usize,
    pub(super) bytes: usize,
}

/// Lines of a log as they are printed, and how many there are in all.
#[derive(Debug, Default)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) total: u64,
}

/// The first and the last lines of the log of an attempt, each behind a bar.
pub(super) fn excerpt(
    source: &dyn RunSource,
    logs: &mut dyn Logs,
    (step, of): (&StepView, &AttemptRef),
    extent: Extent,
    colour: bool,
) -> Result<Excerpt, RecordError> {
    let Extent { first_lines, last_lines, bytes } = extent;
    let tail = logs.tail(of, last_lines, u64::try_from(bytes).unwrap_or(u64::MAX) / 4 * 3)?;
    let before = tail.total.saturating_sub(tail.lines.len() as u64);
    let wanted = first_lines.min(usize::try_from(before).unwrap_or(usize::MAX));
    let mut text = String::new();
    let mut first = 0;
    if wanted > 0 && !tail.cut {
        let mut stream = LogStream::new(source.record().log(of)?);
        for _ in 0..FIRST_READS {
            let more = stream.read(|cut| {
                if first < wanted && text.len() < bytes / 4 {
                    print(&mut text, &shown_line(step, cut.stream, cut.bytes), false, colour);
                    first += 1;
                }
            })?;
            if !more || first == wanted || text.len() >= bytes / 4 {
                break;
            }
        }
    }
    let hidden = before.saturating_sub(first as u64);
    if hidden > 0 {
        let noun = if hidden == 1 { "line" } else { "lines" };
        let _ = writeln!(text, "  … {hidden} {noun} not shown");
    }
    for (index, (stream, bytes)) in tail.lines.iter().enumerate() {
        print(&mut text, &shown_line(step, *stream, bytes), tail.cut && index == 0, colour);
    }
    Ok(Excerpt { text, total: tail.total })
}

/// A line of a log as it is shown: what is for roboppi in words.
pub(in crate::plain) fn shown_line<'l>(
    step: &StepView,
    stream: OutputStream,
    bytes: &'l [u8],
) -> Cow<'l, [u8]> {
    if is_script(step) { shown(stream, bytes) } else { Cow::Borrowed(bytes) }
}

fn print(text: &mut String, bytes: &[u8], begins_within: bool, colour: bool) {
    let cut = &bytes[..bytes.len().min(LONGEST_LINE)];
    let shown = line(cut, colour);
    let before = if begins_within { "…" } else { "" };
    let after = if cut.len() < bytes.len() { "…" } else { "" };
    let space = if shown.is_empty() { "" } else { " " };
    let _ = writeln!(text, "  |{space}{before}{shown}{after}");
}

/// The places that the log of an attempt names, the first ones of each.
pub(in crate::plain) fn findings(
    source: &dyn RunSource,
    logs: &mut dyn Logs,
    of: &AttemptRef,
) -> Result<Vec<Finding>, RecordError> {
    let mut finder = PlaceFinder::default();
    let mut found: Vec<Finding> = Vec::new();
    let mut take = |line: &[u8]| {
        if let Some(finding) = finder.push(line)
            && found.len() < FINDINGS
            && !found.contains(&finding)
        {
            found.push(finding);
        }
    };
    let mut stream = LogStream::new(source.record().log(of)?);
    for _ in 0..SEARCHED_READS {
        if !stream.read(|cut| take(cut.bytes))? {
            stream.finish(|cut| take(cut.bytes));
            return Ok(found);
        }
    }
    for (_, line) in logs.tail(of, SEARCHED_LINES, SEARCHED_BYTES)?.lines {
        take(&line);
    }
    Ok(found)
}
