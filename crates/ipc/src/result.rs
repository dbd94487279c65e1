//! How a worker ended.

mod construct;

use serde::{Deserialize, Serialize};

use crate::time::whole;
use crate::{ProcessIdentity, Resources, Usage, UtcMillis};

/// The result of one attempt (`result` of `job_completed`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkerResult {
    /// `status`: status of the worker.
    pub status: WorkerStatus,
    /// `artifacts`: artifacts, as reported by the worker.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// `observations`: notable facts, output excerpts first.
    #[serde(default)]
    pub observations: Vec<Observation>,
    /// `cost`: time and tokens.
    pub cost: Cost,
    /// `durationMs`: duration from spawn to the end, on the core's monotonic clock.
    #[serde(deserialize_with = "whole")]
    pub duration_ms: u64,
    /// `exitCode`: exit code of the worker; 128 + n for signal n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// `errorClass`: absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<ErrorClass>,
    /// `details`: fields that protocol 1 does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<ResultDetails>>,
}

impl WorkerResult {
    /// How the process of the worker ended, for people: `exit code 2`, `killed by SIGSEGV`. `None` when there was
    /// none, or a core of protocol 1 does not say.
    ///
    /// A SIGKILL that roboppi did not send comes most often from a system that is out of memory, and that is said.
    #[must_use]
    pub fn exit_words(&self) -> Option<String> {
        let details = self.details.as_deref();
        let Some(signal) = details.and_then(|details| details.signal) else {
            return self.exit_code.map(|code| format!("exit code {code}"));
        };
        let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
        let unasked = details.is_some_and(|details| !details.killed && details.cancel_reason.is_none());
        let hint = if signal == SIGKILL && unasked { " (out of memory?)" } else { "" };
        Some(format!("killed by {name}{hint}"))
    }
}

const SIGKILL: i32 = 9;

/// The name of a signal of Linux, by its number: `SIGKILL` for 9. `None` for real-time signals.
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

value_enum! {
    /// `status` of a result.
    pub enum WorkerStatus {
        /// `SUCCEEDED`: exit code and the worker's own final message agree on success.
        Succeeded = "SUCCEEDED",
        /// `FAILED`: the worker ended by itself, or by a limit, without success.
        Failed = "FAILED",
        /// `CANCELLED`: ended on request.
        Cancelled = "CANCELLED",
    }
}

value_enum! {
    /// Class of a failure, which determines whether a retry helps (`errorClass`).
    pub enum ErrorClass {
        /// `RETRYABLE_TRANSIENT`: a retry may help.
        RetryableTransient = "RETRYABLE_TRANSIENT",
        /// `RETRYABLE_RATE_LIMIT`: a service wants fewer requests.
        RetryableRateLimit = "RETRYABLE_RATE_LIMIT",
        /// `RETRYABLE_NETWORK`: a service could not be reached.
        RetryableNetwork = "RETRYABLE_NETWORK",
        /// `RETRYABLE_SERVICE`: a service failed.
        RetryableService = "RETRYABLE_SERVICE",
        /// `NON_RETRYABLE_LINT`: a check of the code failed.
        NonRetryableLint = "NON_RETRYABLE_LINT",
        /// `NON_RETRYABLE_TEST`: a test failed.
        NonRetryableTest = "NON_RETRYABLE_TEST",
        /// `BUDGET`: a budget is spent; never retried.
        Budget = "BUDGET",
        /// `FATAL`: never retried.
        Fatal = "FATAL",
        /// `NON_RETRYABLE`: a retry does not help. An unknown class is treated like this one, and shown
        /// unchanged.
        NonRetryable = "NON_RETRYABLE",
    }
}

value_enum! {
    /// Reason for which an attempt or a run was terminated, mildest first. It may only become more severe; an
    /// unknown reason gives way to any other.
    pub enum CancelReason {
        /// `fail_fast`: another step failed, and the run was to end with the first failure.
        FailFast = "fail_fast",
        /// `user`: requested by a user, by key, signal or command.
        User = "user",
        /// `timeout`: its time limit was exceeded.
        Timeout = "timeout",
        /// `budget`: its limit of bytes or cost was exceeded.
        Budget = "budget",
        /// `parent`: the owner is gone or was asked to end.
        Parent = "parent",
        /// `lost`: the core died; the outcome is unknown.
        Lost = "lost",
    }
}

impl CancelReason {
    /// Reads the free text of a `cancel_job`. A word is a reason, also one that is not known; a sentence of an old runner
    /// means a person or its program asked.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        let of_a_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        match Self::from_name(text) {
            Self::Unknown(_) if text.is_empty() || !text.bytes().all(of_a_word) => Self::User,
            reason => reason,
        }
    }
}

