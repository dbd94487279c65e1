//! The event file of an attempt: what its worker did, except its output.

use std::path::Path;

use roboppi_run::AttemptRecord;

use crate::base::Base;
use crate::line_file::LineFile;
use crate::{RecordError, files};

/// Appends the events of one attempt to `<base>.events.jsonl`. The file is made with the first event.
#[derive(Debug)]
pub struct EventFileWriter {
    base: Base,
    lines: Option<LineFile>,
}

impl EventFileWriter {
    /// A writer for the attempt with the files `base` in `run_dir`. Makes nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Ok(Self { base: Base::parse(run_dir, base)?, lines: None })
    }

    /// Appends one event. Returns when the system has taken it. Whether an event belongs into the file is
    /// the caller's to know ([`WorkerEvent::is_recorded`](roboppi_ipc::WorkerEvent::is_recorded)).
    ///
    /// # Errors
    /// When it cannot be written whole; then nothing of it is in the file. [`RecordError::Exists`] when
    /// another writer made the file.
    pub fn append(&mut self, record: &AttemptRecord) -> Result<(), RecordError> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            empty => {
                files::ensure_step_dir(self.base.step_dir())?;
                let path = self.base.events();
                empty.insert(LineFile::new(files::create_append(&path)?, path, 0))
            }
        };
        lines.append(record)
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.as_ref().map_or(0, LineFile::len)
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
