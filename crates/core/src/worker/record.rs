//! The record of one attempt. It comes before anything is shown, and its failure stops nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use roboppi_ipc::{OutputStream, RecordTarget, UtcMillis};
use roboppi_journal::{EventFileWriter, RecordError, RunDir, SpoolWriter};
use roboppi_run::AttemptRecord;
use tempfile::TempDir;

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
    /// Removed with the recorder.
    private: Option<TempDir>,
}

impl Recorder {
    pub(super) fn open(target: Option<&RecordTarget>) -> Self {
        let mut recorder = Self::default();
        let Some(RecordTarget { dir, base }) = target else { return recorder.open_private() };
        match recorder.open_in(Path::new(dir), base) {
            Ok(()) => recorder,
            Err(error) => {
                recorder.fail(&error);
                recorder.open_private()
            }
        }
    }

    fn open_in(&mut self, dir: &Path, base: &str) -> Result<(), RecordError> {
        self.files = Some((SpoolWriter::new(dir, base)?, EventFileWriter::new(dir, base)?));
        self.events_path = Some(RunDir::at(dir.to_owned()).events_path(base)?);
        Ok(())
    }

    fn open_private(mut self) -> Self {
        match tempfile::Builder::new().prefix("roboppi-core-").tempdir() {
            Ok(dir) => {
                if let Err(error) = self.open_in(dir.path(), PRIVATE_BASE) {
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
