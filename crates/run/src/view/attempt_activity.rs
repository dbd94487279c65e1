//! What the worker of an attempt did, which for most commands is nothing but output.

use std::ops::Deref;

use roboppi_ipc::{LOGS_TRUNCATED, Resources, WorkerEvent};
use serde::{Deserialize, Serialize};

use super::Activity;
use crate::AttemptRecord;

/// What the worker of an attempt did: an [`Activity`], which takes room once there is something in it, and how long its log
/// is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptActivity {
    /// Length of its log as far as events tell.
    pub log_bytes: u64,
    /// What its processes use, as far as events tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Box<Resources>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acts: Option<Box<Activity>>,
}

impl AttemptActivity {
    /// Folds one event in.
    ///
    /// Output, partial text and what was left out of them are live only; all they say about the record is how long the log
    /// is, so a view folded from files is the same without them.
    pub fn apply(&mut self, record: &AttemptRecord) {
        match &record.event {
            WorkerEvent::Stdout(output) | WorkerEvent::Stderr(output) => {
                let end = output.offset.zip(output.len).map_or(0, |(offset, len)| offset + len);
                self.log_bytes = self.log_bytes.max(end).max(record.at);
            }
            WorkerEvent::Resources(resources) => {
                self.log_bytes = self.log_bytes.max(record.at);
                self.resources = Some(Box::new(*resources));
            }
            WorkerEvent::LogGrew(grew) => self.log_bytes = self.log_bytes.max(grew.end()),
            WorkerEvent::TextDelta(_) | WorkerEvent::ThinkingDelta(_) => {}
            WorkerEvent::Gap(gap) => {
                self.log_bytes = self.log_bytes.max(gap.to_offset);
                if gap.recorded > 0 {
                    self.acts.get_or_insert_default().apply(record);
                }
            }
            // A note for people who look on. It tells nothing of how far the work is.
            WorkerEvent::Progress(progress) if progress.message == LOGS_TRUNCATED => {}
            _ => {
                self.log_bytes = self.log_bytes.max(record.at);
                self.acts.get_or_insert_default().apply(record);
            }
        }
    }

    /// Whether its worker told nothing, but for output.
    pub(super) const fn is_silent(&self) -> bool {
        self.acts.is_none() && self.resources.is_none()
    }

    /// Whether there is nothing to tell, not even output.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Deref for AttemptActivity {
    type Target = Activity;

    fn deref(&self) -> &Activity {
        static NOTHING: Activity = Activity::nothing();
        self.acts.as_deref().unwrap_or(&NOTHING)
    }
}

impl PartialEq for AttemptActivity {
    fn eq(&self, other: &Self) -> bool {
        self.log_bytes == other.log_bytes && self.resources == other.resources && **self == **other
    }
}
