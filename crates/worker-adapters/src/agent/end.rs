//! What the end of an agent means: its exit code and its own last word must agree.

use roboppi_ipc::{ErrorClass, WorkerStatus};

use super::failures::{meaning_of, telling_line};
use super::{LimitTime, terminal};
use crate::{ExitKind, WorkerEnd};

/// What an agent itself said about its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReportedEnd {
    /// Nothing: the line that says so did not come.
    #[default]
    Nothing,
    /// That it has done its work.
    Done,
    /// That it has failed.
    Failed(AgentError),
}

/// A failure in words and in classes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentError {
    /// Whether trying again may help.
    pub class: ErrorClass,
    /// `errorKind` of the result: the agent's word for it, or one of `lost_output`, `no_end`, `exit_code`, `signal`.
    pub kind: String,
    /// `error` of the result: a sentence.
    pub message: String,
    /// When the limit is over that it tells of; without it the sentence is read for a time.
    pub limit: Option<LimitTime>,
}

impl AgentError {
    /// A failure.
    pub fn new(class: ErrorClass, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, kind: kind.into(), message: message.into(), limit: None }
    }

    /// Sets when the limit is over that it tells of.
    #[must_use]
    pub const fn with_limit(mut self, limit: Option<LimitTime>) -> Self {
        self.limit = limit;
        self
    }
}

/// `errorKind` of an end without a word of the agent: by its exit code.
const EXIT_CODE: &str = "exit_code";
/// `errorKind` of an end without a word of the agent: by a signal.
const SIGNAL: &str = "signal";

/// Whether a failure of this `errorKind` was concluded from the exit alone, and not from what the agent reported.
#[must_use]
pub fn is_of_exit_alone(kind: &str) -> bool {
    kind == EXIT_CODE || kind == SIGNAL
}

/// Class of a failed request by its HTTP status.
#[must_use]
pub const fn class_of_http_status(status: u64) -> ErrorClass {
    match status {
        429 => ErrorClass::RetryableRateLimit,
        408 | 409 | 425 => ErrorClass::RetryableTransient,
        500..=599 => ErrorClass::RetryableService,
        _ => ErrorClass::NonRetryable,
    }
}

/// What is known when an agent has ended.
pub(super) struct Ending<'a> {
    pub(super) end: &'a WorkerEnd<'a>,
    pub(super) reported: ReportedEnd,
    /// Why the session itself had it ended, when it did.
    pub(super) stopped: Option<AgentError>,
    /// It had said that it was done, and was then ended because it did not leave.
    pub(super) let_go: bool,
    /// It was only to leave when it was asked to end.
    pub(super) was_done: bool,
    /// The last line of its output broke off.
    pub(super) broken: bool,
}

/// Status and reason.
///
/// | it was ended | it said | exit | status | kind, class |
/// |---|---|---|---|---|
/// | by the session, at a limit | | | failed | the limit |
/// | because time was over or a budget spent, when it was only to leave | done | any | succeeded | |
/// | because time was over | | | failed | transient |
/// | for any other reason | | | cancelled | transient |
/// | no | failed | any | failed | what it said |
/// | no | done, then half a line | 0 | failed | `lost_output`, transient |
/// | no | done | 0 | succeeded | |
/// | after it was done | done | 0, TERM or KILL | succeeded | |
/// | no | done | signal | failed | `signal`, transient |
/// | no | done | other code | failed | by its words on standard error, else `exit_code`, not retryable |
/// | no | done or nothing, of output that may have holes | 0 | succeeded | |
/// | no | nothing, half a line | 0 | failed | `lost_output`, transient |
/// | no | nothing | 0 | failed | `no_end`, transient |
/// | no | nothing | signal | failed | `signal`, transient |
/// | no | nothing | other code | failed | the same |
///
/// A code of 128 + n counts as signal n for HUP, INT, KILL and TERM.
pub(super) fn judge(ending: Ending<'_>) -> (WorkerStatus, Option<AgentError>) {
    use roboppi_ipc::CancelReason::{Budget, Timeout};

    let Ending { end, reported, stopped, let_go, was_done, broken } = ending;
    let failed = |error| (WorkerStatus::Failed, Some(error));
    if let Some(limit) = stopped {
        return failed(limit);
    }
    if let Some(reason) = end.cancelled {
        if matches!(reason, Timeout | Budget) && was_done && reported == ReportedEnd::Done {
            return (WorkerStatus::Succeeded, None);
        }
        let status = if reason == Timeout { WorkerStatus::Failed } else { WorkerStatus::Cancelled };
        return (status, None);
    }
    let signal = signal_of(end.exit);
    let transient =
        |kind: &str, message: String| AgentError::new(ErrorClass::RetryableTransient, kind, message);
    let lost = || transient("lost_output", "its output broke off in the middle of a line".to_owned());
    match reported {
        ReportedEnd::Failed(error) => failed(error),
        ReportedEnd::Done | ReportedEnd::Nothing if end.partial && end.exit == ExitKind::Code(0) => {
            (WorkerStatus::Succeeded, None)
        }
        ReportedEnd::Done | ReportedEnd::Nothing if broken && end.exit == ExitKind::Code(0) => failed(lost()),
        ReportedEnd::Done if end.exit == ExitKind::Code(0) => (WorkerStatus::Succeeded, None),
        ReportedEnd::Done if let_go && was_ended(end) => (WorkerStatus::Succeeded, None),
        ReportedEnd::Nothing if end.exit == ExitKind::Code(0) => failed(transient(
            "no_end",
            "it exited with code 0 without reporting the outcome of its work".to_owned(),
        )),
        reported => {
            let then = if reported == ReportedEnd::Done { "it reported success, but " } else { "" };
            if let Some(signal) = signal {
                return failed(transient(SIGNAL, format!("{then}it was ended by signal {signal}")));
            }
            let stderr = end.output.stderr.text();
            let words = plain_words(telling_line(&stderr).unwrap_or_default());
            let (class, kind) = meaning_of(&words).unwrap_or((ErrorClass::NonRetryable, EXIT_CODE));
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            failed(AgentError::new(
                class,
                kind,
                format!("{then}it exited with code {}{words}", end.exit.code()),
            ))
        }
    }
}

const TERM: i32 = 15;

/// Whether the ladder that ends a worker is what ended it.
pub(super) fn was_ended(end: &WorkerEnd<'_>) -> bool {
    end.killed || signal_of(end.exit) == Some(TERM)
}

/// The signal that ended it, also where the program caught it and made a code of it.
const fn signal_of(exit: ExitKind) -> Option<i32> {
    match exit {
        ExitKind::Signal(signal) => Some(signal),
        ExitKind::Code(code @ (129 | 130 | 137 | 143)) => Some(code - 128),
        ExitKind::Code(_) => None,
    }
}

/// A line without escape sequences, shortened.
fn plain_words(line: &str) -> String {
    const LONGEST: usize = 500;

    let mut plain = terminal::without(line).into_owned();
    plain.truncate(plain.floor_char_boundary(LONGEST));
    plain
}
