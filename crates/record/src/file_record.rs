//! The record of a run in its directory.

use std::path::PathBuf;

use roboppi_run::{AttemptRef, Manifest, RunView};

use crate::read_at::read_full_at;
use crate::{
    AttemptFiles, CoreLog, EventPosition, EventReader, Events, Imported, Journal, JournalFold, JournalReader,
    Log, RecordError, RecordPart, RecordStore, RunDir,
};

impl RecordStore for RunDir {
    fn manifest(&self) -> Result<Manifest, RecordError> {
        Self::manifest(self)
    }

    fn workflow_text(&self) -> Result<String, RecordError> {
        Self::workflow_text(self)
    }

    fn imported(&self) -> Option<Imported> {
        Self::imported(self)
    }

    fn is_imported(&self) -> bool {
        Self::is_imported(self)
    }

    fn journal(&self) -> Result<Box<dyn Journal>, RecordError> {
        Ok(Box::new(Self::journal(self)?))
    }

    fn snapshot(&self) -> Result<(RunView, Box<dyn Journal>), RecordError> {
        let (view, journal) = Self::snapshot(self)?.into_parts();
        Ok((view, Box::new(journal)))
    }

    fn view(&self) -> Result<RunView, RecordError> {
        Self::view(self).map(JournalFold::into_view)
    }

    fn events(&self, of: &AttemptRef) -> Result<Box<dyn Events>, RecordError> {
        Ok(Box::new(Self::events(self, &of.base())?))
    }

    fn log(&self, of: &AttemptRef) -> Result<Box<dyn Log>, RecordError> {
        Ok(Box::new(Self::log(self, &of.base())?))
    }

    fn attempt_damage(&self, of: &AttemptRef, files: AttemptFiles, budget: u64) -> Vec<String> {
        Self::attempt_damage(self, &of.base(), files, budget)
    }

    fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        Self::blob(self, name)
    }

    fn core_log(&self, longest: u64, known: Option<u64>) -> Result<CoreLog, RecordError> {
        read_core_log(self, longest, known)
    }

    fn location(&self, part: RecordPart<'_>) -> Option<PathBuf> {
        Some(match part {
            RecordPart::Run => self.path().to_owned(),
            RecordPart::Journal => self.journal_path(),
            RecordPart::Log(of) => {
                // It may be packed.
                let found = Self::log(self, &of.base()).map(|log| log.path().to_owned());
                found.unwrap_or_else(|_| self.path().join(of.base() + ".log"))
            }
            RecordPart::Blob(name) => self.blob_path(name),
            RecordPart::CoreLog => self.core_stderr_path(),
        })
    }
}

impl Journal for JournalReader {
    fn torn(&self) -> bool {
        Self::torn(self)
    }
}

impl Events for EventReader {
    fn resume_point(&self) -> EventPosition {
        Self::resume_point(self)
    }

    fn resume(&mut self, position: EventPosition) {
        Self::resume(self, position);
    }
}

/// The last bytes of `core.stderr`, `longest` at most, unless it is as long as is `known`.
fn read_core_log(run: &RunDir, longest: u64, known: Option<u64>) -> Result<CoreLog, RecordError> {
    let Some(file) = run.open_core_stderr()? else { return Ok(CoreLog::Absent) };
    let unreadable = |source| RecordError::io("read", &run.core_stderr_path())(source);
    let len = file.metadata().map_err(unreadable)?.len();
    if known == Some(len) {
        return Ok(CoreLog::Unchanged);
    }
    let from = len.saturating_sub(longest);
    let mut tail = vec![0; usize::try_from(len - from).unwrap_or(0)];
    // Its writer may cut it meanwhile.
    let read = read_full_at(&file, &mut tail, from).map_err(unreadable)?;
    tail.truncate(read);
    Ok(CoreLog::Read { len, tail })
}
