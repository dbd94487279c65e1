//! What is wrong with the files of a run: they are compared with what the journal says of them.

use std::fs;

use roboppi_ipc::{CancelReason, WorkerResult};
use roboppi_run::RunEvent;

use crate::{LogReader, RecordError, RunDir};

/// What the journal says of the files of an attempt that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptFiles {
    /// Length of the log in bytes, lost ones included; 0 when that is not known.
    pub log_bytes: u64,
    /// Length of the event file in bytes; 0 when that is not known.
    pub events_bytes: u64,
    /// Whether their writer lived to close them.
    pub closed: bool,
}

impl AttemptFiles {
    /// What `attempt_finished` says.
    #[must_use]
    pub fn of(result: &WorkerResult, log_bytes: u64, events_bytes: u64) -> Self {
        let reason = result.details.as_deref().and_then(|details| details.cancel_reason);
        Self { log_bytes, events_bytes, closed: reason != Some(CancelReason::Lost) }
    }
}

impl RunDir {
    /// The log of an attempt that has ended, which is compared with what the journal says.
    ///
    /// # Errors
    /// When `base` is not of the allowed form, or a file cannot be read.
    pub fn finished_log(&self, base: &str, files: AttemptFiles) -> Result<LogReader, RecordError> {
        let mut log = self.log(base)?;
        log.expect(files.log_bytes, files.closed)?;
        Ok(log)
    }

    /// What is wrong with the files of an attempt that has ended, one text for each thing. Of the log `budget` bytes are
    /// compared with their sums, and lengths always.
    #[must_use]
    pub fn attempt_damage(&self, base: &str, files: AttemptFiles, budget: u64) -> Vec<String> {
        let mut found = Vec::new();
        let log = self.finished_log(base, files).and_then(|mut log| {
            log.check(budget)?;
            let path = log.path().display().to_string();
            found.extend(log.damage()?.iter().map(|damage| format!("{path} is damaged: {damage}")));
            Ok(())
        });
        found.extend(log.err().map(|error| error.to_string()));
        found.extend(self.events_damage(base, files.events_bytes));
        found
    }

    /// What is wrong with the length of the event file of an attempt that has ended, for people.
    #[must_use]
    pub fn events_damage(&self, base: &str, known: u64) -> Option<String> {
        let path = self.events_path(base).ok()?;
        let len = fs::symlink_metadata(&path).map_or(0, |file| file.len());
        let what = match (known, len.checked_sub(known)) {
            (0, _) | (_, Some(0)) => return None,
            (_, None) if len == 0 => format!("all {known} bytes of it are missing"),
            (_, None) => format!("its last {} bytes are missing", known - len),
            (_, Some(more)) => format!("{more} bytes at its end are not of the worker"),
        };
        Some(format!("{} is damaged: {what}", path.display()))
    }

    /// What is wrong with the record, one text for each thing, at most `most` of them: whether `run.json` and the journal are
    /// whole, and whether the files it tells of are. Of all logs together `budget` bytes are compared with their sums.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn damage(&self, most: usize, mut budget: u64) -> Result<Vec<String>, RecordError> {
        let path = self.journal_path();
        let mut found: Vec<_> = self.manifest().err().iter().map(ToString::to_string).collect();
        let mut journal = self.journal()?;
        let (mut last, mut is_over) = (0, false);
        for record in journal.by_ref() {
            if found.len() >= most {
                break;
            }
            let record = match record {
                Ok(record) => record,
                Err(error @ RecordError::BadJson { .. }) => {
                    found.push(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Records that there was no room for are missing by intent: a warning that says so stands behind them.
            let is_stated = record.seq > last && matches!(record.event, RunEvent::Warning { .. });
            if record.seq != last + 1 && !is_stated {
                found.push(format!(
                    "{} is damaged: record {} follows record {last}",
                    path.display(),
                    record.seq
                ));
            }
            last = record.seq;
            match record.event {
                RunEvent::AttemptFinished { of, result, log_bytes, events_bytes, .. } => {
                    let files = AttemptFiles::of(&result, log_bytes, events_bytes);
                    found.extend(self.attempt_damage(&of.base(), files, budget));
                    budget = budget.saturating_sub(log_bytes);
                }
                RunEvent::RunFinished { .. } => is_over = true,
                _ => {}
            }
        }
        if is_over && journal.torn() {
            found.push(format!("{} is damaged: something follows its last record", path.display()));
        }
        found.truncate(most);
        Ok(found)
    }
}
