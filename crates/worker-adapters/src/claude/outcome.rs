//! What a `result` of Claude Code means.

use roboppi_ipc::ErrorClass;

use super::wire::Line;
use crate::agent::{AgentError, ReportedEnd, class_of_http_status, meaning_of};

/// What is known of a failed request from lines before the `result`.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// The word of the message that tells of it.
    pub(super) word: Option<String>,
    /// The last request got no answer at all.
    pub(super) no_answer: bool,
}

/// Reads a `result`. Its `subtype` may be `success` although it failed.
pub(super) fn reported_end(line: &Line<'_>, trouble: &Trouble) -> ReportedEnd {
    let subtype = line.subtype.as_deref().unwrap_or_default();
    if !line.is_error && subtype == "success" {
        return ReportedEnd::Done;
    }
    let message = line.result.as_deref().or(line.errors.first().map(String::as_str)).unwrap_or_default();
    let reason = line.terminal_reason.as_deref();
    let (class, kind) = match subtype {
        "error_max_turns" => (ErrorClass::NonRetryable, "max_turns"),
        "error_max_budget_usd" => (ErrorClass::Budget, "max_budget"),
        "success" => (class_of_request(line, trouble), kind_of_request(line, trouble)),
        // Somebody interrupted it: `aborted_tools`, `aborted_streaming`.
        "error_during_execution" if reason.is_some_and(|reason| reason.starts_with("aborted")) => {
            (ErrorClass::RetryableTransient, reason.unwrap_or(subtype))
        }
        _ => (ErrorClass::NonRetryable, subtype),
    };
    let message = match (message, kind) {
        (message, _) if message.starts_with("[ede_diagnostic]") => "it was interrupted",
        (_, "max_turns") => "it used up its turns",
        (_, "max_budget") => "it used up its budget",
        ("", kind) => kind,
        (message, _) => message,
    };
    ReportedEnd::Failed(AgentError::new(class, kind, message))
}

fn kind_of_request<'a>(line: &'a Line<'_>, trouble: &'a Trouble) -> &'a str {
    [&line.api_error_type, &line.api_error]
        .into_iter()
        .find_map(|word| word.as_deref())
        .or(trouble.word.as_deref())
        .or(line.terminal_reason.as_deref().filter(|reason| *reason != "completed"))
        .or(line.result.as_deref().and_then(meaning_of).map(|(_, kind)| kind))
        .unwrap_or("is_error")
}

fn class_of_request(line: &Line<'_>, trouble: &Trouble) -> ErrorClass {
    if let Some(status) = line.api_error_status {
        return class_of_http_status(status);
    }
    if line.api_error.as_deref() == Some("connection_failed") || trouble.no_answer {
        return ErrorClass::RetryableNetwork;
    }
    match trouble.word.as_deref() {
        Some("rate_limit") => ErrorClass::RetryableRateLimit,
        Some("server_error" | "overloaded") => ErrorClass::RetryableService,
        Some(_) => ErrorClass::NonRetryable,
        None => {
            let meaning = line.result.as_deref().and_then(meaning_of);
            meaning.map_or(ErrorClass::NonRetryable, |(class, _)| class)
        }
    }
}
