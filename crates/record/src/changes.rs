//! The changes of files of one attempt, as its record has them.

use std::collections::BTreeMap;

use roboppi_ipc::{ChangeCause, WorkerEvent, WorkspaceChange, WorkspaceChanges};
use roboppi_run::{AttemptRef, AttemptStatus, AttemptView};

use crate::{RecordError, RecordStore};

/// What is recorded of the files that an attempt changed.
#[derive(Clone, Debug, Default)]
pub struct AttemptChanges {
    /// The changes by path. Without a comparison at the end, those that were reported or noticed.
    pub changes: Vec<WorkspaceChange>,
    /// Why these are not all; `None` if they are.
    pub missed: Option<String>,
    /// Another worker had the same files at the same time; its changes are among these.
    pub shared: bool,
    diffs: Vec<u8>,
}

impl AttemptChanges {
    /// Reads them. `may_go_on` says whether an attempt without an end may still be at work.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read(
        record: &dyn RecordStore,
        attempt: &AttemptView,
        may_go_on: bool,
    ) -> Result<Self, RecordError> {
        let (found, noticed) = events(record, &attempt.of)?;
        let Some(found) = found else {
            let changes = noticed.into_values().collect();
            return Ok(Self { changes, missed: Some(without(attempt, may_go_on)), ..Self::default() });
        };
        let mut missed: Vec<_> = found.missed.into_iter().collect();
        let mut read = |name: Option<String>| match name {
            None => Ok(Vec::new()),
            Some(name) => Ok(record.blob(&name)?.unwrap_or_else(|| {
                missed.push("a part of the record is gone or damaged".to_owned());
                Vec::new()
            })),
        };
        let (list, diffs) = (read(found.list)?, read(found.diffs)?);
        let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let changes: Vec<WorkspaceChange> =
            lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        if missed.is_empty() && !found.complete {
            missed.push("the reason is not recorded".to_owned());
        }
        if missed.is_empty() && changes.len() as u64 != found.changes {
            missed.push("a part of the record is gone or damaged".to_owned());
        }
        let missed = (!missed.is_empty()).then(|| missed.join("; "));
        Ok(Self { changes, missed, shared: found.shared, diffs })
    }

    /// The unified diff of a change; `None` if there is none.
    #[must_use]
    pub fn diff(&self, change: &WorkspaceChange) -> Option<&str> {
        let at = usize::try_from(change.diff_at?).ok()?;
        let end = at.checked_add(usize::try_from(change.diff_len?).ok()?)?;
        std::str::from_utf8(self.diffs.get(at..end)?).ok()
    }

    /// The change of a file.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&WorkspaceChange> {
        self.changes.iter().find(|change| change.path == path)
    }
}

/// The result of the comparison, and what was reported or noticed before.
type Found = (Option<WorkspaceChanges>, BTreeMap<String, WorkspaceChange>);

fn events(record: &dyn RecordStore, of: &AttemptRef) -> Result<Found, RecordError> {
    let (mut found, mut noticed) = (None, BTreeMap::new());
    for event in record.events(of)? {
        let event = match event {
            Ok(event) => event.event,
            Err(RecordError::BadJson { .. }) => continue,
            Err(error) => return Err(error),
        };
        match event {
            WorkerEvent::WorkspaceChanges(changes) => found = Some(changes),
            WorkerEvent::FileChanged { path, action, seen, .. } => {
                let cause = if seen { ChangeCause::Other } else { ChangeCause::Tool };
                noticed.insert(path.clone(), WorkspaceChange::new(path, action, cause));
            }
            _ => {}
        }
    }
    Ok((found, noticed))
}

/// Why there was no comparison.
fn without(attempt: &AttemptView, may_go_on: bool) -> String {
    let words = match attempt.status {
        AttemptStatus::Finished { .. } => {
            "no comparison of files is recorded: it is off for the step, the attempt was lost or never started, or an earlier \
             version recorded it"
        }
        _ if may_go_on => "the attempt is not over; files are compared at its end",
        _ => "roboppi ended before the files were compared",
    };
    words.to_owned()
}
