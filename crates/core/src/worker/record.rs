//! The record of one attempt. It comes before anything is shown, and its failure stops nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use roboppi_ipc::{OutputStream, OverLimit, RecordLimits, RecordTarget, UtcMillis};
use roboppi_journal::{EventFileWriter, LogLimits, RecordError, RunDir, RunUsage, SpoolWriter};
use roboppi_run::AttemptRecord;
use tempfile::TempDir;

use super::budgets::Budgets;
use crate::live::{LiveEvent, StoredRange};

/// Files of an attempt that nobody asked to keep.
const PRIVATE_BASE: &str = "steps/worker/i1-a1";

/// Writes the log and the event file of one attempt.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    files: Option<(SpoolWriter, EventFileWriter)>,
    /// The event file, and its length when it was closed.
    events_path: Option<PathBuf>,
    events_len: u64,
    /// Open while events are read back.
    reader: Option<BufReader<File>>,
    /// Length of the log; goes on when nothing can be written.
    len: u64,
    trouble: Option<String>,
    told: bool,
    limits: RecordLimits,
    /// The log was found to be larger than its limit.
    over: bool,
    /// Removed with the recorder.
    private: Option<TempDir>,
}

impl Recorder {
    pub(super) fn open(target: Option<&RecordTarget>, budgets: &Budgets) -> Self {
        let mut recorder = Self::default();
        let Some(RecordTarget { dir, base, limits }) = target else { return recorder.open_private() };
        let dir = Path::new(dir);
        recorder.limits = limits.unwrap_or_default();
        let usage = budgets.of(dir, recorder.limits.run_bytes);
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
        let spool = SpoolWriter::within(dir, base, limits, usage.filter(|_| !keeps_all))?;
        self.files = Some((spool, EventFileWriter::new(dir, base)?));
        self.events_path = Some(RunDir::at(dir.to_owned()).events_path(base)?);
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

    /// What is to be done because the log has become too large, once.
    pub(super) fn take_over_limit(&mut self) -> Option<OverLimit> {
        let (spool, _) = self.files.as_ref()?;
        let RecordLimits { log_bytes, over, .. } = self.limits;
        let is_over = spool.given_up() > 0 || spool.len() - spool.lost() > log_bytes;
        (is_over && !std::mem::replace(&mut self.over, is_over)).then_some(over)
    }

    /// How much of the disk may be taken.
    pub(super) const fn limits(&self) -> RecordLimits {
        self.limits
    }

    /// Appends an event and says where it is now, unless that failed.
    pub(super) fn event(&mut self, record: &AttemptRecord) -> Option<StoredRange> {
        let (_, events) = self.files.as_mut()?;
        let start = events.len();
        let written = events.append(record);
        self.events_len = events.len();
        match written {
            Ok(()) => Some(StoredRange { start, end: self.events_len }),
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Reads the event at an offset of the file, and says where the next one begins.
    pub(super) fn read_event(&mut self, start: u64) -> Option<(LiveEvent, u64)> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            closed => closed.insert(BufReader::new(File::open(self.events_path.as_ref()?).ok()?)),
        };
        let here = reader.stream_position().ok()?;
        reader.seek_relative(start.cast_signed() - here.cast_signed()).ok()?;
        let mut line = Vec::new();
        let length = reader.read_until(b'\n', &mut line).ok()? as u64;
        let AttemptRecord { seq, ts, at, event } = serde_json::from_slice(&line).ok()?;
        Some((LiveEvent { seq, ts, at, event }, start + length))
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

    /// Closes the files, so that everything is in them; a private directory stays until the recorder goes.
    pub(super) fn close(&mut self) {
        self.files = None;
    }

    fn fail(&mut self, error: &RecordError) {
        self.note(format!("the record of a worker is incomplete: {error}"));
    }

    fn note(&mut self, trouble: String) {
        if !std::mem::replace(&mut self.told, true) {
            self.trouble = Some(trouble);
        }
    }
}
