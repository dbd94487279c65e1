//! Prints the logs of a run as it goes on.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use roboppi_attach::{LocalRun, RunFollower};
use roboppi_record::{Log, LogLine, LogPiece, RecordStore};
use roboppi_run::{
    AttemptFilter, AttemptRef, AttemptStatus, AttemptView, RunRecord, RunView, StepPath, StepView,
};
use roboppi_untrusted::first_words;

use super::lines::{LineCursor, LineFilter, Part};
use super::missing::{self, Missing};
use super::{PIECE, open, recorded_files};
use crate::follow::{Ended, Printer, follow};
use crate::scripted::is_script;
use crate::{Audience, ReportError, select};

/// Which attempts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last one there is, and those that come.
    Last,
    /// All.
    All,
    /// These.
    Only(AttemptFilter),
}

impl Which {
    fn filter(self) -> AttemptFilter {
        match self {
            Self::Only(filter) => filter,
            Self::Last | Self::All => AttemptFilter::default(),
        }
    }
}

/// What of the logs of a run is printed, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Only of these steps; of all when there are none.
    pub steps: Vec<StepPath>,
    /// Of which attempts.
    pub which: Which,
    /// Which lines.
    pub filter: LineFilter,
    /// Begin with so many lines of each log.
    pub tail: Option<usize>,
    /// Go on until the run is over.
    pub follow: bool,
    /// Name each log before its lines, also when it is the only one.
    pub headed: bool,
}

/// Prints some lines of the logs of a run, or goes on printing until the run is over. What the record has lost is noted beside
/// them, and so is damage, of which it is returned whether there is any.
///
/// # Errors
/// When `out` cannot be written, or the run has no such step or attempt.
pub fn print(
    run: &LocalRun,
    settings: LogSettings,
    out: impl Write,
    audience: Audience<'_>,
) -> Result<bool, ReportError> {
    let mut follower = RunFollower::of_journal(run);
    let view = follower.begin();
    let until_over = settings.follow;
    let record = run.record();
    let mut printer = LogPrinter::new(record.as_ref(), view, settings, out, audience);
    let ended = follow(follower, record.as_ref(), until_over, &mut printer, audience)?;
    Ok(ended == Ended::Over && printer.is_damaged)
}

/// Prints what the logs of a run have gained, attempt by attempt.
struct LogPrinter<'a, W> {
    record: &'a dyn RecordStore,
    view: RunView,
    settings: LogSettings,
    out: W,
    audience: Audience<'a>,
    /// The first attempt shown of each step that is known.
    first: HashMap<StepPath, usize>,
    logs: HashMap<AttemptRef, Option<Cursor>>,
    begun: bool,
    headed: bool,
    /// Whose output came last, and whether it ended its line.
    last: Option<(AttemptRef, bool)>,
    missing: HashMap<AttemptRef, Missing>,
    is_damaged: bool,
    /// The step that is printed is a script.
    is_script: bool,
    /// A line as it is written.
    text: Vec<u8>,
}

enum Cursor {
    /// As it is, from an offset on.
    Bytes(Box<dyn Log>, u64),
    Lines(LineCursor),
}

impl<W: Write> Printer for LogPrinter<'_, W> {
    fn record(&mut self, record: RunRecord) {
        self.view.apply(&record);
    }

    fn advance(&mut self, is_over: bool) -> Result<(), ReportError> {
        let view = std::mem::take(&mut self.view);
        let printed = self.check(&view, is_over).and_then(|()| self.print_all(&view, is_over));
        self.view = view;
        printed
    }

    /// Time until a line that has not ended is to be shown.
    fn patience(&self) -> Duration {
        let due = self.logs.values().flatten().filter_map(|cursor| match cursor {
            Cursor::Lines(lines) => lines.due(),
            Cursor::Bytes(..) => None,
        });
        due.min().map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()))
    }
}

impl<'a, W: Write> LogPrinter<'a, W> {
    fn new(
        record: &'a dyn RecordStore,
        view: RunView,
        settings: LogSettings,
        out: W,
        audience: Audience<'a>,
    ) -> Self {
        Self {
            record,
            view,
            settings,
            out,
            audience,
            first: HashMap::new(),
            logs: HashMap::new(),
            begun: false,
            headed: false,
            last: None,
            missing: HashMap::new(),
            is_damaged: false,
            is_script: false,
            text: Vec::new(),
        }
    }

    /// Whether there is what was asked for, as far as that is known.
    fn check(&self, view: &RunView, is_over: bool) -> Result<(), ReportError> {
        let steps = &self.settings.steps;
        let filter = self.settings.which.filter();
        if is_over && steps.is_empty() {
            select::attempts(view, None, filter.attempt).map(drop)?;
        }
        for name in steps.iter().map(StepPath::as_str).filter(|_| is_over || view.head.is_some()) {
            let step = select::step(view, name)?;
            if is_over {
                select::attempt(step, filter).map(drop)?;
            }
        }
        Ok(())
    }

