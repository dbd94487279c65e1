//! The record of one attempt. It comes before anything is shown, and its failure stops nothing.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use roboppi_ipc::{OutputStream, OverLimit, RecordLimits, RecordTarget, UtcMillis};
use roboppi_record::{
    AppendedEvent, BlobWriter, Bound, EventFileWriter, EventReadBack, GivenUpEvents, LogLimits, RecordError,
    RecordedEvent, RunUsage, SpoolWriter,
};
use tempfile::TempDir;

use super::budgets::{Budgets, RunBudget};
use crate::live::{Offered, ReadBack, StoredRange};

/// Files of an attempt that nobody asked to keep.
const PRIVATE_BASE: &str = "steps/worker/i1-a1";

/// A file that has reached a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LimitReached {
    pub(super) what: Kept,
    pub(super) bound: Bound,
    /// Its beginning and its end are kept, and not only its beginning.
    pub(super) keeps_end: bool,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Log,
    Events,
}

/// Writes the log and the event file of one attempt.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    files: Option<(SpoolWriter, EventFileWriter)>,
    blobs: Option<BlobWriter>,
    /// Reads events back that had no room on the wire.
    read_back: Option<EventReadBack>,
    /// Length of the event file when it was closed.
    events_len: u64,
    /// What of the event file is not there any more.
    events_given_up: Option<GivenUpEvents>,
    /// Length of the log; goes on when nothing can be written.
    len: u64,
    trouble: Option<String>,
    /// Something could not be written.
    failed: bool,
    /// Since events were flushed last, one of them was lost, and perhaps others that waited with it.
    lost: bool,
    /// The user knows that the record has holes.
    is_reported: Rc<Cell<bool>>,
    limits: RecordLimits,
    /// What was found to be too large, and told.
    reached: Vec<Kept>,
    /// Removed with the recorder.
    private: Option<TempDir>,
}

impl Recorder {
    /// `exact` is the directory, where that of `target` is only its text.
    pub(super) fn open(target: Option<&RecordTarget>, exact: Option<&Path>, budgets: &Budgets) -> Self {
        let mut recorder = Self::default();
        let Some(RecordTarget { dir, base, limits }) = target else { return recorder.open_private() };
        let dir = exact.unwrap_or_else(|| Path::new(dir));
        recorder.limits = limits.unwrap_or_default();
        let RunBudget { usage, is_reported } = budgets.of(dir, recorder.limits.run_bytes);
        recorder.is_reported = is_reported;
        match recorder.open_in(dir, base, Some(usage)) {
            Ok(()) => recorder,
            Err(error) => {
                recorder.fail(&error);
                recorder.open_private()
            }
        }
    }

    fn open_in(&mut self, dir: &Path, base: &str, usage: Option<Rc<RunUsage>>) -> Result<(), RecordError> {
        let RecordLimits { log_bytes, min_free_bytes, over, .. } = self.limits;
        let keeps_all = over == OverLimit::Warn;
        let bytes = if keeps_all { LogLimits::NONE.bytes } else { log_bytes };
        let limits = LogLimits { bytes, min_free: min_free_bytes };
        let usage = usage.filter(|_| !keeps_all);
        let spool = SpoolWriter::within(dir, base, limits, usage.clone())?;
        self.blobs = Some(BlobWriter::within(dir, limits, usage.clone()));
        self.files = Some((spool, EventFileWriter::within(dir, base, limits, usage)?));
        self.read_back = Some(EventReadBack::new(dir, base)?);
        Ok(())
    }

    fn open_private(mut self) -> Self {
        match tempfile::Builder::new().prefix("roboppi-core-").tempdir() {
            Ok(dir) => {
                if let Err(error) = self.open_in(dir.path(), PRIVATE_BASE, None) {
                    self.fail(&error);
                }
                self.private = Some(dir);
            }
            Err(error) => self.note(format!("cannot make a temporary directory: {error}")),
        }
        self
    }

