//! The event file of an attempt: what its worker did, except its output.

use std::path::Path;
use std::rc::Rc;

use roboppi_ipc::{Gap, UtcMillis, WorkerEvent};
use roboppi_run::AttemptRecord;
use serde::Serialize;

use crate::base::Base;
use crate::disk::{DiskWatch, give_back};
use crate::hole::HoleWriter;
use crate::line_file::LineFile;
use crate::rotation::{Place, Rotation};
use crate::{Bound, LogLimits, RecordError, RecordedEvent, RunUsage, files};

/// Appends the events of one attempt to `<base>.events.jsonl`. The file is made with the first event.
///
/// Within bounds it holds the first events and the last ones. What is between them is given back to the file system, and
/// `<base>.events.hole` says where that is and how many events were before its end. The file keeps its length, so places in it
/// stay true. Where a file system cannot do that, only the first events are kept.
///
/// Events that could not be written are counted by a `gap` in their place, as soon as something can be written.
#[derive(Debug)]
pub struct EventFileWriter {
    base: Base,
    lines: Option<LineFile>,
    usage: Option<Rc<RunUsage>>,
    disk: DiskWatch,
    rotation: Rotation,
    holes: HoleWriter,
    /// Whether the file system can give back a part of a file, once that was tried.
    can_give_back: Option<bool>,
    /// Events that the file holds or tells of.
    events: u64,
    /// Events that are to be written together.
    held: Option<LeftOut>,
    /// Events behind those, of which nothing is in the file yet.
    left_out: Option<LeftOut>,
    /// The bound was reached, and nothing could be given up for what came.
    full: bool,
}

/// Room that is reserved, so that it can be said on a full disk what is missing.
const AHEAD: u64 = 4 * 1024;

/// Bytes of the line of a gap, at most.
const LONGEST_GAP: u64 = 512;

/// Events that are not in the file.
#[derive(Debug)]
struct LeftOut {
    ts: UtcMillis,
    gap: Gap,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedEvent {
    /// Where in the file it begins; `None` when it was left out, because there is no room for it.
    pub offset: Option<u64>,
    /// Its length in bytes, whether or not it is there.
    pub len: u64,
    /// Events of the attempt before it.
    pub before: u64,
}

/// A part of an event file that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUpEvents {
    /// Offset of its first byte.
    pub from: u64,
    /// Offset behind its last byte.
    pub to: u64,
    /// Events before its end.
    pub before: u64,
}

