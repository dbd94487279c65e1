//! Exit codes, and errors that have one.

use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use roboppi_record::RecordError;
use roboppi_report::ReportError;
use roboppi_report::select::NotThere;
use roboppi_supervisor::StartError;
use roboppi_tui::TuiError;

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

/// What to do when the core that was chosen cannot run a step.
pub(crate) const OTHER_CORE: &str = "leave out --core";

/// Whether the code says that SIGHUP or SIGTERM ended the run, and not a person.
pub(crate) const fn by_signal(code: u8) -> bool {
    matches!(code, 129 | 143)
}

/// The exit code of a command. One that panics has the code of a defect, and not that of the runtime, which is the one of
/// no outcome.
pub(crate) fn code_of(command: impl FnOnce() -> Result<ExitCode, Failure>) -> ExitCode {
    // Nothing of the command is used afterwards.
    match panic::catch_unwind(AssertUnwindSafe(command)) {
        Ok(result) => result.unwrap_or_else(Failure::report),
        Err(_) => {
            crate::terminal::note(
                "error: this is a defect of roboppi; please report it with the lines above",
            );
            ExitCode::from(OWN_ERROR)
        }
    }
}

/// Why a command failed, what can be done about it, and the exit code it has.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What happened, with the errors it comes from.
    error: Box<dyn Error + Send + Sync>,
    /// What whoever gave the command can do, in words of the command line.
    advice: String,
    code: u8,
}

impl Failure {
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(USAGE, error)
    }

    pub(crate) fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(REFUSED, error)
    }

    pub(crate) fn infrastructure(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(INFRASTRUCTURE, error)
    }

    pub(crate) fn own(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(OWN_ERROR, error)
    }

    fn of(code: u8, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), advice: String::new(), code }
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

    /// What failed when a run was taken in.
    pub(crate) fn import(error: RecordError) -> Self {
        match error {
            RecordError::RunExists { .. } => {
                Self::usage(error).advise("take this one in under another id with --as ID")
            }
            RecordError::ExportTooLarge { .. } => {
                Self::usage(error).advise("--max-size allows more, if you trust its origin")
            }
            RecordError::BadExport { .. } => Self::usage(error),
            _ => Self::own(error),
        }
    }

    /// Why a run could not begin.
    pub(crate) fn start(error: StartError) -> Self {
        let hint = match &error {
            StartError::ContextDir { .. } => {
                "choose another one with `context_dir:` in the workflow, or another workspace with --workspace"
            }
            StartError::ContextInUse { .. } => "wait for its end, or end it, and resume then",
            StartError::Record(_) | StartError::Temporary(_) => {
                "set ROBOPPI_STATE_DIR or TMPDIR to a directory you can write to"
            }
            StartError::Branch { hint, .. } => {
                let hint = hint.clone();
                let failure = Self::usage(error);
                return match hint {
                    Some(hint) => failure.hint(&hint),
                    None => failure,
                };
            }
            StartError::Workspace { .. } | StartError::Signals(_) => return Self::infrastructure(error),
        };
        Self::infrastructure(error).hint(hint)
    }

    /// Why a screen ended otherwise than by a person.
    pub(crate) fn screen(error: TuiError) -> Self {
        let is_missing = matches!(error, TuiError::NoTerminal(_));
        let failure = Self::own(error);
        if is_missing { failure.advise("use --no-tui") } else { failure }
    }

    /// What happened and what to do about it.
    pub(crate) fn message(&self) -> String {
        format!("{}{}", self.error, self.advice)
    }

    /// Adds what to do to the sentence that says what happened.
    pub(crate) fn advise(mut self, advice: &str) -> Self {
        self.advice = format!("{}; {advice}", self.advice);
        self
    }

    /// Adds what to do as a line of its own.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.advice = format!("{}\nhint: {hint}", self.advice);
        self
    }

    /// Says it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        tracing::error!(error = &*self.error as &dyn Error, code = self.code, "the command failed");
        crate::terminal::note(&format!("error: {}", self.message()));
        ExitCode::from(self.code)
    }
}

impl From<NotThere> for Failure {
    fn from(error: NotThere) -> Self {
        Self::usage(error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    #[expect(clippy::panic, reason = "the panic is the subject")]
    fn a_panic_has_the_code_of_a_defect() {
        // An exit code cannot be compared otherwise.
        let text = |code: ExitCode| format!("{code:?}");
        assert_eq!(text(code_of(|| panic!("in a test"))), text(ExitCode::from(OWN_ERROR)));
        assert_eq!(text(code_of(|| Ok(ExitCode::from(7)))), text(ExitCode::from(7)));
        assert_eq!(text(code_of(|| Err(Failure::usage("in a test")))), text(ExitCode::from(USAGE)));
    }

    #[test]
    fn advice_on_a_screen_is_given_only_where_it_helps() {
        let message = |error| Failure::screen(error).message();
        let cause = || io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(message(TuiError::NoTerminal(cause())), "there is no terminal to draw on; use --no-tui");
        assert_eq!(message(TuiError::Gone(cause())), "the terminal went away");
    }
}
