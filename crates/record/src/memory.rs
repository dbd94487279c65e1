//! The record of a run in memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, Manifest, RunEvent, RunRecord};

use crate::{
    Appended, CoreLog, EventPosition, Events, Imported, Journal, Log, LogReader, RecordError, RecordPart,
    RecordStore,
};

mod log;

use log::MemoryLog;

/// The record of a run that is in no directory: what is added to it is what its readers find.
///
/// Logs are read by the code that reads them from files, so lines, times, streams and matches are the same. Nothing is
/// bounded: it is for runs whose size is known, as those of tests. Clones are the same record.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecord {
    state: Arc<Mutex<State>>,
    location: Option<Arc<Path>>,
}

#[derive(Debug, Default)]
struct State {
    manifest: Option<Manifest>,
    workflow: Option<String>,
    journal: Vec<JournalRecord>,
    attempts: HashMap<AttemptRef, Attempt>,
    blobs: HashMap<String, Vec<u8>>,
    core_log: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Attempt {
    events: Vec<AttemptRecord>,
    log: MemoryLog,
}

impl MemoryRecord {
    /// A record of nothing, which gives `location` to those who want to show where it is.
    #[must_use]
    pub fn shown_at(location: &Path) -> Self {
        Self { location: Some(location.into()), ..Self::default() }
    }

    /// Sets what was started.
    pub fn set_manifest(&self, manifest: Manifest) {
        self.state().manifest = Some(manifest);
    }

    /// Sets the workflow file as it was when the run began.
    pub fn set_workflow(&self, text: String) {
        self.state().workflow = Some(text);
    }

    /// Adds a record of the journal, or an event of an attempt. As in files, of events only those are kept that are
    /// [recorded](roboppi_ipc::WorkerEvent::is_recorded); output belongs into the log, to which [`output`](Self::output) adds it. The end of an attempt closes its log.
    pub fn add(&self, record: &RunRecord) {
        let mut state = self.state();
        match record {
            RunRecord::Journal(record) => {
                if let RunEvent::AttemptFinished { of, .. } = &record.event {
                    state.attempts.entry(of.clone()).or_default().log.close(record.ts);
                }
                state.journal.push(record.clone());
            }
            RunRecord::Attempt(of, record) if record.event.is_recorded() => {
                state.attempts.entry(of.clone()).or_default().events.push(record.clone());
            }
            RunRecord::Attempt(..) => {}
        }
    }

    /// Adds output of an attempt to its log.
    pub fn output(&self, of: &AttemptRef, stream: OutputStream, bytes: &[u8], ts: UtcMillis) -> Appended {
        self.state().attempts.entry(of.clone()).or_default().log.append(stream, bytes, ts)
    }

    /// Adds a gap to the log of an attempt: `len` bytes that could not be recorded.
    pub fn lose(&self, of: &AttemptRef, len: u64, ts: UtcMillis) {
        self.state().attempts.entry(of.clone()).or_default().log.lose(len, ts);
    }

    /// Adds a large value under the name that events give it.
    pub fn add_blob(&self, name: &str, content: Vec<u8>) {
        self.state().blobs.insert(name.to_owned(), content);
    }

    /// Adds what a core wrote to its standard error.
    pub fn add_core_log(&self, bytes: &[u8]) {
        self.state().core_log.get_or_insert_default().extend_from_slice(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is inside is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.location.as_ref().map_or_else(|| PathBuf::from(name), |location| location.join(name))
    }

    fn absent(&self, name: &str) -> RecordError {
        RecordError::io("read", &self.at(name))(io::ErrorKind::NotFound.into())
    }
}

impl RecordStore for MemoryRecord {
    fn manifest(&self) -> Result<Manifest, RecordError> {
        self.state().manifest.clone().ok_or_else(|| self.absent("run.json"))
    }

    fn workflow_text(&self) -> Result<String, RecordError> {
        self.state().workflow.clone().ok_or_else(|| self.absent("workflow.yaml"))
    }

    fn imported(&self) -> Option<Imported> {
        None
    }

    fn journal(&self) -> Result<Box<dyn Journal>, RecordError> {
        Ok(Box::new(MemoryJournal { record: self.clone(), next: 0 }))
    }

    fn events(&self, of: &AttemptRef) -> Result<Box<dyn Events>, RecordError> {
        Ok(Box::new(MemoryEvents {
            record: self.clone(),
            of: of.clone(),
            position: EventPosition::default(),
        }))
    }

    fn log(&self, of: &AttemptRef) -> Result<Box<dyn Log>, RecordError> {
        let mut state = self.state();
        let log = &state.attempts.entry(of.clone()).or_default().log;
        let location = self.location.is_some().then(|| self.at(&(of.base() + ".log")));
        Ok(Box::new(LogReader::in_memory(log.bytes(), log.index(), location)?))
    }

    fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        Ok(self.state().blobs.get(name).cloned())
    }

    fn core_log(&self, longest: u64, known: Option<u64>) -> Result<CoreLog, RecordError> {
        let state = self.state();
        let Some(all) = &state.core_log else { return Ok(CoreLog::Absent) };
        let len = all.len() as u64;
        if known == Some(len) {
            return Ok(CoreLog::Unchanged);
        }
        let from = usize::try_from(len.saturating_sub(longest)).unwrap_or(usize::MAX);
        Ok(CoreLog::Read { len, tail: all.get(from..).unwrap_or_default().to_vec() })
    }

    fn location(&self, part: RecordPart<'_>) -> Option<PathBuf> {
        self.location.as_ref()?;
        Some(match part {
            RecordPart::Run => self.location.as_deref()?.to_owned(),
            RecordPart::Journal => self.at("journal.jsonl"),
            RecordPart::Log(of) => self.at(&(of.base() + ".log")),
            RecordPart::Blob(name) => self.at(&format!("blobs/{name}")),
            RecordPart::CoreLog => self.at("core.stderr"),
        })
    }
}

#[derive(Debug)]
struct MemoryJournal {
    record: MemoryRecord,
    next: usize,
}

impl Iterator for MemoryJournal {
    type Item = Result<JournalRecord, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.record.state().journal.get(self.next).cloned()?;
        self.next += 1;
        Some(Ok(record))
    }
}

impl Journal for MemoryJournal {
    fn torn(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct MemoryEvents {
    record: MemoryRecord,
    of: AttemptRef,
    /// Its offset is the number of records before it.
    position: EventPosition,
}

impl Iterator for MemoryEvents {
    type Item = Result<AttemptRecord, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = usize::try_from(self.position.offset()).ok()?;
        let record = self.record.state().attempts.get(&self.of)?.events.get(index).cloned()?;
        self.position = self.position.behind(&record, self.position.offset() + 1);
        Some(Ok(record))
    }
}

impl Events for MemoryEvents {
    fn resume_point(&self) -> EventPosition {
        self.position
    }

    fn resume(&mut self, position: EventPosition) {
        self.position = position;
    }
}
