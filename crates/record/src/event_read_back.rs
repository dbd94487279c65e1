//! Reads events back from an event file that is still written.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use roboppi_ipc::{UtcMillis, WorkerEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::base::Base;
use crate::{RecordError, files};

/// A line of an event file, with the event as it is written there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Its number.
    pub seq: u64,
    /// When it came.
    pub ts: UtcMillis,
    /// Length of the log then.
    pub at: u64,
    /// The event as JSON.
    pub event: Box<RawValue>,
}

impl RecordedEvent {
    /// The line of an event. It makes the JSON of it, which serves the record and all who are told.
    ///
    /// # Errors
    /// When the event has no JSON form; each has one.
    pub fn new(seq: u64, ts: UtcMillis, at: u64, event: &WorkerEvent) -> Result<Self, serde_json::Error> {
        Ok(Self { seq, ts, at, event: to_raw_value(event)? })
    }
}

/// Reads single events of an event file by their offsets, while its writer goes on. What lies close behind the event read
/// last costs no further read of the file.
#[derive(Debug)]
pub struct EventReadBack {
    path: PathBuf,
    /// Open once something was read.
    file: Option<BufReader<File>>,
    /// Kept for its capacity.
    line: Vec<u8>,
}

impl EventReadBack {
    /// For the attempt with the files `base` in `run_dir`. Opens nothing yet.
    ///
    /// # Errors
    /// [`RecordError::BadBase`] when `base` is not of the form `steps/<step>/<name>`.
    pub fn new(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        Ok(Self { path: Base::parse(run_dir, base)?.events(), file: None, line: Vec::new() })
    }

    /// The event that begins at `offset`, and its length in the file in bytes; `None` when it cannot be read.
    pub fn read_at(&mut self, offset: u64) -> Option<(RecordedEvent, u64)> {
        let file = match &mut self.file {
            Some(file) => file,
            closed => closed.insert(BufReader::new(files::open_read(&self.path).ok()??)),
        };
        let here = file.stream_position().ok()?;
        file.seek_relative(offset.cast_signed() - here.cast_signed()).ok()?;
        self.line.clear();
        let length = file.read_until(b'\n', &mut self.line).ok()? as u64;
        Some((serde_json::from_slice(&self.line).ok()?, length))
    }
}
