//! What can be read of a run, wherever its record is kept.
//!
//! Views read the record of a run through these traits only, so they need neither a directory nor this machine.
//! [`RunDir`](crate::RunDir) implements them over files, [`MemoryRecord`](crate::MemoryRecord) over memory.

use std::fmt::Debug;
use std::path::PathBuf;

use roboppi_run::{AttemptRecord, AttemptRef, JournalRecord, Manifest, RunView};

use crate::{AttemptFiles, EventPosition, Imported, Log, RecordError};

/// The record of one run.
///
/// Reading may take as long as a disk or a network does: not for a thread that must not wait. What is not there yet reads
/// as empty, and a reader that came to the end goes on with what was added since.
pub trait RecordStore: Debug + Send + Sync {
    /// What was started.
    ///
    /// # Errors
    /// When it is not recorded, or cannot be read.
    fn manifest(&self) -> Result<Manifest, RecordError>;

    /// The workflow file as it was when the run began.
    ///
    /// # Errors
    /// When it is not recorded, or cannot be read.
    fn workflow_text(&self) -> Result<String, RecordError>;

    /// Where the run came from when it was imported from another machine; `None` when it was not.
    fn imported(&self) -> Option<Imported>;

    /// Whether the run came from another machine, so that nobody here owns it.
    fn is_imported(&self) -> bool {
        self.imported().is_some()
    }

    /// The journal from its first record on.
    ///
    /// # Errors
    /// When it cannot be read.
    fn journal(&self) -> Result<Box<dyn Journal>, RecordError>;

    /// The view of the run at some record of its journal, without what its workers did, and the journal behind that record.
    /// The further on the record, the less there is to read.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn snapshot(&self) -> Result<(RunView, Box<dyn Journal>), RecordError> {
        Ok((RunView::default(), self.journal()?))
    }

    /// The view of the run from its whole journal, without what its workers did. Lines that are no records are passed over.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn view(&self) -> Result<RunView, RecordError> {
        let (mut view, journal) = self.snapshot()?;
        for record in journal {
            match record {
                Ok(record) => view.apply_journal(&record),
                Err(RecordError::BadJson { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(view)
    }

    /// The recorded events of an attempt.
    ///
    /// # Errors
    /// When they cannot be read.
    fn events(&self, of: &AttemptRef) -> Result<Box<dyn Events>, RecordError>;

    /// The log of an attempt.
    ///
    /// # Errors
    /// When it cannot be read.
    fn log(&self, of: &AttemptRef) -> Result<Box<dyn Log>, RecordError>;

    /// The log of an attempt that has ended, which is compared with what the journal says of it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn finished_log(&self, of: &AttemptRef, files: AttemptFiles) -> Result<Box<dyn Log>, RecordError> {
        let mut log = self.log(of)?;
        log.expect(files.log_bytes, files.closed)?;
        Ok(log)
    }

    /// What is damaged of the log and the events of an attempt that has ended, one text for people for each damage. Of the
    /// log `budget` bytes are compared with their checksums, and lengths always.
    fn attempt_damage(&self, of: &AttemptRef, files: AttemptFiles, budget: u64) -> Vec<String> {
        let found = self.finished_log(of, files).and_then(|mut log| {
            log.check(budget)?;
            let damage = log.damage()?;
            Ok(damage.iter().map(|damage| format!("the log of {of} is damaged: {damage}")).collect())
        });
        found.unwrap_or_else(|error| vec![error.to_string()])
    }

    /// A large value by its name, as events give it; `None` when it is not there or damaged.
    ///
    /// # Errors
    /// When it cannot be read.
    fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError>;

    /// The end of what the cores of the run wrote to their standard error: at most `longest` bytes of it. With the length
    /// `known` from an earlier call nothing is read unless it has changed.
    ///
    /// # Errors
    /// When it cannot be read.
    fn core_log(&self, longest: u64, known: Option<u64>) -> Result<CoreLog, RecordError>;

    /// Where a part of the record is, to show to a person; `None` when it is in no place that a person could open. It
    /// need not be there.
    fn location(&self, part: RecordPart<'_>) -> Option<PathBuf>;
}

/// The journal of a run, record by record. At its end it gives `None`, and goes on later with what was added. A line that is
/// no record is an error, behind which the next one can be read.
pub trait Journal: Debug + Send + Iterator<Item = Result<JournalRecord, RecordError>> {
    /// Whether the journal ended in an incomplete record when it was read to its end. Such a record is still being
    /// written, or its writer died.
    fn torn(&self) -> bool;
}

/// The recorded events of an attempt, one by one. At their end it gives `None`, and goes on later with what was added. A
/// line that is no event is an error, behind which the next one can be read. Events that were given up are a
/// [`Gap`](roboppi_ipc::Gap).
pub trait Events: Debug + Send + Iterator<Item = Result<AttemptRecord, RecordError>> {
    /// The position of the next event.
    fn resume_point(&self) -> EventPosition;

    /// Goes on at a position that [`resume_point`](Self::resume_point) gave for the same attempt.
    fn resume(&mut self, position: EventPosition);
}

/// What [`RecordStore::core_log`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreLog {
    /// No core wrote anything.
    Absent,
    /// It is as long as is known.
    Unchanged,
    /// It has changed.
    Read {
        /// Length of all of it in bytes.
        len: u64,
        /// Its last bytes.
        tail: Vec<u8>,
    },
}

/// A part of the record that a person may want to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPart<'a> {
    /// All of it.
    Run,
    /// The journal.
    Journal,
    /// The log of an attempt.
    Log(&'a AttemptRef),
    /// A large value, by its name.
    Blob(&'a str),
    /// What cores wrote to their standard error.
    CoreLog,
}
