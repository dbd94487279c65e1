//! The record of an attempt whose core keeps none: what came over the wire, written down here.

mod agent;
mod outcome;

use std::path::Path;

use roboppi_ipc::{
    FreeText, Gap, JobEvent, LOGS_TRUNCATED, Mono, OutputStream, RecordLimits, UtcMillis, WorkerEvent,
    WorkerOutput, WorkerResult, WorkerTask,
};
use roboppi_record::{
    BlobWriter, EventFileWriter, LogLimits, RecordError, SpoolWriter, shorten_event, shorten_result,
};
use roboppi_redact::Secrets;
use roboppi_run::AttemptRecord;

use agent::RelayedAgent;

/// Writes the log and the event file of one attempt from the live events of a core of protocol 1.
///
/// Such a core sends lines without their ends, and leaves out what it likes; so the log is what came, and the
/// manifest of the run says that it may have holes. Where it says that it left something out, or its numbers do, log and
/// event file have a gap. The lines of an agent are translated here, since its core does not: their events have numbers of
/// their own.
#[derive(Debug)]
pub(crate) struct ReceivedRecord {
    log: SpoolWriter,
    events: EventFileWriter,
    blobs: BlobWriter,
    secrets: Secrets,
    agent: Option<RelayedAgent>,
    reported: bool,
    /// Number of the next event of the core.
    next_seq: u64,
    /// Number of the next event of the record.
    next_number: u64,
    /// That something was left out was said.
    reported_gap: bool,
}

