//! The beginning and the end of a log.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use roboppi_attach::RunSource;
use roboppi_ipc::OutputStream;
use roboppi_record::RecordError;
use roboppi_run::{AttemptRef, StepView};
use roboppi_untrusted::line;

use crate::places::{Finding, PlaceFinder, Severity};
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

/// Places of a step that are kept of each severity.
const FINDINGS: usize = 50;

/// Different places of a step that are counted.
const SEEN: usize = 100_000;

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
                    print(&mut text, &shown_line(step, of, cut.stream, cut.bytes), false, colour);
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
        print(&mut text, &shown_line(step, of, *stream, bytes), tail.cut && index == 0, colour);
    }
    Ok(Excerpt { text, total: tail.total })
}

/// A line of a log as it is shown: what is for roboppi in words.
pub(in crate::plain) fn shown_line<'l>(
    step: &StepView,
    of: &AttemptRef,
    stream: OutputStream,
    bytes: &'l [u8],
) -> Cow<'l, [u8]> {
    if is_script(step, of) { shown(stream, bytes) } else { Cow::Borrowed(bytes) }
}

fn print(text: &mut String, bytes: &[u8], begins_within: bool, colour: bool) {
    let cut = &bytes[..bytes.len().min(LONGEST_LINE)];
    let shown = line(cut, colour);
    let before = if begins_within { "…" } else { "" };
    let after = if cut.len() < bytes.len() { "…" } else { "" };
    let space = if shown.is_empty() { "" } else { " " };
    let _ = writeln!(text, "  |{space}{before}{shown}{after}");
}

/// Bytes of output that are still to be searched for places: a run of many long logs must end, too.
#[derive(Debug)]
pub(in crate::plain) struct Search(u64);

impl Default for Search {
    fn default() -> Self {
        Self(64 * 1024 * 1024)
    }
}

/// The places that a log names, errors first, and how many there are beyond those.
#[derive(Debug, Default)]
pub(in crate::plain) struct Found {
    pub(in crate::plain) places: Vec<Finding>,
    pub(super) more_errors: usize,
    pub(super) more_warnings: usize,
    /// A part of the log was not searched.
    pub(super) is_partial: bool,
}

impl Found {
    pub(super) fn not_searched() -> Self {
        Self { is_partial: true, ..Self::default() }
    }

    /// Places beyond the first `shown`.
    pub(in crate::plain) fn beyond(&self, shown: usize) -> usize {
        self.places.len().saturating_sub(shown) + self.more_errors + self.more_warnings
    }
}

/// What stands before the message of a place: an error needs no word.
pub(in crate::plain) const fn severity_word(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    }
}

/// `1 more place`.
pub(in crate::plain) fn more_places(count: usize) -> String {
    format!("{count} more place{}", if count == 1 { "" } else { "s" })
}

/// Keeps the first places of each severity, so that warnings displace no error.
#[derive(Default)]
struct Collector {
    finder: PlaceFinder,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Hashes of what was found: build tools repeat what they print.
    seen: HashSet<u64>,
    found: Found,
    bytes: u64,
}

impl Collector {
    fn take(&mut self, line: &[u8]) {
        self.bytes += line.len() as u64 + 1;
        let Some(finding) = self.finder.push(line) else { return };
        let mut hasher = DefaultHasher::new();
        let Finding { severity, file, line, column, message } = &finding;
        (*severity == Severity::Error, file, line, column, message).hash(&mut hasher);
        if self.seen.len() >= SEEN || !self.seen.insert(hasher.finish()) {
            return;
        }
        let (kept, more) = match finding.severity {
            Severity::Error => (&mut self.errors, &mut self.found.more_errors),
            Severity::Warning => (&mut self.warnings, &mut self.found.more_warnings),
        };
        if kept.len() < FINDINGS { kept.push(finding) } else { *more += 1 }
    }

    fn finish(self, is_partial: bool) -> Found {
        let mut places = self.errors;
        places.extend(self.warnings);
        Found { places, is_partial: is_partial || self.seen.len() >= SEEN, ..self.found }
    }
}

/// The places that the log of an attempt names, the first ones of each severity.
pub(in crate::plain) fn findings(
    source: &dyn RunSource,
    logs: &mut dyn Logs,
    of: &AttemptRef,
    search: &mut Search,
) -> Result<Found, RecordError> {
    if search.0 == 0 {
        return Ok(Found::not_searched());
    }
    let mut all = Collector::default();
    let mut stream = LogStream::new(source.record().log(of)?);
    let mut is_whole = false;
    for _ in 0..SEARCHED_READS {
        if all.bytes >= search.0 {
            break;
        }
        if !stream.read(|cut| all.take(cut.bytes))? {
            stream.finish(|cut| all.take(cut.bytes));
            is_whole = true;
            break;
        }
    }
    if !is_whole && all.bytes < search.0 {
        // What stopped a program is at the end. The first of these lines does not follow the last one above.
        all.finder = PlaceFinder::default();
        for (_, line) in logs.tail(of, SEARCHED_LINES, SEARCHED_BYTES)?.lines {
            all.take(&line);
        }
    }
    search.0 = search.0.saturating_sub(all.bytes);
    Ok(all.finish(!is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{LiveRun, attempt, run_started};
    use crate::plain::log::SourceLogs;

    #[test]
    fn warnings_displace_no_error_and_what_exceeds_is_counted() {
        let mut run = LiveRun::new();
        run.event(run_started(&[("work", 1)]));
        let of = attempt("work", 1);
        run.start(&of);
        let mut text = String::new();
        for line in 1..=FINDINGS + 7 {
            let _ = writeln!(text, "a.c:{line}:1: warning: w");
        }
        // The second one is the same.
        text += "b.c:3:1: error: e\nb.c:3:1: error: e\n";
        run.output(&of, OutputStream::Stdout, text.as_bytes(), true);
        run.finish(&of, 1);
        run.close();
        let source = run.source();
        let mut logs = SourceLogs(source.clone());
        let mut search = Search(u64::MAX);
        let found = findings(source.as_ref(), &mut logs, &of, &mut search).unwrap();
        assert_eq!(found.places[0].file, "b.c");
        assert_eq!((found.places.len(), found.more_errors, found.more_warnings), (FINDINGS + 1, 0, 7));
        assert!(!found.is_partial && search.0 == u64::MAX - text.len() as u64, "{search:?}");
        let none = findings(source.as_ref(), &mut logs, &of, &mut Search(0)).unwrap();
        assert!(none.places.is_empty() && none.is_partial);
    }
}
