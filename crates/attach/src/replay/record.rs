//! The record of a run as far as a replay of it has come.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roboppi_record::{
    AttemptFiles, CoreLog, Events, Imported, Journal, Log, RecordError, RecordPart, RecordStore,
};
use roboppi_run::{AttemptRef, Manifest, RunView};

use super::PlayerState;

/// The record that is played. Logs end where they ended at the time that is shown; the rest is as it is.
#[derive(Debug)]
pub(super) struct ReplayRecord {
    pub(super) record: Arc<dyn RecordStore>,
    pub(super) state: Arc<PlayerState>,
}

impl RecordStore for ReplayRecord {
    fn manifest(&self) -> Result<Manifest, RecordError> {
        self.record.manifest()
    }

    fn workflow_text(&self) -> Result<String, RecordError> {
        self.record.workflow_text()
    }

    fn imported(&self) -> Option<Imported> {
        self.record.imported()
    }

    fn is_imported(&self) -> bool {
        self.record.is_imported()
    }

    fn journal(&self) -> Result<Box<dyn Journal>, RecordError> {
        self.record.journal()
    }

    fn snapshot(&self) -> Result<(RunView, Box<dyn Journal>), RecordError> {
        self.record.snapshot()
    }

    fn view(&self) -> Result<RunView, RecordError> {
        self.record.view()
    }

    fn events(&self, of: &AttemptRef) -> Result<Box<dyn Events>, RecordError> {
        self.record.events(of)
    }

    fn log(&self, of: &AttemptRef) -> Result<Box<dyn Log>, RecordError> {
        let end = self.state.log_end(of);
        self.state.feed.with_view(|view| {
            let shown = view.attempt(of).map_or(0, |attempt| attempt.activity.log_bytes);
            end.store(shown, Ordering::Relaxed);
        });
        let mut log = self.record.log(of)?;
        log.end_at(end)?;
        Ok(log)
    }

    fn attempt_damage(&self, of: &AttemptRef, files: AttemptFiles, budget: u64) -> Vec<String> {
        self.record.attempt_damage(of, files, budget)
    }

    fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.record.blob(name)
    }

    fn core_log(&self, longest: u64, known: Option<u64>) -> Result<CoreLog, RecordError> {
        self.record.core_log(longest, known)
    }

    fn location(&self, part: RecordPart<'_>) -> Option<PathBuf> {
        self.record.location(part)
    }
}
