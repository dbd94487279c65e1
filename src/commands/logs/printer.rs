//! Prints the logs of a run as it goes on.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use roboppi_journal::{LogLine, LogPiece, LogReader, RunDir};
use roboppi_run::{AttemptRef, AttemptStatus, AttemptView, RunView, StepId, StepView};

use super::lines::{Filter, LineCursor};
use super::{PIECE, Print, lost_words};
use crate::terminal;

/// Which attempts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The last one there is, and those that come.
    Last,
    /// All.
    All,
    /// Those of this number.
    Number(u32),
}

pub(super) struct Settings {
    pub(super) step: Option<StepId>,
    pub(super) which: Which,
    pub(super) filter: Filter,
    /// Begin with so many lines of each log.
    pub(super) tail: Option<usize>,
    pub(super) follow: bool,
}

/// Prints what the logs of a run have gained, attempt by attempt.
pub(super) struct Printer<W> {
    run: RunDir,
    settings: Settings,
    out: W,
    /// The first attempt shown of each step that is known.
    first: HashMap<StepId, usize>,
    logs: HashMap<AttemptRef, Option<Cursor>>,
    begun: bool,
    headed: bool,
    /// Whose output came last, and whether it ended its line.
    last: Option<(AttemptRef, bool)>,
}

enum Cursor {
    /// As it is, from an offset on.
    Bytes(LogReader, u64),
    Lines(LineCursor),
}

impl<W: Write> Printer<W> {
    pub(super) fn new(run: RunDir, settings: Settings, out: W) -> Self {
        Self {
            run,
            settings,
            out,
            first: HashMap::new(),
            logs: HashMap::new(),
            begun: false,
            headed: false,
            last: None,
        }
    }

    /// Prints what is new. With `is_over` nothing more will come.
    pub(super) fn advance(&mut self, view: &RunView, is_over: bool) -> Result<(), Print> {
        let mut shown = Vec::new();
        for step in &view.steps {
            if self.settings.step.as_ref().is_none_or(|wanted| *wanted == step.plan.step) {
                shown.extend(self.attempts_of(step));
            }
        }
        if !self.begun {
            let one = self.settings.step.is_some() && self.settings.which != Which::All;
            self.headed = !one && (self.settings.follow || shown.len() > 1);
        }
        for attempt in shown {
            let ended = is_over || matches!(attempt.status, AttemptStatus::Finished { .. });
            if let Err(error) = self.print(attempt, ended) {
                match error {
                    Print::Out(_) => return Err(error),
                    // The other logs can still be read.
                    Print::Record(error) => {
                        self.say(&format!("warning: {error}"));
                        self.logs.insert(attempt.of.clone(), None);
                    }
                }
            }
        }
        self.begun = true;
        self.out.flush().map_err(Print::Out)
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
            Which::Number(number) => attempt.of.attempt == number,
            Which::Last | Which::All => true,
        };
        step.attempts.iter().skip(first).filter(wanted).collect()
    }

    fn print(&mut self, attempt: &AttemptView, ended: bool) -> Result<(), Print> {
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
            Cursor::Bytes(log, offset) => self.print_bytes(of, log, offset)?,
            Cursor::Lines(lines) => {
                // The last lines of what was there at the beginning, and everything that came later.
                let tail = self.settings.tail.filter(|_| is_new && !self.begun);
                self.print_lines(of, lines, tail, ended)?;
            }
        }
        self.logs.insert(of.clone(), (!ended).then_some(cursor));
        Ok(())
    }

    fn open(&self, attempt: &AttemptView) -> Result<Cursor, Print> {
        let log = self.run.log(&attempt.base).map_err(Print::Record)?;
        let one = self.settings.step.is_some();
        if one && self.settings.filter.is_plain() && self.settings.tail.is_none() {
            return Ok(Cursor::Bytes(log, 0));
        }
        let mut lines = LineCursor::new(log);
        if let Some(count) = self.settings.tail.filter(|_| self.settings.filter.is_plain() && !self.begun) {
            lines.skip_to_tail(count as u64).map_err(Print::Record)?;
        }
        Ok(Cursor::Lines(lines))
    }

    fn print_bytes(&mut self, of: &AttemptRef, log: &mut LogReader, offset: &mut u64) -> Result<(), Print> {
        log.refresh().map_err(Print::Record)?;
        while *offset < log.len() {
            match log.read(*offset, PIECE).map_err(Print::Record)? {
                LogPiece::Bytes(bytes) if bytes.is_empty() => break,
                LogPiece::Bytes(bytes) => {
                    self.head(of).map_err(Print::Out)?;
                    self.out.write_all(&bytes).map_err(Print::Out)?;
                    self.last = Some((of.clone(), bytes.ends_with(b"\n")));
                    *offset += bytes.len() as u64;
                }
                LogPiece::Lost { len } => {
                    self.say_lost(of, len);
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
    ) -> Result<(), Print> {
        let mut kept: VecDeque<LogLine> = VecDeque::new();
        lines.refresh().map_err(Print::Record)?;
        loop {
            let batch = lines.read(ended).map_err(Print::Record)?;
            if batch.is_empty() {
                break;
            }
            for line in batch {
                if line.lost > 0 {
                    self.say_lost(of, line.lost);
                }
                let is_gap = line.bytes.is_empty() && line.lost > 0;
                if is_gap || !self.settings.filter.keeps(&line) {
                    continue;
                }
                match tail {
                    None => self.print_line(of, &line).map_err(Print::Out)?,
                    Some(count) => {
                        kept.push_back(line);
                        if kept.len() > count {
                            kept.pop_front();
                        }
                    }
                }
            }
        }
        for line in kept {
            self.print_line(of, &line).map_err(Print::Out)?;
        }
        Ok(())
    }

    fn print_line(&mut self, of: &AttemptRef, line: &LogLine) -> io::Result<()> {
        if line.truncated {
            self.say(&format!("roboppi: a line of {of} is too long and was cut"));
        }
        self.head(of)?;
        self.settings.filter.write(line, &mut self.out)?;
        self.last = Some((of.clone(), true));
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
        writeln!(self.out, "==> {} <==", terminal::plain(&of.to_string()))
    }

    fn say_lost(&mut self, of: &AttemptRef, len: u64) {
        self.say(&lost_words(of, len));
    }

    /// Says it behind what was printed before.
    fn say(&mut self, text: &str) {
        // The next write meets the same error.
        let _ = self.out.flush();
        terminal::say(text);
    }
}
