//! How an attempt ended, as far as the run is concerned.

use roboppi_ipc::{CancelReason, ErrorClass, UtcMillis, WorkerResult, WorkerStatus};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It did what it was asked.
    Succeeded,
    /// It did not, or could not be started.
    Failed {
        /// Whether another attempt makes sense; unknown is tried again.
        class: Option<ErrorClass>,
        /// Why, one line.
        detail: String,
        /// When the usage limit is over that it came up against.
        retry_at: Option<UtcMillis>,
    },
    /// Its own time was over. Tried again like a transient failure.
    TimedOut {
        /// The key of the limit and how the worker ended, one line: ``(`timeout`), killed``.
        detail: String,
    },
    /// It was ended because someone asked.
    Cancelled {
        /// Why.
        reason: CancelReason,
        /// One line.
        detail: String,
    },
    /// Nobody knows. Tried again like a transient failure.
    Lost {
        /// Why, one line.
        detail: String,
    },
}

impl AttemptEnd {
    /// The same of an attempt that checks the work of others.
    pub(super) fn of_check(mut self) -> Self {
        match &mut self {
            // What is put in front of a time limit says whose it is.
            Self::Succeeded
            | Self::TimedOut { .. }
            | Self::Cancelled { reason: CancelReason::Timeout, .. } => {}
            Self::Failed { detail, .. } => *detail = format!("its check failed: {detail}"),
            Self::Cancelled { detail, .. } | Self::Lost { detail } => {
                *detail = format!("its check: {detail}");
            }
        }
        self
    }

    /// The same, with why there is no other attempt.
    pub(super) fn not_tried_again(mut self, why: &str) -> Self {
        match &mut self {
            Self::Succeeded => {}
            Self::Failed { detail, .. }
            | Self::TimedOut { detail }
            | Self::Cancelled { detail, .. }
            | Self::Lost { detail } => *detail = format!("{detail}; not tried again: {why}"),
        }
        self
    }
}

impl From<&WorkerResult> for AttemptEnd {
    fn from(result: &WorkerResult) -> Self {
        let reason = result.details.as_ref().and_then(|details| details.cancel_reason);
        let detail = detail(result);
        let waited = result.details.as_ref().and_then(|details| details.waited_for.as_deref());
        match (result.status, reason) {
            (WorkerStatus::Succeeded, _) => Self::Succeeded,
            (_, Some(CancelReason::Lost)) => Self::Lost { detail },
            (_, Some(CancelReason::Timeout)) => Self::TimedOut {
                detail: match waited {
                    Some(waited) => {
                        format!("{} while it waited: {}", limit_words(result), one_line(waited))
                    }
                    None => limit_words(result),
                },
            },
            (WorkerStatus::Cancelled, reason) => {
                let waited =
                    waited.map_or(String::new(), |waited| format!(" while it waited: {}", one_line(waited)));
                Self::Cancelled {
                    reason: reason.unwrap_or(CancelReason::User),
                    detail: format!("{}{waited}", end_words(result)),
                }
            }
            (WorkerStatus::Failed, _) => {
                let class = result.error_class;
                let retry_at = result.details.as_ref().and_then(|details| details.retry_at);
                let retry_at = retry_at.filter(|_| class == Some(ErrorClass::RetryableRateLimit));
                Self::Failed { class, detail, retry_at }
            }
            (WorkerStatus::Unknown(status), _) => {
                let detail =
                    format!("its core reports `{status}`, which this version does not know ({detail})");
                Self::Failed { class: result.error_class, detail, retry_at: None }
            }
        }
    }
}

/// How a worker ended of which it is known that it had no time left: the same without the key of the limit. The clock of a core
/// may be faster than the request to end, and then it is not the limit of the step that counts.
pub(super) fn without_limit(detail: &str) -> &str {
    let rest = detail.strip_prefix("(`timeout`)").or_else(|| detail.strip_prefix("(`idle`):"));
    rest.map_or(detail, |rest| rest.trim_start_matches([',', ' ']))
}

/// Which limit was reached, and how the worker ended. What it wrote last has nothing to do with that.
fn limit_words(result: &WorkerResult) -> String {
    let details = result.details.as_deref();
    let error = details.and_then(|details| details.error.as_deref());
    let limit = match error.filter(|error| error.starts_with("it did nothing for ")) {
        Some(idle) => format!("(`idle`): {}", one_line(idle.split(" and was ended").next().unwrap_or(idle))),
        None => "(`timeout`)".to_owned(),
    };
    let how = if details.is_some_and(|details| details.killed) {
        Some("killed".to_owned())
    } else {
        result.exit_words()
    };
    how.map_or_else(|| limit.clone(), |how| format!("{limit}, {how}"))
}

/// How a worker ended that was asked to.
fn end_words(result: &WorkerResult) -> String {
    result.exit_words().unwrap_or_else(|| detail(result))
}

