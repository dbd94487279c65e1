//! Reads events back from an event file that is still written.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use roboppi_run::AttemptRecord;

use crate::base::Base;
use crate::{RecordError, files};

/// Reads single events of an event file by their offsets, while its writer goes on. What lies close behind the event read
/// last costs no further read of the file.
#[derive(Debug)]
pub struct EventReadBack {
    path: PathBuf,
    /// Open once something was read.
    file: Option<BufReader<File>>,
}

impl EventReadBack {
    /// For the attempt with the files `base` in `run_dir`. Opens nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Ok(Self { path: Base::parse(run_dir, base)?.events(), file: None })
    }

    /// The event that begins at `offset`, and its length in the file in bytes; `None` when it cannot be read.
    pub fn read_at(&mut self, offset: u64) -> Option<(AttemptRecord, u64)> {
        let file = match &mut self.file {
            Some(file) => file,
            closed => closed.insert(BufReader::new(files::open_read(&self.path).ok()??)),
        };
        let here = file.stream_position().ok()?;
        file.seek_relative(offset.cast_signed() - here.cast_signed()).ok()?;
        let mut line = Vec::new();
        let length = file.read_until(b'\n', &mut line).ok()? as u64;
        Some((serde_json::from_slice(&line).ok()?, length))
    }
}
