//! A run for programs: one JSON object a line, and nothing else.
//!
//! Two kinds of lines carry what happened:
//!
//! * `{"v":1,"seq":…,"ts":…,"event":{…}}`: a record of the journal. They are all there, in order, `seq`
//!   1, 2, 3 …, from `run_started` to `run_finished`, which is the last line of a run whose supervisor lived.
//! * `{"v":1,"attempt":{"step":…,"iteration":…,"attempt":…},"seq":…,"ts":…,"event":{…}}`: an event of an
//!   attempt, between its `attempt_started` and its `attempt_finished`. Among the recorded ones (tool calls,
//!   usage, patches …) none is missing, unless the record itself could not keep it: then a `gap` event stands in
//!   its place, whose `recorded` counts them, and counts made of the others are lower bounds. Output and partial
//!   text are sent as they come and may be shed when the reader is slow; the hole is said with a `gap` event,
//!   whose offsets tell which bytes of the attempt's log in the run directory hold the rest. Holes of different
//!   cause may overlap. An event of output has text of one stream, of at most 16 KiB; output that was announced
//!   together has one number, and its events follow each other in the log.
//!
//! `ts` is UTC in milliseconds. Only when the journal itself cannot be read there is a third kind,
//! `{"v":1,"missing":{"fromSeq":…,"toSeq":…}}` (half open), where records of it should be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use roboppi_attach::RunSource;
use roboppi_ipc::{LogGrew, UtcMillis, WorkerEvent};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunView};

use super::detached;
use super::follower::{Follower, Item};

mod hole;
mod line;
mod text;

use hole::EmittedUpTo;
use line::missing_line;
#[cfg(feature = "schema")]
pub(crate) use line::{AttemptLine, JournalLine, MissingLine};
pub(crate) use line::{attempt_line, journal_line};
use text::AnnouncedText;

/// Writes the run of `source` to `out` until the run is over and everything is written. Blocks, so it needs
/// a thread of its own, which must not be one of an async runtime.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run(source: Arc<dyn RunSource>, out: impl Write) -> io::Result<()> {
    detached(JsonSink::new(source, out)?.run())
}

struct JsonSink<W: Write> {
    source: Arc<dyn RunSource>,
    follower: Follower,
    out: BufWriter<W>,
    /// Number of the last journal record written.
    seq: u64,
    /// What was told of attempts; `None` for those that are over.
    attempts: HashMap<AttemptRef, Option<EmittedUpTo>>,
    /// Logs of attempts under way whose output is announced.
    texts: HashMap<AttemptRef, AnnouncedText>,
}