    fn print_all(&mut self, view: &RunView, is_over: bool) -> Result<(), ReportError> {
        let mut shown = Vec::new();
        for step in &view.steps {
            let wanted = &self.settings.steps;
            if wanted.is_empty() || wanted.contains(&step.plan.step) {
                let attempts = self.attempts_of(step).into_iter();
                shown.extend(attempts.map(|attempt| (attempt, is_script(step, &attempt.of))));
            }
        }
        if !self.begun {
            let one = self.settings.steps.len() == 1 && self.settings.which != Which::All;
            self.headed = self.settings.headed || !one && (self.settings.follow || shown.len() > 1);
        }
        for (attempt, is_script) in shown {
            self.is_script = is_script;
            let ended = is_over || matches!(attempt.status, AttemptStatus::Finished { .. });
            match self.print(attempt, ended) {
                Ok(()) => {}
                // The other logs can still be read.
                Err(ReportError::Record(error)) => {
                    self.note(&format!("error: {error}"));
                    self.is_damaged = true;
                    self.logs.insert(attempt.of.clone(), None);
                }
                Err(error) => return Err(error),
            }
        }
        self.begun = true;
        self.out.flush().map_err(ReportError::Out)
    }

    fn attempts_of<'v>(&mut self, step: &'v StepView) -> Vec<&'v AttemptView> {
        if step.attempts.is_empty() && !self.begun {
            self.first.insert(step.plan.step.clone(), 0);
        }
        if step.attempts.is_empty() {
            return Vec::new();
        }
        let last =
            if self.settings.which == Which::Last && !self.begun { step.attempts.len() - 1 } else { 0 };
        let first = *self.first.entry(step.plan.step.clone()).or_insert(last);
        let wanted = |attempt: &&AttemptView| match self.settings.which {
            Which::Only(filter) => filter.matches(&attempt.of),
            Which::Last | Which::All => true,
        };
        step.attempts.iter().skip(first).filter(wanted).collect()
    }

    fn print(&mut self, attempt: &AttemptView, ended: bool) -> Result<(), ReportError> {
        let of = &attempt.of;
        let known = self.logs.remove(of);
        let is_new = known.is_none();
        let mut cursor = match known {
            Some(None) => {
                self.logs.insert(of.clone(), None);
                return Ok(());
            }
            Some(Some(cursor)) => cursor,
            None => self.open(attempt)?,
        };
        match &mut cursor {
            Cursor::Bytes(log, offset) => self.print_bytes(of, log.as_mut(), offset)?,
            Cursor::Lines(lines) => {
                // The last lines of what was there at the beginning, and everything that came later.
                let tail = self.settings.tail.filter(|_| is_new && !self.begun);
                self.print_lines(of, lines, tail, ended)?;
            }
        }
        if ended && !matches!(self.logs.get(of), Some(None)) {
            self.end(attempt, &mut cursor)?;
        }
        self.logs.insert(of.clone(), (!ended).then_some(cursor));
        Ok(())
    }

    /// Nothing more comes of a log.
    fn end(&mut self, attempt: &AttemptView, cursor: &mut Cursor) -> Result<(), ReportError> {
        let of = &attempt.of;
        if let Some(missing) = self.missing.remove(of) {
            missing.finish(of, |text| self.note(text));
        }
        let log: &mut dyn Log = match cursor {
            Cursor::Bytes(log, _) => log.as_mut(),
            Cursor::Lines(lines) => lines.log(),
        };
        if let Some(files) = recorded_files(attempt) {
            log.expect(files.log_bytes, files.closed).map_err(ReportError::Record)?;
        }
        let damage = log.damage().map_err(ReportError::Record)?;
        // Behind what was printed before; the next write meets the same error.
        let _ = self.out.flush();
        missing::note_damage(of, &damage, self.audience.note);
        self.is_damaged |= !damage.is_empty();
        Ok(())
    }

    fn open(&self, attempt: &AttemptView) -> Result<Cursor, ReportError> {
        let log = open(self.record, attempt).map_err(ReportError::Record)?;
        let one = self.settings.steps.len() == 1;
        if one && self.settings.filter.is_plain() && self.settings.tail.is_none() {
            return Ok(Cursor::Bytes(log, 0));
        }
        let mut lines = LineCursor::new(log, Instant::now());
        if let Some(count) = self.settings.tail.filter(|_| self.settings.filter.is_plain() && !self.begun) {
            lines.skip_to_tail(count as u64).map_err(ReportError::Record)?;
        }
        Ok(Cursor::Lines(lines))
    }

    fn print_bytes(
        &mut self,
        of: &AttemptRef,
        log: &mut dyn Log,
        offset: &mut u64,
    ) -> Result<(), ReportError> {
        log.refresh().map_err(ReportError::Record)?;
        while *offset < log.len() {
            match log.read(*offset, PIECE).map_err(ReportError::Record)? {
                LogPiece::Bytes(bytes) if bytes.is_empty() => break,
                LogPiece::Bytes(bytes) => {
                    self.head(of).map_err(ReportError::Out)?;
                    self.out.write_all(&bytes).map_err(ReportError::Out)?;
                    self.last = Some((of.clone(), bytes.ends_with(b"\n")));
                    *offset += bytes.len() as u64;
                }
                LogPiece::Lost { len } => {
                    self.note_lost(of, len);
                    *offset += len;
                }
            }
        }
        Ok(())
    }

    fn print_lines(
        &mut self,
        of: &AttemptRef,
        lines: &mut LineCursor,
        tail: Option<usize>,
        ended: bool,
    ) -> Result<(), ReportError> {
        let mut kept: VecDeque<LogLine> = VecDeque::new();
        lines.refresh().map_err(ReportError::Record)?;
        loop {
            let batch = lines.read(ended).map_err(ReportError::Record)?;
            if batch.is_empty() {
                break;
            }
            for line in batch {
                if line.lost > 0 {
                    self.note_lost(of, line.lost);
                }
                let is_gap = line.bytes.is_empty() && line.lost > 0;
                if is_gap {
                    continue;
                }
                // A line that is kept for later waits as it was read: many long ones together would be too much.
                let later = tail.is_some().then(|| line.clone());
                let line = lines.whole(line).map_err(ReportError::Record)?;
                let part = lines.part(&line);
                if !self.settings.filter.keeps(&line) {
                    if part.from > 0 {
                        // Its beginning was a match, and is shown.
                        self.end_line(of).map_err(ReportError::Out)?;
                    }
                    if line.truncated && self.settings.filter.grep.is_some() {
                        self.note(&format!(
                            "roboppi: a line of {of} is longer than 64 MiB; the rest was not searched"
                        ));
                    }
                    continue;
                }
                match tail {
                    None => self.print_line(of, &line, part).map_err(ReportError::Out)?,
                    Some(count) => {
                        kept.extend(later);
                        if kept.len() > count {
                            kept.pop_front();
                        }
                    }
                }
            }
        }
        for line in kept {
            let line = lines.whole(line).map_err(ReportError::Record)?;
            self.print_line(of, &line, Part::default()).map_err(ReportError::Out)?;
        }
        if let Some(line) = lines.take_due(Instant::now()).map_err(ReportError::Record)?
            && !line.complete
            && self.settings.filter.keeps(&line)
        {
            let part = Part { open: true, ..lines.part(&line) };
            self.print_line(of, &line, part).map_err(ReportError::Out)?;
            lines.has_shown(&line);
        }
        Ok(())
    }

    fn print_line(&mut self, of: &AttemptRef, line: &LogLine, part: Part) -> io::Result<()> {
        if line.truncated {
            self.note(&format!("roboppi: a line of {of} is longer than 64 MiB; the rest is not shown"));
        }
        self.head(of)?;
        self.text.clear();
        self.settings.filter.append(line, part, self.is_script, &mut self.text);
        self.out.write_all(&self.text)?;
        match &mut self.last {
            Some((last, ended)) if last == of => *ended = !part.open,
            last => *last = Some((of.clone(), !part.open)),
        }
        Ok(())
    }

    /// Ends the line of which only the beginning was shown.
    fn end_line(&mut self, of: &AttemptRef) -> io::Result<()> {
        if self.last.as_ref().is_some_and(|(last, ended)| last == of && !ended) {
            writeln!(self.out)?;
            self.last = Some((of.clone(), true));
        }
        Ok(())
    }

    /// Says whose output comes now, when that is not clear.
    fn head(&mut self, of: &AttemptRef) -> io::Result<()> {
        match &self.last {
            Some((last, _)) if last == of => return Ok(()),
            None if !self.headed => return Ok(()),
            Some((_, false)) => writeln!(self.out)?,
            Some(_) | None => {}
        }
        writeln!(self.out, "==> {} <==", first_words(&of.to_string()))
    }

    fn note_lost(&mut self, of: &AttemptRef, len: u64) {
        let mut missing = self.missing.remove(of).unwrap_or_default();
        missing.add(of, len, |text| self.note(text));
        self.missing.insert(of.clone(), missing);
    }

    /// Says it behind what was printed before.
    fn note(&mut self, text: &str) {
        // The next write meets the same error.
        let _ = self.out.flush();
        (self.audience.note)(text);
    }
}
