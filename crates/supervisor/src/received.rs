//! The record of an attempt whose core keeps none: what came over the wire, written down here.

use std::path::Path;

use roboppi_ipc::{FreeText, JobEvent, OutputStream, RecordLimits, WorkerEvent, WorkerOutput};
use roboppi_journal::{EventFileWriter, LogLimits, RecordError, SpoolWriter};
use roboppi_redact::Secrets;
use roboppi_run::AttemptRecord;

/// Writes the log and the event file of one attempt from the live events of a core of protocol 1.
///
/// Such a core sends lines without their ends, and leaves out what it likes; so the log is what came, and the
/// manifest of the run says that it may have holes.
#[derive(Debug)]
pub(crate) struct ReceivedRecord {
    log: SpoolWriter,
    events: EventFileWriter,
    secrets: Secrets,
    told: bool,
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
        Ok(Self { log, events, secrets: secrets.clone(), told: false })
    }

    /// Writes an event down, and gives it as a core that records would have sent it. The error is the first
    /// one only: what follows is shown and not recorded.
    pub(crate) fn event(&mut self, event: JobEvent) -> (AttemptRecord, Option<RecordError>) {
        let JobEvent { ts, seq, mut event, .. } = event;
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
                self.log.leave_room_for(self.events.len());
                appended.err()
            }
            trouble => trouble,
        };
        let first = trouble.filter(|_| !std::mem::replace(&mut self.told, true));
        (record, first)
    }

    fn line(
        &mut self,
        stream: OutputStream,
        output: WorkerOutput,
        ts: roboppi_ipc::UtcMillis,
    ) -> (WorkerEvent, Option<RecordError>) {
        let mut data = output.data;
        data.push('\n');
        let offset = self.log.len();
        let trouble = self.log.append(stream, data.as_bytes(), ts).err();
        let len = data.len() as u64;
        let output = WorkerOutput { data, offset: Some(offset), len: Some(len), partial: false };
        (WorkerEvent::output(stream, output), trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roboppi_ipc::{Progress, UtcMillis};
    use roboppi_journal::RunDir;

    fn event(seq: u64, event: WorkerEvent) -> JobEvent {
        JobEvent { job_id: "j".into(), ts: UtcMillis(5), seq, at: None, event }
    }

    #[test]
    fn lines_get_their_ends_back_and_everything_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut record =
            ReceivedRecord::new(dir.path(), "steps/a/i1-a1", RecordLimits::default(), &Secrets::default())
                .unwrap();
        let says = |data: &str| WorkerOutput { data: data.into(), ..WorkerOutput::default() };
        let progress = Progress { message: "half".into(), ..Progress::default() };
        let came: Vec<_> = [
            WorkerEvent::Stdout(says("one")),
            WorkerEvent::Progress(progress),
            WorkerEvent::Stderr(says("two")),
        ]
        .into_iter()
        .zip(0..)
        .map(|(said, seq)| record.event(event(seq, said)).0)
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
        let says = WorkerOutput { data: "x".into(), ..WorkerOutput::default() };
        assert!(record.event(event(0, WorkerEvent::Stdout(says.clone()))).1.is_some());
        assert!(record.event(event(1, WorkerEvent::Stdout(says))).1.is_none());
    }
}