impl<W: Write> JsonSink<W> {
    fn new(source: Arc<dyn RunSource>, out: W) -> io::Result<Self> {
        Ok(Self {
            follower: Follower::new(Arc::clone(&source))?,
            source,
            out: BufWriter::new(out),
            seq: 0,
            attempts: HashMap::new(),
            texts: HashMap::new(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            let item = match self.follower.try_next() {
                Some(item) => item,
                None => {
                    self.out.flush()?;
                    let Some(item) = self.follower.wait(None) else { continue };
                    item
                }
            };
            if self.take(item)? {
                break;
            }
        }
        self.out.flush()
    }

    /// Writes one item. Says whether it was the last one.
    fn take(&mut self, item: Item) -> io::Result<bool> {
        match item {
            Item::Journal(record) => {
                self.journal(&record)?;
                return Ok(matches!(record.event, RunEvent::RunFinished { .. }));
            }
            Item::Attempt(of, record) => self.attempt(&of, &record)?,
            Item::Recorded(of, record) => self.recorded(&of, &record)?,
            Item::CaughtUp(view) => self.caught_up(&view)?,
            Item::Ended | Item::Stopped => return Ok(true),
        }
        Ok(false)
    }

    fn journal(&mut self, record: &JournalRecord) -> io::Result<()> {
        if let RunEvent::AttemptFinished { of, last_seq, log_bytes, .. } = &record.event {
            self.finish_attempt(of, *last_seq, *log_bytes, record.ts)?;
        }
        self.print_missing(record.seq)?;
        self.seq = record.seq;
        self.write(&journal_line(record)?)
    }

    /// Says which records before `next` could not be had.
    fn print_missing(&mut self, next: u64) -> io::Result<()> {
        if next > self.seq + 1 {
            self.write(&missing_line(self.seq + 1, next)?)?;
        }
        Ok(())
    }

    fn attempt(&mut self, of: &AttemptRef, record: &AttemptRecord) -> io::Result<()> {
        let grew = match record.event {
            WorkerEvent::LogGrew(grew) => Some(grew),
            _ => None,
        };
        if grew.is_some_and(|grew| !grew.stdout && !grew.stderr) {
            // Files do not say what of them is text for people. The gap at the end has these bytes.
            return Ok(());
        }
        let emitted = self.attempts.entry(of.clone()).or_insert_with(|| Some(EmittedUpTo::default()));
        let Some(emitted) = emitted else { return Ok(()) };
        let hole = emitted.live(record);
        if let Some(hole) = hole {
            self.write(&attempt_line(of, &hole)?)?;
        }
        match grew {
            Some(grew) => self.announced(of, record, grew),
            None => self.write(&attempt_line(of, record)?),
        }
    }

    /// Writes the output that is in the log, as `record` says.
    fn announced(&mut self, of: &AttemptRef, record: &AttemptRecord, grew: LogGrew) -> io::Result<()> {
        let opened = match self.texts.entry(of.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => self.source.record().log(of).map(|log| new.insert(AnnouncedText::new(log))),
        };
        let Ok(text) = opened else {
            let hole = text::missing(record, grew.offset, grew.end());
            return self.write(&attempt_line(of, &hole)?);
        };
        if text.announced(grew).is_ok() {
            while let Ok(Some(output)) = text.next(record) {
                writeln_to(&mut self.out, &attempt_line(of, &output)?)?;
            }
        }
        // What cannot be read is a hole as well.
        match text.rest(record) {
            Some(hole) => self.write(&attempt_line(of, &hole)?),
            None => Ok(()),
        }
    }

    /// What attempts under way did while records were missed.
    fn caught_up(&mut self, view: &RunView) -> io::Result<()> {
        let until = view.position.journal_seq;
        self.print_missing(until + 1)?;
        self.seq = self.seq.max(until);
        for attempt in view.steps.iter().flat_map(|step| &step.attempts) {
            let over = attempt.finished_at.is_some();
            let emitted =
                self.attempts.entry(attempt.of.clone()).or_insert_with(|| Some(EmittedUpTo::default()));
            match (emitted, over) {
                (Some(emitted), false) => emitted.missed(),
                (Some(_), true) => {
                    // Its end is among the records that could not be had.
                    let ended = attempt.finished_at.unwrap_or(attempt.status_at);
                    self.finish_attempt(&attempt.of, None, attempt.log_bytes(), ended)?;
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Nothing more comes from an attempt: what it wrote and was not told is in its log.
    fn finish_attempt(
        &mut self,
        of: &AttemptRef,
        last_seq: Option<u64>,
        log_bytes: u64,
        ended: UtcMillis,
    ) -> io::Result<()> {
        let text = self.texts.remove(of);
        for left in text.into_iter().flat_map(|text| text.finish(last_seq.unwrap_or_default(), ended)) {
            self.write(&attempt_line(of, &left)?)?;
        }
        self.attempts.entry(of.clone()).or_insert_with(|| Some(EmittedUpTo::default()));
        let hole = match self.attempts.insert(of.clone(), None) {
            Some(Some(mut emitted)) => emitted.end(last_seq, log_bytes, ended),
            Some(None) | None => None,
        };
        match hole {
            Some(hole) => self.write(&attempt_line(of, &hole)?),
            None => Ok(()),
        }
    }

    /// Writes a recorded event that was not seen live.
    fn recorded(&mut self, of: &AttemptRef, record: &AttemptRecord) -> io::Result<()> {
        let emitted = self.attempts.entry(of.clone()).or_insert_with(|| Some(EmittedUpTo::default()));
        let Some(emitted) = emitted else { return Ok(()) };
        emitted.recorded(record);
        self.write(&attempt_line(of, record)?)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        writeln_to(&mut self.out, line)
    }
}

fn writeln_to(out: &mut impl Write, line: &str) -> io::Result<()> {
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
