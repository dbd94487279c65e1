//! What the steps of a run wrote.

use roboppi_record::{AttemptFiles, Log, RecordError, RecordStore};
use roboppi_run::{AttemptStatus, AttemptView};

mod copy;
mod lines;
mod missing;
mod printer;

pub use copy::{copy, paths};
pub(crate) use lines::LONGEST;
pub use lines::LineFilter;
pub use printer::{LogSettings, Which, print};

/// Bytes read from a log at a time.
const PIECE: usize = 256 * 1024;

/// The log of an attempt, which is compared with what the journal says when the attempt has ended.
pub(crate) fn open(record: &dyn RecordStore, attempt: &AttemptView) -> Result<Box<dyn Log>, RecordError> {
    match recorded_files(attempt) {
        Some(files) => record.finished_log(&attempt.of, files),
        None => record.log(&attempt.of),
    }
}

/// What the journal says of the files of an attempt, once it has ended.
pub(crate) fn recorded_files(attempt: &AttemptView) -> Option<AttemptFiles> {
    match &attempt.status {
        AttemptStatus::Finished { result, log_bytes } => Some(AttemptFiles::of(result, *log_bytes, 0)),
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    }
}
