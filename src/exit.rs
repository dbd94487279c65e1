//! Exit codes, and errors that have one.

use std::fmt::Display;
use std::process::ExitCode;

use roboppi_record::RecordError;
use roboppi_report::ReportError;
use roboppi_report::select::NotThere;

/// A step failed; or a run was asked for something and refuses it.
pub(crate) const REFUSED: u8 = 1;
/// Usage, or a workflow that cannot run.
pub(crate) const USAGE: u8 = 2;
/// The world around the run: core, workspace, record.
pub(crate) const INFRASTRUCTURE: u8 = 3;
/// Everything is done already.
pub(crate) const NOTHING_TO_RUN: u8 = 4;
/// A defect or a limit of roboppi itself.
pub(crate) const OWN_ERROR: u8 = 125;

/// Whether the code says that SIGHUP or SIGTERM ended the run, and not a person.
pub(crate) const fn by_signal(code: u8) -> bool {
    matches!(code, 129 | 143)
}

/// Why a command failed, with the exit code it has.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), code: USAGE }
    }

    pub(crate) fn refused(message: impl Display) -> Self {
        Self { message: message.to_string(), code: REFUSED }
    }

    pub(crate) fn infrastructure(message: impl Display) -> Self {
        Self { message: message.to_string(), code: INFRASTRUCTURE }
    }

    pub(crate) fn own(message: impl Display) -> Self {
        Self { message: message.to_string(), code: OWN_ERROR }
    }

    /// What failed on a record that cannot be read.
    pub(crate) fn record(error: RecordError) -> Self {
        if error.is_damage() { Self::infrastructure(error) } else { Self::own(error) }
    }

    /// Why a view was not written.
    pub(crate) fn report_error(error: ReportError) -> Self {
        match error {
            ReportError::Out(error) => Self::own(error),
            ReportError::Record(error) => Self::record(error),
            ReportError::NotThere(error) => error.into(),
        }
    }

    /// Says it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        crate::terminal::note(&format!("error: {}", self.message));
        ExitCode::from(self.code)
    }
}

impl From<NotThere> for Failure {
    fn from(error: NotThere) -> Self {
        Self::usage(error)
    }
}