/// The most telling line of a result: the error of who could not start a worker, else the last line the worker
/// wrote, on stderr if it wrote anything there. Programs say last why they give up.
fn detail(result: &WorkerResult) -> String {
    let error = result.details.as_ref().and_then(|details| details.error.as_deref());
    let last_lines =
        result.observations.iter().rev().filter_map(|observation| observation.summary.as_deref());
    // What an agent said last is no reason for its end, when somebody else ended it.
    let details = result.details.as_ref();
    let is_agent = details.is_some_and(|details| details.session_id.is_some());
    let was_ended = details.is_some_and(|details| details.cancel_reason.is_some());
    let last_lines = last_lines.filter(|_| !(is_agent && was_ended));
    let lines = error.into_iter().flat_map(str::lines).chain(last_lines.flat_map(|text| text.lines().rev()));
    let line = lines.filter(|line| *line != "[stderr]").map(one_line).find(|line| !line.is_empty());
    match (result.exit_words(), line) {
        (Some(code), Some(line))
            if line.starts_with(&format!("it exited with {}", code.replacen("exit ", "", 1))) =>
        {
            line
        }
        (Some(code), Some(line)) => format!("{code}: {line}"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => match result.status {
            WorkerStatus::Succeeded => "succeeded".to_owned(),
            WorkerStatus::Failed => "failed without a reason".to_owned(),
            WorkerStatus::Cancelled => "cancelled".to_owned(),
            WorkerStatus::Unknown(_) => "without a reason".to_owned(),
        },
    }
}

/// White space collapsed, at most 240 characters.
fn one_line(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(240).collect()
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{Observation, ResultDetails};

    use super::*;

    fn result(status: WorkerStatus, reason: Option<CancelReason>) -> WorkerResult {
        WorkerResult::of_status(status)
            .with_observations(vec![
                Observation::text("some output"),
                Observation::text("[stderr]\nmore\n  no   such file\n"),
            ])
            .with_duration_ms(1)
            .with_exit_code(Some(2))
            .with_error_class(Some(ErrorClass::NonRetryable))
            .with_details(ResultDetails::default().with_cancel_reason(reason))
    }

    #[test]
    fn a_limit_is_named_with_what_was_done_about_it() {
        let ended = |error: Option<&str>, killed| {
            let details = ResultDetails::default()
                .with_cancel_reason(Some(CancelReason::Timeout))
                .with_error(error.map(str::to_owned))
                .with_signal(Some(if killed { 9 } else { 15 }))
                .with_killed(killed);
            let result = result(WorkerStatus::Failed, None).with_details(details);
            match AttemptEnd::from(&result) {
                AttemptEnd::TimedOut { detail } => detail,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(ended(None, true), "(`timeout`), killed");
        assert_eq!(ended(None, false), "(`timeout`), killed by SIGTERM");
        let idle = "it did nothing for 2 s (no output) and was ended; `idle` says how long that may take";
        assert_eq!(ended(Some(idle), true), "(`idle`): it did nothing for 2 s (no output), killed");
    }

    #[test]
    fn a_limit_is_left_out_of_the_words_of_its_end() {
        for (detail, rest) in [
            ("(`timeout`), killed by SIGTERM", "killed by SIGTERM"),
            ("(`timeout`)", ""),
            ("(`timeout`) while it waited: a lock", "while it waited: a lock"),
            ("(`idle`): it did nothing for 2 s, killed", "it did nothing for 2 s, killed"),
            ("signal 15", "signal 15"),
        ] {
            assert_eq!(without_limit(detail), rest);
        }
    }

    #[test]
    fn a_result_is_read_by_status_and_reason() {
        let detail = || "exit code 2: no such file".to_owned();
        let late = || "(`timeout`), exit code 2".to_owned();
        for (status, reason, end) in [
            (WorkerStatus::Succeeded, None, AttemptEnd::Succeeded),
            (
                WorkerStatus::Failed,
                None,
                AttemptEnd::Failed {
                    class: Some(ErrorClass::NonRetryable),
                    detail: detail(),
                    retry_at: None,
                },
            ),
            (WorkerStatus::Failed, Some(CancelReason::Timeout), AttemptEnd::TimedOut { detail: late() }),
            (
                WorkerStatus::from_name("SHELVED"),
                Some(CancelReason::from_name("quota")),
                AttemptEnd::Failed {
                    class: Some(ErrorClass::NonRetryable),
                    detail: format!(
                        "its core reports `SHELVED`, which this version does not know ({})",
                        detail()
                    ),
                    retry_at: None,
                },
            ),
            (
                WorkerStatus::Cancelled,
                Some(CancelReason::from_name("quota")),
                AttemptEnd::Cancelled {
                    reason: CancelReason::from_name("quota"),
                    detail: "exit code 2".to_owned(),
                },
            ),
            (WorkerStatus::Cancelled, Some(CancelReason::Timeout), AttemptEnd::TimedOut { detail: late() }),
            (WorkerStatus::Cancelled, Some(CancelReason::Lost), AttemptEnd::Lost { detail: detail() }),
            (
                WorkerStatus::Cancelled,
                None,
                AttemptEnd::Cancelled { reason: CancelReason::User, detail: "exit code 2".to_owned() },
            ),
        ] {
            assert_eq!(AttemptEnd::from(&result(status, reason)), end);
        }
    }
}
