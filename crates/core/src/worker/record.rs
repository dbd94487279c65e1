//! The record of one attempt. It comes before anything is shown, and its failure stops nothing.

use std::path::Path;

use roboppi_ipc::{OutputStream, RecordTarget, UtcMillis};
use roboppi_journal::{EventFileWriter, RecordError, SpoolWriter};
use roboppi_run::AttemptRecord;
use tempfile::TempDir;

/// Files of an attempt that nobody asked to keep.
const PRIVATE_BASE: &str = "steps/worker/i1-a1";

/// Writes the log and the event file of one attempt.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    files: Option<(SpoolWriter, EventFileWriter)>,
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
        let opened = match target {
            Some(RecordTarget { dir, base }) => writers(Path::new(dir), base),
            None => return recorder.open_private(),
        };
        match opened {
            Ok(files) => recorder.files = Some(files),
            Err(error) => {
                recorder.fail(&error);
                return recorder.open_private();
            }
        }
        recorder
    }

    fn open_private(mut self) -> Self {
        match tempfile::Builder::new().prefix("roboppi-core-").tempdir() {
            Ok(dir) => {
                match writers(dir.path(), PRIVATE_BASE) {
                    Ok(files) => self.files = Some(files),
                    Err(error) => self.fail(&error),
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

    /// Appends an event and gives its length in the file.
    pub(super) fn event(&mut self, record: &AttemptRecord) -> u64 {
        let Some((_, events)) = &mut self.files else { return 0 };
        let before = events.len();
        let written = events.append(record);
        let length = events.len() - before;
        if let Err(error) = written {
            self.fail(&error);
        }
        length
    }

    /// Length of the log, lost bytes included.
    pub(super) const fn log_bytes(&self) -> u64 {
        self.len
    }

    /// Length of the event file.
    pub(super) fn events_bytes(&self) -> u64 {
        self.files.as_ref().map_or(0, |(_, events)| events.len())
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

fn writers(dir: &Path, base: &str) -> Result<(SpoolWriter, EventFileWriter), RecordError> {
    Ok((SpoolWriter::new(dir, base)?, EventFileWriter::new(dir, base)?))
}
