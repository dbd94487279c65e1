//! The record of an attempt whose core keeps none: what came over the wire, written down here.

use std::path::Path;

use roboppi_ipc::{
    FreeText, Gap, JobEvent, LOGS_TRUNCATED, OutputStream, RecordLimits, UtcMillis, WorkerEvent, WorkerOutput,
};
use roboppi_record::{EventFileWriter, LogLimits, RecordError, SpoolWriter};
use roboppi_redact::Secrets;
use roboppi_run::AttemptRecord;

/// Writes the log and the event file of one attempt from the live events of a core of protocol 1.
///
/// Such a core sends lines without their ends, and leaves out what it likes; so the log is what came, and the
/// manifest of the run says that it may have holes. Where it says that it left something out, or its numbers do, log and
/// event file have a gap.
#[derive(Debug)]
pub(crate) struct ReceivedRecord {
    log: SpoolWriter,
    events: EventFileWriter,
    secrets: Secrets,
    reported: bool,
    /// Number of the next event.
    next_seq: u64,
    /// That something was left out was said.
    reported_gap: bool,
}

/// What became of an event that came over the wire.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// What is missing before the event.
    pub(crate) gap: Option<AttemptRecord>,
    /// The event, unless it said no more than that something is missing.
    pub(crate) record: Option<AttemptRecord>,
    /// The first trouble with writing it down.
    pub(crate) trouble: Option<RecordError>,
    /// The core has left something out for the first time.
    pub(crate) first_gap: bool,
    /// So many events came that it is time to look how long their file is.
    pub(crate) is_long: bool,
}