/// What became of an event that came over the wire.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// What is missing before the event.
    pub(crate) gap: Option<AttemptRecord>,
    /// The event, or those of an agent that followed from it. None when it only reported that something is missing.
    pub(crate) records: Vec<AttemptRecord>,
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
        task: Option<&WorkerTask>,
    ) -> Result<Self, RecordError> {
        let limits = LogLimits { bytes: limits.log_bytes, min_free: limits.min_free_bytes };
        let log = SpoolWriter::within(run_dir, base, limits, None)?;
        let events = EventFileWriter::within(run_dir, base, limits, None)?;
        Ok(Self {
            log,
            events,
            blobs: BlobWriter::within(run_dir, limits, None),
            secrets: secrets.clone(),
            agent: task.and_then(RelayedAgent::new),
            reported: false,
            next_seq: 0,
            next_number: 0,
            reported_gap: false,
        })
    }

    /// Writes an event down, and gives it as a core that records would have sent it. The trouble is the first
    /// one only: what follows is shown and not recorded.
    pub(crate) fn event(&mut self, now: Mono, event: JobEvent) -> Received {
        let JobEvent { ts, seq, event, .. } = event;
        let mut received = Received::default();
        let is_note = matches!(&event, WorkerEvent::Progress(progress) if progress.message == LOGS_TRUNCATED);
        // Some count from 1.
        let counts_from_one = self.next_seq == 0 && seq == 1;
        if is_note {
            let missing = seq.saturating_add(1).saturating_sub(self.next_seq).max(1);
            self.gap(ts, missing, &mut received);
        } else if seq > self.next_seq && !counts_from_one {
            self.gap(ts, seq - self.next_seq, &mut received);
        }
        self.next_seq = self.next_seq.max(seq.saturating_add(1));
        if !is_note {
            self.content(now, ts, event, &mut received);
        }
        received
    }

    /// The core reports the end of the worker: what was read of an agent's lines is added to its result.
    pub(crate) fn ended(
        &mut self,
        now: Mono,
        ts: UtcMillis,
        result: WorkerResult,
    ) -> (WorkerResult, Received) {
        let mut received = Received::default();
        let Some(agent) = self.agent.as_mut().filter(|agent| !agent.has_ended()) else {
            return (result, received);
        };
        let mut events = Vec::new();
        let mut result = agent.ended(now, ts, result, &self.secrets, &mut events);
        events.into_iter().for_each(|event| self.record(ts, event, &mut received));
        result.visit_text(&mut |text| self.secrets.redact(text));
        shorten_result(&mut result);
        (result, received)
    }

    /// Takes in an event that is more than a note.
    fn content(&mut self, now: Mono, ts: UtcMillis, mut event: WorkerEvent, received: &mut Received) {
        let mut translated = Vec::new();
        let is_line = self
            .agent
            .as_mut()
            .is_some_and(|agent| agent.relayed(now, &event, &self.secrets, &mut translated));
        // Such a core knows of no secrets. Each event of it is a whole line, or a whole value.
        event.visit_text(&mut |text| self.secrets.redact(text));
        let stream = match &event {
            WorkerEvent::Stdout(_) => Some(OutputStream::Stdout),
            WorkerEvent::Stderr(_) => Some(OutputStream::Stderr),
            _ => None,
        };
        match (stream, event) {
            (Some(stream), WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output)) => {
                let (event, trouble) = self.line(stream, output, ts);
                self.trouble(trouble, received);
                if self.agent.as_ref().is_none_or(|agent| agent.is_raw(stream)) {
                    self.record(ts, event, received);
                }
            }
            (_, event) if !is_line => self.record(ts, event, received),
            _ => {}
        }
        translated.into_iter().for_each(|event| self.record(ts, event, received));
    }

    /// Numbers an event and writes it down, if the record keeps such events.
    fn record(&mut self, ts: UtcMillis, mut event: WorkerEvent, received: &mut Received) {
        let blobs = &mut self.blobs;
        let mut problem = None;
        shorten_event(&mut event, &mut |whole| {
            blobs.put(whole).unwrap_or_else(|error| {
                problem = Some(error);
                None
            })
        });
        let record = AttemptRecord { seq: self.next_number, ts, at: self.log.len(), event };
        // A core of another author may count as it likes.
        self.next_number = self.next_number.saturating_add(1);
        if record.event.is_recorded() {
            let appended = self.events.append(&record);
            self.log.leave_room_for(self.events.kept());
            problem = problem.or(appended.err());
        }
        self.trouble(problem, received);
        received.records.push(record);
    }

    /// Writes down that so many events did not come. What was in them, nobody knows.
    fn gap(&mut self, ts: UtcMillis, events: u64, received: &mut Received) {
        if let Some(agent) = &mut self.agent {
            agent.gap();
        }
        let from_seq = self.next_number;
        let to_seq = from_seq.saturating_add(events);
        self.next_number = to_seq;
        let from_offset = self.log.len();
        self.log.lose(ts);
        let to_offset = self.log.len();
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

    fn record_in(dir: &Path) -> ReceivedRecord {
        let limits = RecordLimits::default();
        ReceivedRecord::new(dir, "steps/a/i1-a1", limits, &Secrets::default(), None).unwrap()
    }

    #[test]
    fn lines_get_their_ends_back_and_everything_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = record_in(dir.path());
        let says = |data: &str| WorkerOutput::new(data);
        let progress = Progress::new("half");
        let came: Vec<_> = [
            WorkerEvent::Stdout(says("one")),
            WorkerEvent::Progress(progress),
            WorkerEvent::Stderr(says("two")),
        ]
        .into_iter()
        .zip(0..)
        .flat_map(|(said, seq)| record.event(Mono::ZERO, event(seq, said)).records)
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
        let mut record = record_in(dir.path());
        let says = WorkerOutput::new("x");
        assert!(record.event(Mono::ZERO, event(0, WorkerEvent::Stdout(says.clone()))).trouble.is_some());
        assert!(record.event(Mono::ZERO, event(1, WorkerEvent::Stdout(says))).trouble.is_none());
    }

    #[test]
    fn what_the_core_left_out_is_a_gap_where_it_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = record_in(dir.path());
        let mut say = |seq: u64, data: &str| {
            let says = WorkerOutput::new(data);
            record.event(Mono::ZERO, event(seq, WorkerEvent::Stdout(says)))
        };
        assert!(!say(0, "one").first_gap);
        let jump = say(5, "six");
        assert!(jump.first_gap && jump.gap.is_some() && jump.records.len() == 1);
        assert!(say(6, "seven").gap.is_none());
        let note = Progress::new(LOGS_TRUNCATED);
        let cut = record.event(Mono::ZERO, event(7, WorkerEvent::Progress(note)));
        assert!(!cut.first_gap && cut.gap.is_some() && cut.records.is_empty());
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