impl EventFileWriter {
    /// A writer for the attempt with the files `base` in `run_dir`. Makes nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Self::within(run_dir, base, LogLimits::NONE, None)
    }

    /// The same, within the bounds of a log of which it is a part, and what is left of those of the run.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn within(
        run_dir: &Path,
        base: &str,
        limits: LogLimits,
        usage: Option<Rc<RunUsage>>,
    ) -> Result<Self, RecordError> {
        let base = Base::parse(run_dir, base)?;
        Ok(Self {
            holes: HoleWriter::new(base.events_hole()),
            base,
            lines: None,
            usage,
            disk: DiskWatch::new(limits.min_free),
            rotation: Rotation::new(limits.events()),
            can_give_back: None,
            events: 0,
            held: None,
            left_out: None,
            full: false,
        })
    }

    /// Makes an event one of those that [`flush`](Self::flush) writes together. Whether an event belongs into the file is
    /// the caller's to know, as for [`append`](Self::append).
    ///
    /// # Errors
    /// When it cannot be written; then it counts as left out.
    pub fn hold(&mut self, record: &RecordedEvent) -> Result<AppendedEvent, RecordError> {
        /// More is not kept waiting.
        const MOST: usize = 256 * 1024;

        if self.left_out.is_some() {
            return self.append_line(record);
        }
        let appended = self.hold_line(record);
        if appended.as_ref().map_or(true, |appended| appended.offset.is_none()) {
            note(&mut self.left_out, record);
        }
        if self.lines.as_ref().is_some_and(|lines| lines.held() > MOST) {
            self.flush()?;
        }
        appended
    }

    fn hold_line(&mut self, record: &RecordedEvent) -> Result<AppendedEvent, RecordError> {
        let len = self.open()?.encode(record)?;
        let before = self.events;
        if !self.make_room(len)? {
            self.full = true;
            return Ok(AppendedEvent { offset: None, len, before });
        }
        let Some(lines) = &mut self.lines else { return Ok(AppendedEvent { offset: None, len, before }) };
        self.disk.check(lines.file(), lines.path(), len)?;
        let offset = Some(lines.len() + lines.held() as u64);
        lines.hold();
        note(&mut self.held, record);
        self.events += 1;
        self.use_up(len);
        Ok(AppendedEvent { offset, len, before })
    }

    /// Writes the events that wait. Returns when the system has taken them.
    ///
    /// # Errors
    /// When they cannot be written; then nothing of them is in the file, and all of them count as left out.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let (Some(lines), Some(held)) = (&mut self.lines, self.held.take()) else { return Ok(()) };
        let bytes = lines.held() as u64;
        let written = lines.write_held();
        if written.is_err() {
            self.rotation.forget_behind(lines.len());
            self.events -= held.gap.events;
            if let Some(usage) = &self.usage {
                usage.give_back(bytes);
            }
            match &mut self.left_out {
                Some(later) => {
                    (later.gap.from_seq, later.gap.from_offset) = (held.gap.from_seq, held.gap.from_offset);
                    later.gap.events += held.gap.events;
                    later.gap.recorded += held.gap.recorded;
                }
                none => *none = Some(held),
            }
        }
        written
    }

    /// Appends one event. Returns when the system has taken it. Whether an event belongs into the file is
    /// the caller's to know ([`WorkerEvent::is_recorded`](roboppi_ipc::WorkerEvent::is_recorded)).
    ///
    /// # Errors
    /// When it cannot be written whole; then nothing of it is in the file, and it counts as left out.
    /// [`RecordError::Exists`] when another writer made the file.
    pub fn append(&mut self, record: &AttemptRecord) -> Result<AppendedEvent, RecordError> {
        self.append_line(record)
    }

    fn append_line(&mut self, record: &impl EventLine) -> Result<AppendedEvent, RecordError> {
        let appended = self.flush().and_then(|()| self.write(record));
        if appended.as_ref().map_or(true, |appended| appended.offset.is_none()) {
            note(&mut self.left_out, record);
        }
        appended
    }

    /// Notes that events never came: `gap` says which. It is the caller's that nothing is told twice.
    ///
    /// # Errors
    /// When it cannot be written now. It is written with what comes next, as it is when there is no room for it.
    pub fn append_gap(&mut self, ts: UtcMillis, gap: Gap) -> Result<(), RecordError> {
        let flushed = self.flush();
        match &mut self.left_out {
            Some(left_out) => {
                left_out.ts = ts;
                left_out.gap.to_seq = gap.to_seq;
                left_out.gap.to_offset = gap.to_offset;
                left_out.gap.events += gap.events;
                left_out.gap.bytes += gap.bytes;
                left_out.gap.recorded += gap.recorded;
                left_out.gap.at_least |= gap.at_least;
            }
            None => self.left_out = Some(LeftOut { ts, gap }),
        }
        flushed?;
        self.open()?;
        if !self.make_room(LONGEST_GAP)? {
            self.full = true;
            return Ok(());
        }
        if let Some(lines) = &self.lines {
            self.disk.check(lines.file(), lines.path(), LONGEST_GAP)?;
        }
        self.write_missing(LineFile::write_encoded)
    }

    fn open(&mut self) -> Result<&mut LineFile, RecordError> {
        match &mut self.lines {
            Some(lines) => Ok(lines),
            empty => {
                files::ensure_step_dir(self.base.step_dir())?;
                let path = self.base.events();
                Ok(empty.insert(LineFile::new(files::create_append(&path)?, path, 0).reserving(AHEAD)))
            }
        }
    }

    fn write(&mut self, record: &impl EventLine) -> Result<AppendedEvent, RecordError> {
        let len = self.open()?.encode(record)?;
        let before = self.events + self.left_out.as_ref().map_or(0, |left_out| left_out.gap.events);
        if !self.make_room(len)? {
            self.full = true;
            return Ok(AppendedEvent { offset: None, len, before });
        }
        if let Some(lines) = &self.lines {
            self.disk.check(lines.file(), lines.path(), len)?;
        }
        let is_still_made = self.left_out.is_none();
        self.write_missing(LineFile::write_encoded)?;
        let lines = self.open()?;
        let offset = Some(lines.len());
        if is_still_made {
            lines.write_encoded()?;
        } else {
            lines.append(record)?;
        }
        self.events += 1;
        self.use_up(len);
        Ok(AppendedEvent { offset, len, before })
    }

    /// Gives up what is neither the beginning nor the end, until `more` bytes fit. Says whether they do.
    fn make_room(&mut self, more: u64) -> Result<bool, RecordError> {
        let Some(lines) = &self.lines else { return Ok(true) };
        let here = Place { offset: lines.len() + lines.held() as u64, line: self.events };
        self.rotation.passes(here, true);
        if self.usage.as_ref().is_some_and(|usage| !usage.has_room(more)) {
            self.rotation.tighten(here, LogLimits::EVENTS_ALWAYS);
        }
        if !self.rotation.can_hold(more) {
            return Ok(false);
        }
        let before = self.bytes_given_up();
        if !self.rotation.fits(here.offset + more, 0) && lines.held() > 0 {
            return self.flush_first(more);
        }
        while !self.rotation.fits(here.offset + more, 0) {
            if !self.can_give_back() {
                return Ok(false);
            }
            if self.rotation.give_up().or_else(|| self.rotation.give_up_all(here)).is_none() {
                return Ok(false);
            }
        }
        let Some(hole) = self.rotation.hole().filter(|hole| hole.len() > before) else { return Ok(true) };
        // Readers must know before the lines are gone.
        self.holes.write(hole)?;
        let Some(lines) = &self.lines else { return Ok(true) };
        give_back(lines.file(), hole.from..hole.to).map_err(RecordError::io("shorten", lines.path()))?;
        if let Some(usage) = &self.usage {
            usage.give_back(hole.len() - before);
        }
        Ok(true)
    }

    /// Makes room once what waits is in the file, so that nothing is given up that is not there. The line that was made
    /// last stays what it is.
    fn flush_first(&mut self, more: u64) -> Result<bool, RecordError> {
        let line = self.lines.as_mut().map(LineFile::take_encoded).unwrap_or_default();
        self.flush()?;
        let has_room = self.make_room(more);
        if let Some(lines) = &mut self.lines {
            lines.set_encoded(&line);
        }
        has_room
    }

    /// Whether the file system can give back a part of a file.
    fn can_give_back(&mut self) -> bool {
        let Some(lines) = &self.lines else { return false };
        // Behind its end nothing is lost by trying.
        let behind = lines.len()..lines.len() + 1;
        *self.can_give_back.get_or_insert_with(|| give_back(lines.file(), behind).is_ok())
    }

    fn bytes_given_up(&self) -> u64 {
        self.rotation.hole().map_or(0, |hole| hole.len())
    }

    fn use_up(&self, bytes: u64) {
        if let Some(usage) = &self.usage {
            usage.add(bytes);
        }
    }

    /// Says in the file what is missing there.
    fn write_missing(
        &mut self,
        write: impl FnOnce(&mut LineFile) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let (Some(lines), Some(LeftOut { ts, gap })) = (&mut self.lines, &self.left_out) else {
            return Ok(());
        };
        let (seq, at) = (gap.from_seq, gap.to_offset);
        let before = lines.len();
        lines.encode(&AttemptRecord { seq, ts: *ts, at, event: WorkerEvent::Gap(*gap) })?;
        write(lines)?;
        let (written, events) = (lines.len() - before, gap.events);
        self.left_out = None;
        self.events += events;
        self.use_up(written);
        Ok(())
    }

    /// Events that were left out and of which nothing is in the file yet.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out.as_ref().map_or(0, |left_out| left_out.gap.events)
    }

    /// The bound for which events are not kept, if there are such.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        let run =
            self.usage.as_ref().filter(|_| self.rotation.is_tight()).map(|usage| Bound::Run(usage.limit()));
        let reached = self.full || self.rotation.hole().is_some();
        reached.then(|| run.unwrap_or(Bound::File(self.rotation.limit())))
    }

    /// Whether events are left out that were there before, or only new ones, because a part of this file cannot be given up.
    #[must_use]
    pub fn keeps_its_end(&self) -> bool {
        self.rotation.hole().is_some()
    }

    /// The part of the file that was given up.
    #[must_use]
    pub fn given_up(&self) -> Option<GivenUpEvents> {
        let hole = self.rotation.hole()?;
        Some(GivenUpEvents { from: hole.from, to: hole.to, before: hole.line })
    }

    /// Says at the end of the file what is missing, if anything is. The last thing to do with it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), RecordError> {
        let flushed = self.flush();
        self.write_missing(LineFile::write_end)?;
        flushed
    }

    /// Length of the file in bytes, what was given up included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.as_ref().map_or(0, |lines| lines.len() + lines.held() as u64)
    }

    /// Bytes of the file that are kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.rotation.kept(self.len())
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What becomes a line of the file.
trait EventLine: Serialize {
    /// Its number, its time, and the length of the log then.
    fn place(&self) -> (u64, UtcMillis, u64);
}