    /// Appends output and gives its offset in the log.
    pub(super) fn output(&mut self, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> u64 {
        let offset = self.len;
        self.len += bytes.len() as u64;
        if let Some((spool, _)) = &mut self.files {
            let problem = spool.append(stream, bytes, ts).err().or_else(|| spool.take_index_error());
            if let Some(error) = problem {
                self.fail(&error);
            }
        }
        offset
    }

    /// Puts a large value aside and gives its name, unless there is no room or no way to write it.
    pub(super) fn blob(&mut self, content: &[u8]) -> Option<String> {
        match self.blobs.as_mut()?.put(content) {
            Ok(name) => name,
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// What has become too large, each of them once.
    pub(super) fn take_limit_reached(&mut self) -> Option<LimitReached> {
        let (spool, events) = self.files.as_ref()?;
        // One that is kept whole has outgrown its limit too.
        let is_cut = !matches!(self.limits.over, OverLimit::Warn | OverLimit::Kill);
        // What is kept of a log that is cut is never less than this.
        let limit = self.limits.log_bytes.max(if is_cut { LogLimits::SMALLEST } else { 0 });
        let is_log_over = spool.len() - spool.lost() > limit;
        let log = spool.bound().or(is_log_over.then_some(Bound::File(limit)));
        let log = log.map(|bound| LimitReached { what: Kept::Log, bound, keeps_end: spool.given_up() > 0 });
        let of_events = |bound| LimitReached { what: Kept::Events, bound, keeps_end: events.keeps_its_end() };
        let of_events = events.bound().map(of_events);
        let new = |found: &LimitReached| !self.reached.contains(&found.what);
        let found = [log, of_events].into_iter().flatten().find(new)?;
        self.reached.push(found.what);
        Some(found)
    }

    /// How much of the disk may be taken.
    pub(super) const fn limits(&self) -> RecordLimits {
        self.limits
    }

    /// Makes an event one of those that [`flush_events`](Self::flush_events) writes. Says how long it is, and where, unless there
    /// is no room or no way to write it.
    pub(super) fn event(&mut self, record: &RecordedEvent) -> (u64, Option<StoredRange>) {
        let Some((spool, events)) = &mut self.files else { return (0, None) };
        let written = events.hold(record);
        self.events_len = events.len();
        self.events_given_up = events.given_up();
        spool.leave_room_for(events.kept());
        match written {
            Ok(AppendedEvent { offset, len, before }) => {
                (len, offset.map(|start| StoredRange { start, end: start + len, before }))
            }
            Err(error) => {
                self.lost = true;
                self.fail(&error);
                (0, None)
            }
        }
    }

    /// Writes the events that wait. Says whether all since the last call are where was said: what waits is written earlier
    /// when there is much of it, and that may have failed.
    pub(super) fn flush_events(&mut self) -> bool {
        if let Some((_, events)) = &mut self.files {
            let flushed = events.flush();
            self.events_len = events.len();
            if let Err(error) = flushed {
                self.lost = true;
                self.fail(&error);
            }
        }
        !std::mem::take(&mut self.lost)
    }

    /// Reads the first event of a range of the file that is still there.
    pub(super) fn read_event(&mut self, range: StoredRange) -> Option<ReadBack> {
        let hole = self.events_given_up.filter(|hole| (hole.from..hole.to).contains(&range.start));
        let (start, skipped) =
            hole.map_or((range.start, 0), |hole| (hole.to, hole.before.saturating_sub(range.before)));
        if start >= range.end {
            return None;
        }
        let (event, length) = self.read_back.as_mut()?.read_at(start)?;
        Some(ReadBack { event: Offered::Recorded(event), next: start + length, skipped })
    }

    /// Length of the log, lost bytes included.
    pub(super) const fn log_bytes(&self) -> u64 {
        self.len
    }

    /// Length of the event file.
    pub(super) const fn events_bytes(&self) -> u64 {
        self.events_len
    }

    /// The first problem, once.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Says in the event file what is missing there. Nothing comes after that.
    pub(super) fn finish(&mut self) {
        let Some((_, events)) = &mut self.files else { return };
        let finished = events.finish();
        self.events_len = events.len();
        if let Err(error) = finished {
            self.fail(&error);
        }
    }

    /// Closes the files, so that everything is in them; a private directory stays until the recorder goes.
    pub(super) fn close(&mut self) {
        if let Some((spool, _)) = &mut self.files
            && let Err(error) = spool.close()
        {
            self.fail(&error);
        }
        self.files = None;
        self.blobs = None;
    }

    /// Whether everything so far is where it was asked to be, and readers can tell which stream it came from.
    pub(super) fn is_readable(&self) -> bool {
        let knows_streams = self.files.as_ref().is_some_and(|(spool, _)| spool.knows_streams());
        knows_streams && self.private.is_none() && !self.failed
    }

    fn fail(&mut self, error: &RecordError) {
        self.failed = true;
        self.note(format!("the record of a worker is incomplete (reported once): {error}"));
    }

    fn note(&mut self, trouble: String) {
        if !self.is_reported.replace(true) {
            self.trouble = Some(trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{AgentText, WorkerEvent};

    use super::*;

    #[test]
    fn events_that_waited_with_a_lost_one_are_not_said_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let limits = RecordLimits { min_free_bytes: u64::MAX, ..RecordLimits::default() };
        let target = RecordTarget {
            dir: dir.path().to_str().unwrap().into(),
            base: PRIVATE_BASE.into(),
            limits: Some(limits),
        };
        let mut recorder = Recorder::open(Some(&target), None, &Budgets::default());
        let event = WorkerEvent::Text(AgentText::new("I look."));
        let record = RecordedEvent::new(0, UtcMillis(0), 0, &event).unwrap();
        assert_eq!(recorder.event(&record).1, None, "too little is free");
        assert!(!recorder.flush_events(), "nothing waits, and one was lost");
        assert!(recorder.flush_events(), "it was told");
    }
}
