//! Why a view is not written.

use std::io;

use roboppi_record::RecordError;

use crate::select::NotThere;

/// Why a view was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The text cannot be written. A reader that went away is among these.
    #[error("{0}")]
    Out(#[source] io::Error),
    /// The record cannot be read.
    #[error("{0}")]
    Record(#[source] RecordError),
    /// The run has no such step or attempt.
    #[error("{0}")]
    NotThere(#[from] NotThere),
}