impl ReceivedRecord {
    /// The record of the attempt with the files `base`. Makes no file before something comes.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub(crate) fn new(
        run_dir: &Path,
        base: &str,
        limits: RecordLimits,
        secrets: &Secrets,
    ) -> Result<Self, RecordError> {
        let limits = LogLimits { bytes: limits.log_bytes, min_free: limits.min_free_bytes };
        let log = SpoolWriter::within(run_dir, base, limits, None)?;
        let events = EventFileWriter::within(run_dir, base, limits, None)?;
        Ok(Self { log, events, secrets: secrets.clone(), reported: false, next_seq: 0, reported_gap: false })
    }

    /// Writes an event down, and gives it as a core that records would have sent it. The trouble is the first
    /// one only: what follows is shown and not recorded.
    pub(crate) fn event(&mut self, event: JobEvent) -> Received {
        let JobEvent { ts, seq, mut event, .. } = event;
        let mut received = Received::default();
        let is_note = matches!(&event, WorkerEvent::Progress(progress) if progress.message == LOGS_TRUNCATED);
        // Some count from 1.
        let counts_from_one = self.next_seq == 0 && seq == 1;
        if is_note {
            self.gap(ts, self.next_seq.min(seq), seq.saturating_add(1), &mut received);
        } else if seq > self.next_seq && !counts_from_one {
            self.gap(ts, self.next_seq, seq, &mut received);
        }
        self.next_seq = self.next_seq.max(seq.saturating_add(1));
        if is_note {
            return received;
        }
        // Such a core knows of no secrets. Each event of it is a whole line, or a whole value.
        event.visit_text(&mut |text| self.secrets.redact(text));
        let (event, trouble) = match event {
            WorkerEvent::Stdout(output) => self.line(OutputStream::Stdout, output, ts),
            WorkerEvent::Stderr(output) => self.line(OutputStream::Stderr, output, ts),
            event => (event, None),
        };
        let record = AttemptRecord { seq, ts, at: self.log.len(), event };
        let trouble = match trouble {
            None if record.event.is_recorded() => {
                let appended = self.events.append(&record);
                self.log.leave_room_for(self.events.kept());
                appended.err()
            }
            trouble => trouble,
        };
        self.trouble(trouble, &mut received);
        received.record = Some(record);
        received
    }

    /// Writes down that events from one number up to another did not come. What was in them, nobody knows.
    fn gap(&mut self, ts: UtcMillis, from_seq: u64, to_seq: u64, received: &mut Received) {
        let from_offset = self.log.len();
        self.log.lose(ts);
        let (to_offset, events) = (self.log.len(), to_seq.saturating_sub(from_seq).max(1));
        let gap = Gap::new(from_seq..to_seq, from_offset..to_offset)
            .with_missing(events, to_offset - from_offset)
            .with_recorded(events)
            .with_at_least(true);
        let trouble = self.events.append_gap(ts, gap).err();
        self.trouble(trouble, received);
        let event = WorkerEvent::Gap(gap);
        received.gap = Some(AttemptRecord { seq: from_seq, ts, at: to_offset, event });
        received.first_gap |= !std::mem::replace(&mut self.reported_gap, true);
    }

    fn trouble(&mut self, trouble: Option<RecordError>, received: &mut Received) {
        let first = trouble.filter(|_| !std::mem::replace(&mut self.reported, true));
        received.trouble = received.trouble.take().or(first);
    }

    fn line(
        &mut self,
        stream: OutputStream,
        output: WorkerOutput,
        ts: UtcMillis,
    ) -> (WorkerEvent, Option<RecordError>) {
        let mut data = output.data;
        data.push('\n');
        let offset = self.log.len();
        let trouble = self.log.append(stream, data.as_bytes(), ts).err();
        let len = data.len() as u64;
        let output = WorkerOutput::new(data).with_range(offset, len);
        (WorkerEvent::output(stream, output), trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roboppi_ipc::Progress;
    use roboppi_record::{LogPiece, RunDir};

    fn event(seq: u64, event: WorkerEvent) -> JobEvent {
        JobEvent { job_id: "j".into(), ts: UtcMillis(5), seq, at: None, event }
    }

    #[test]
    fn lines_get_their_ends_back_and_everything_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut record =
            ReceivedRecord::new(dir.path(), "steps/a/i1-a1", RecordLimits::default(), &Secrets::default())
                .unwrap();
        let says = |data: &str| WorkerOutput::new(data);
        let progress = Progress::new("half");
        let came: Vec<_> = [
            WorkerEvent::Stdout(says("one")),
            WorkerEvent::Progress(progress),
            WorkerEvent::Stderr(says("two")),
        ]
        .into_iter()
        .zip(0..)
        .filter_map(|(said, seq)| record.event(event(seq, said)).record)
        .collect();
        assert_eq!(came.iter().map(|record| record.at).collect::<Vec<_>>(), [4, 4, 8]);
        let run = RunDir::at(dir.path().to_owned());
        assert_eq!(std::fs::read(run.log_path("steps/a/i1-a1").unwrap()).unwrap(), b"one\ntwo\n");
        let events = std::fs::read_to_string(run.events_path("steps/a/i1-a1").unwrap()).unwrap();
        assert_eq!(events.lines().count(), 1);
        assert!(events.contains("\"at\":4"));
    }

    #[test]
    fn trouble_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("steps"), "in the way").unwrap();
        let mut record =
            ReceivedRecord::new(dir.path(), "steps/a/i1-a1", RecordLimits::default(), &Secrets::default())
                .unwrap();
        let says = WorkerOutput::new("x");
        assert!(record.event(event(0, WorkerEvent::Stdout(says.clone()))).trouble.is_some());
        assert!(record.event(event(1, WorkerEvent::Stdout(says))).trouble.is_none());
    }

    #[test]
    fn what_the_core_left_out_is_a_gap_where_it_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut record =
            ReceivedRecord::new(dir.path(), "steps/a/i1-a1", RecordLimits::default(), &Secrets::default())
                .unwrap();
        let mut say = |seq: u64, data: &str| {
            let says = WorkerOutput::new(data);
            record.event(event(seq, WorkerEvent::Stdout(says)))
        };
        assert!(!say(0, "one").first_gap);
        let jump = say(5, "six");
        assert!(jump.first_gap && jump.gap.is_some() && jump.record.is_some());
        assert!(say(6, "seven").gap.is_none());
        let note = Progress::new(LOGS_TRUNCATED);
        let cut = record.event(event(7, WorkerEvent::Progress(note)));
        assert!(!cut.first_gap && cut.gap.is_some() && cut.record.is_none());
        drop(record);

        let run = RunDir::at(dir.path().to_owned());
        let mut log = run.log("steps/a/i1-a1").unwrap();
        assert_eq!(log.read(0, 99).unwrap(), LogPiece::Bytes(b"one\n".to_vec()));
        assert_eq!(log.read(4, 99).unwrap(), LogPiece::Lost { len: 1 });
        assert_eq!(log.read(5, 99).unwrap(), LogPiece::Bytes(b"six\nseven\n".to_vec()));
        assert_eq!((log.len(), log.read(15, 99).unwrap()), (16, LogPiece::Lost { len: 1 }));
        let gaps: Vec<_> = run
            .events("steps/a/i1-a1")
            .unwrap()
            .map(|record| match record.unwrap().event {
                WorkerEvent::Gap(gap) => (gap.from_seq..gap.to_seq, gap.from_offset, gap.at_least),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(gaps, [(1..5, 4, true), (7..8, 15, true)]);
    }
}