/// A result of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Artifact {
    /// `type`: type of the artifact: `patch`, `diff`, `file_change`.
    #[serde(rename = "type")]
    pub artifact_type: String,
    /// `ref`: reference, usually a path.
    #[serde(rename = "ref")]
    pub reference: String,
    /// `content`: content of the artifact, if sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// A notable fact about an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Observation {
    /// `summary`: readable text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// `command`: the executed command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// `filesChanged`: paths of changed files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
}

/// `cost` of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cost {
    /// `wallTimeMs`: same as `durationMs` of the result.
    #[serde(deserialize_with = "whole")]
    pub wall_time_ms: u64,
    /// `estimatedTokens`: estimated number of tokens; roboppi's core omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_tokens: Option<u64>,
    /// `instructionBytes`: length of the instructions; roboppi's core omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction_bytes: Option<u64>,
}

/// Fields that protocol 2 adds to a result (`details`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResultDetails {
    /// `cancelReason`: reason for which the worker was terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    /// `signal`: number of the signal that ended the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// `killed`: whether the worker was killed with KILL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub killed: bool,
    /// `error`: readable error, if there was no worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `leaked`: processes that the worker left behind, and that were terminated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaked: Vec<Leaked>,
    /// `logBytes`: logical length of the attempt's log.
    #[serde(default)]
    pub log_bytes: u64,
    /// `eventsBytes`: length of the attempt's event file.
    #[serde(default)]
    pub events_bytes: u64,
    /// `lastSeq`: number of the last event; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// `answer`: an agent's final text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// `sessionId`: session of the agent, for resuming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// `model`: the model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `turns`: number of model round trips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// `usage`: tokens and cost of the whole attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// `resources`: processor time and memory of the whole attempt; absent where the system does not report them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// `denials`: denied tool calls, as `tool: reason`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<String>,
    /// `errorKind`: the worker's own error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// `waitedFor`: what the worker waited for when it was terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_for: Option<String>,
    /// `retryAt`: when the usage limit that ended the attempt is over, in UTC milliseconds; absent when the agent gave no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<UtcMillis>,
    /// `notes`: remarks on the attempt, such as what the worker left running. None of them is a reason for a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A process that outlived its worker and was terminated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Leaked {
    /// `process`: identity of the process.
    pub process: ProcessIdentity,
    /// `command`: command line of the process, shortened.
    pub command: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    fn ended(signal: Option<i32>, killed: bool) -> Option<String> {
        let details = ResultDetails { signal, killed, ..ResultDetails::default() };
        let exit_code = Some(signal.map_or(2, |signal| 128 + signal));
        let result = WorkerResult {
            exit_code,
            details: Some(Box::new(details)),
            ..WorkerResult::of_status(WorkerStatus::Failed)
        };
        result.exit_words()
    }

    #[test]
    fn a_signal_is_called_by_its_name_and_an_exit_code_by_its_number() {
        assert_eq!(ended(None, false).as_deref(), Some("exit code 2"));
        assert_eq!(ended(Some(9), false).as_deref(), Some("killed by SIGKILL (out of memory?)"));
        assert_eq!(ended(Some(9), true).as_deref(), Some("killed by SIGKILL"));
        assert_eq!(ended(Some(11), false).as_deref(), Some("killed by SIGSEGV"));
        assert_eq!(ended(Some(40), false).as_deref(), Some("killed by signal 40"));
        assert_eq!(WorkerResult::of_status(WorkerStatus::Failed).exit_words(), None);
        assert_eq!((signal_name(1), signal_name(31), signal_name(0)), (Some("SIGHUP"), Some("SIGSYS"), None));
    }

    #[test]
    fn a_word_is_a_reason_and_a_sentence_means_that_somebody_asked() {
        for (text, reason) in [
            ("timeout", CancelReason::Timeout),
            ("lost", CancelReason::Lost),
            ("user", CancelReason::User),
            ("quota_2", CancelReason::Unknown(Word::new("quota_2"))),
            ("", CancelReason::User),
            ("step:lint aborted", CancelReason::User),
            ("Aborted", CancelReason::User),
        ] {
            assert_eq!(CancelReason::from_wire(text), reason, "{text}");
        }
        let unknown = CancelReason::from_name("quota");
        assert!(CancelReason::ALL.iter().all(|known| *known > unknown), "it gives way to any other");
    }
}