impl EventLine for AttemptRecord {
    fn place(&self) -> (u64, UtcMillis, u64) {
        (self.seq, self.ts, self.at)
    }
}

impl EventLine for RecordedEvent {
    fn place(&self) -> (u64, UtcMillis, u64) {
        (self.seq, self.ts, self.at)
    }
}

/// Counts an event as one of those.
fn note(events: &mut Option<LeftOut>, record: &impl EventLine) {
    let (seq, ts, at) = record.place();
    let LeftOut { ts: last, gap } =
        events.get_or_insert_with(|| LeftOut { ts, gap: Gap::new(seq..seq, at..at) });
    *last = ts;
    gap.to_seq = seq + 1;
    gap.to_offset = at;
    gap.events += 1;
    gap.recorded += 1;
}

impl Drop for EventFileWriter {
    fn drop(&mut self) {
        let _ = self.finish();
        if let Some(lines) = &mut self.lines {
            lines.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use roboppi_ipc::Patch;

    use super::*;
    use crate::RunDir;

    const BASE: &str = "steps/s/i1-a1";

    fn patch(seq: u64, diff: usize) -> AttemptRecord {
        let event = WorkerEvent::Patch(Patch::new("a.rs", "+".repeat(diff)));
        AttemptRecord { seq, ts: UtcMillis(seq), at: seq * 10, event }
    }

    fn encoded(record: &AttemptRecord) -> RecordedEvent {
        RecordedEvent::new(record.seq, record.ts, record.at, &record.event).unwrap()
    }

    /// Writes events, in groups that end where `flushes` says so, or one by one. Gives both files, and where each event is.
    fn written(events: &[(usize, bool)], in_groups: bool) -> (Vec<u8>, Option<Vec<u8>>, Vec<AppendedEvent>) {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 };
        let mut writer = EventFileWriter::within(dir.path(), BASE, limits, None).unwrap();
        let mut places = Vec::new();
        for ((diff, flushes), seq) in events.iter().zip(0..) {
            let record = patch(seq, *diff);
            places.push(
                if in_groups { writer.hold(&encoded(&record)) } else { writer.append(&record) }.unwrap(),
            );
            if *flushes {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap();
        drop(writer);
        let base = Base::parse(dir.path(), BASE).unwrap();
        (fs::read(base.events()).unwrap_or_default(), fs::read(base.events_hole()).ok(), places)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn events_that_are_written_together_make_the_same_file(
            // Some do not fit at all.
            events in prop::collection::vec((prop_oneof![30 => 0..3_000_usize, 1 => Just(60_000)], prop::bool::weighted(0.2)), 0..500),
        ) {
            prop_assert!(written(&events, true) == written(&events, false));
        }

        #[test]
        fn what_a_full_disk_did_not_take_is_counted(
            steps in prop::collection::vec((1..20_u64, any::<bool>(), any::<bool>()), 1..40),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut writer = EventFileWriter::new(dir.path(), BASE).unwrap();
            let (mut seq, mut good) = (0, None);
            for (count, is_full, alone) in steps {
                if let Some(lines) = &mut writer.lines {
                    if let Some(good) = good.take() {
                        lines.swap(good);
                    }
                    if is_full {
                        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
                        good = Some(lines.swap(full));
                    }
                }
                for _ in 0..count {
                    let record = patch(seq, 100);
                    let _ = if alone { writer.append(&record) } else { writer.hold(&encoded(&record)) };
                    seq += 1;
                }
                let _ = writer.flush();
            }
            if let (Some(lines), Some(good)) = (&mut writer.lines, good) {
                lines.swap(good);
            }
            drop(writer);
            let mut next = 0;
            for record in RunDir::at(dir.path().to_owned()).events(BASE).unwrap() {
                let record = record.unwrap();
                match record.event {
                    WorkerEvent::Gap(gap) => {
                        prop_assert_eq!((gap.from_seq, gap.events), (next, gap.to_seq - gap.from_seq));
                        next = gap.to_seq;
                    }
                    _ => {
                        prop_assert_eq!(record.seq, next);
                        next += 1;
                    }
                }
            }
            prop_assert_eq!(next, seq);
        }
    }
}
