//! The lines that workers print.

use std::collections::HashMap;
use std::sync::Arc;

use roboppi_board::{Change, OutputLine};
use roboppi_record::{LogLine, LogReader, RunDir};
use roboppi_run::{AttemptRef, RunId, RunView};

/// Lines of a log that are handed over at a time; those before them are counted.
const AT_ONCE: u64 = 100;

/// Lines of a log that was there before.
const FIRST: u64 = 10;

/// Bytes of a line that are handed over.
const LONGEST: usize = 400;

/// The logs of attempts that are under way.
#[derive(Debug, Default)]
pub(super) struct Output {
    logs: HashMap<AttemptRef, Log>,
}

#[derive(Debug)]
struct Log {
    reader: LogReader,
    /// Number of the next line; `None` before the first look.
    next: Option<u64>,
}

impl Output {
    /// Hands over the lines that are new.
    pub(super) fn read(
        &mut self,
        dir: &RunDir,
        (id, name): (&RunId, &Arc<str>),
        view: &RunView,
        take: &mut dyn FnMut(Change),
    ) {
        let attempts = view.steps().filter_map(|step| step.attempts.last());
        for attempt in attempts.clone().filter(|attempt| attempt.finished_at.is_none()) {
            if !self.logs.contains_key(&attempt.of) {
                // A log that cannot be read is reported on the screen of its run.
                let Ok(mut reader) = dir.log(&attempt.base()) else { continue };
                reader.set_line_cap(LONGEST);
                self.logs.insert(attempt.of.clone(), Log { reader, next: None });
            }
        }
        let is_open = |of: &AttemptRef| view.attempt(of).is_some_and(|attempt| attempt.finished_at.is_none());
        for (of, log) in &mut self.logs {
            let step: Arc<str> = of.step.as_str().into();
            for (line, skipped) in log.lines() {
                take(Change::Output(OutputLine {
                    number: 0,
                    at: line.ts,
                    run: id.clone(),
                    run_name: Arc::clone(name),
                    step: Arc::clone(&step),
                    stream: line.stream,
                    text: String::from_utf8_lossy(&line.bytes).into_owned(),
                    skipped,
                }));
            }
        }
        // The last lines of one that is over were read right now.
        self.logs.retain(|of, _| is_open(of));
    }
}

impl Log {
    /// The new lines, each with the number of lines before it that are left out.
    fn lines(&mut self) -> Vec<(LogLine, u64)> {
        if !self.reader.refresh().unwrap_or_default() && self.next.is_some() {
            return Vec::new();
        }
        let lines = self.reader.tail(if self.next.is_some() { AT_ONCE } else { FIRST }).unwrap_or_default();
        let mut next = self.next.unwrap_or_else(|| lines.first().map_or(0, |line| line.number));
        let mut found = Vec::new();
        for line in lines.into_iter().filter(|line| line.complete) {
            if line.number < next {
                continue;
            }
            let skipped = line.number - next;
            next = line.number + 1;
            found.push((line, skipped));
        }
        self.next = Some(next);
        found
    }
}
