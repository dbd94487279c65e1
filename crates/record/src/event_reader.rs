//! Reads the event file of an attempt while it grows.

use std::path::Path;

use roboppi_ipc::{Gap, WorkerEvent};
use roboppi_run::{AttemptActivity, AttemptRecord};

use crate::base::Base;
use crate::hole::HoleReader;
use crate::record_reader::{NextLine, RecordReader};
use crate::{EventPosition, RecordError, RunDir, event_snapshot};

/// Reads the event file of an attempt.
///
/// As an iterator it ends at the last whole line; asked again later it goes on with what was added. A line that is no
/// record is an error, and the next one can still be read. What was given up of the file, before it was read, is a record
/// of a [`Gap`].
#[derive(Debug)]
pub struct EventReader {
    base: Base,
    records: RecordReader<AttemptRecord>,
    hole: HoleReader,
    /// Events before the next line.
    events: u64,
    /// Number and offset after the last event.
    after: (u64, u64),
    /// Events that were given up before the next line.
    skipped: u64,
    /// What comes behind a gap that was made here.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    record: AttemptRecord,
    /// Where it begins.
    position: EventPosition,
}

impl EventReader {
    /// Reads the events of the attempt with the files `base` from the beginning.
    pub(crate) fn open(run: &RunDir, base: &str) -> Result<Self, RecordError> {
        let base = Base::parse(run.path(), base)?;
        Ok(Self {
            records: RecordReader::open(base.events())?,
            hole: HoleReader::new(base.events_hole()),
            base,
            events: 0,
            after: (0, 0),
            skipped: 0,
            held: None,
        })
    }

    /// Whether events were passed over that are missing, and the one that will report them was not read yet.
    pub(crate) const fn has_pending_gap(&self) -> bool {
        self.skipped > 0
    }

    /// Goes on at a place that [`resume_point`](Self::resume_point) gave for the same file. Line numbers in errors count from there.
    pub fn resume(&mut self, position: EventPosition) {
        self.records.seek(position.offset);
        (self.events, self.after) = (position.events, position.after);
        self.skipped = 0;
        self.held = None;
    }

    /// Goes behind the events that a snapshot has, and gives what they told: the same as folding them does. `None` when there
    /// is no snapshot, or it is not of this file as it is; then nothing is passed over.
    pub fn restore(&mut self) -> Option<AttemptActivity> {
        self.hole.reload().ok()?;
        let snapshot = event_snapshot::newest(&self.base, self.records.file()?, self.hole.hole())?;
        self.resume_behind(snapshot.position, snapshot.lines);
        Some(snapshot.activity)
    }

    /// Goes on at a position behind so many lines.
    pub(crate) fn resume_behind(&mut self, position: EventPosition, lines: u64) {
        self.resume(position);
        self.records.resume(position.offset, lines);
    }

    /// Lines that were read so far, also by those who gave the position it began at.
    pub(crate) fn lines(&self) -> u64 {
        self.records.lines()
    }

    /// The position of the next record.
    #[must_use]
    pub fn resume_point(&self) -> EventPosition {
        match &self.held {
            Some(held) => held.position,
            None => self.here(),
        }
    }

    /// Whether all is read that the first `bytes` of the file have.
    #[must_use]
    pub fn is_behind(&self, bytes: u64) -> bool {
        self.resume_point().offset >= bytes
    }

    /// Bytes that the file has now; without one nothing is behind them.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.path().metadata().map_or(u64::MAX, |file| file.len())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.records.path()
    }

    fn here(&self) -> EventPosition {
        EventPosition { offset: self.records.position(), events: self.events, after: self.after }
    }

    /// Goes behind the part that was given up, when it reaches up to here. Says whether it did.
    fn skip_hole(&mut self) -> Result<bool, RecordError> {
        self.hole.reload()?;
        let here = self.records.position();
        let Some(hole) = self.hole.hole().filter(|hole| hole.from <= here && here < hole.to) else {
            return Ok(false);
        };
        self.skipped += hole.line.saturating_sub(self.events);
        self.events = self.events.max(hole.line);
        self.records.go_to(hole.to);
        Ok(true)
    }

    fn read(&mut self) -> Option<Result<AttemptRecord, RecordError>> {
        loop {
            return match self.records.next_record(true) {
                NextLine::Record(record) => Some(Ok(*record)),
                NextLine::End => None,
                NextLine::Failed(error) => {
                    if matches!(error, RecordError::BadJson { .. }) {
                        self.events += 1;
                    }
                    Some(Err(error))
                }
                NextLine::Zeros => match self.skip_hole() {
                    Ok(true) => continue,
                    // Zeros that nobody speaks of are damage.
                    Ok(false) => match self.records.next_record(false) {
                        NextLine::Record(record) => Some(Ok(*record)),
                        NextLine::Failed(error) => Some(Err(error)),
                        NextLine::End | NextLine::Zeros => None,
                    },
                    Err(error) => Some(Err(error)),
                },
            };
        }
    }

    /// Takes a record into account.
    fn passed(&mut self, record: &AttemptRecord) {
        let here = self.here();
        EventPosition { events: self.events, after: self.after, .. } = here.behind(record, here.offset);
    }
}

impl Iterator for EventReader {
    type Item = Result<AttemptRecord, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(Held { record, .. }) = self.held.take() {
            self.passed(&record);
            return Some(Ok(record));
        }
        let mut record = match self.read()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        if let WorkerEvent::Gap(gap) = &mut record.event
            && gap.recorded == 0
        {
            // A gap of an earlier version counts what an event file holds, and nothing else.
            gap.recorded = gap.events;
        }
        let skipped = std::mem::take(&mut self.skipped);
        if skipped == 0 {
            self.passed(&record);
            return Some(Ok(record));
        }
        let (from_seq, from_offset) = self.after;
        let gap = Gap::new(from_seq..record.seq.max(from_seq), from_offset..record.at.max(from_offset))
            .with_missing(skipped, 0)
            .with_recorded(skipped);
        let missing =
            AttemptRecord { seq: from_seq, ts: record.ts, at: gap.to_offset, event: WorkerEvent::Gap(gap) };
        self.after = (gap.to_seq, gap.to_offset);
        let position = EventPosition { offset: self.records.before_last(), ..self.here() };
        self.held = Some(Held { record, position });
        Some(Ok(missing))
    }
}
