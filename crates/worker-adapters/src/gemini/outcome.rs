//! What the end of Gemini CLI means.

use roboppi_ipc::ErrorClass;

use super::wire::Failure;
use crate::ExitKind;
use crate::agent::{AgentError, class_of_http_status, meaning_of};

/// An `error` line. It is the last word on how the run went, though `result` may say `success` after it: a loop that
/// was broken up, an answer that was blocked.
pub(super) fn of_error_line(message: &str) -> AgentError {
    let lower = message.to_lowercase();
    let (class, kind) = if lower.contains("loop detected") {
        (ErrorClass::NonRetryable, "loop_detected")
    } else if lower.contains("session turns") {
        (ErrorClass::NonRetryable, "max_turns")
    } else if lower.contains("blocked") {
        (ErrorClass::NonRetryable, "blocked")
    } else if lower.contains("stream") {
        (ErrorClass::RetryableTransient, "invalid_stream")
    } else {
        (ErrorClass::NonRetryable, "error")
    };
    AgentError::new(class, kind, message)
}

/// A `result` with status `error`. Its message names the status of the request in some cases, its exit code in the
/// others.
pub(super) fn of_result(failure: Option<&Failure<'_>>, exit: ExitKind) -> AgentError {
    let message = failure.and_then(|failure| failure.message.as_deref()).unwrap_or("it failed");
    let word = failure.and_then(|failure| failure.kind.as_deref()).filter(|word| *word != "unknown");
    if let Some(status) = status_in(message).or_else(|| status_of(exit)) {
        let kind = word.map_or_else(|| kind_of_status(status).to_owned(), str::to_owned);
        return AgentError::new(class_of_http_status(status), kind, message);
    }
    if let Some(error) = of_exit(exit) {
        return AgentError { message: message.to_owned(), ..error };
    }
    let (class, kind) = meaning_of(message)
        .or_else(|| word.and_then(meaning_of))
        .unwrap_or((ErrorClass::NonRetryable, "error"));
    AgentError::new(class, word.unwrap_or(kind), message)
}

/// An exit code of its own, without a word about the end on standard output.
pub(super) fn of_exit(exit: ExitKind) -> Option<AgentError> {
    let ExitKind::Code(code) = exit else { return None };
    let (kind, message) = match code {
        41 => {
            ("authentication", "it is not logged in and has no key; run `gemini` once, or set GEMINI_API_KEY")
        }
        42 => ("invalid_input", "it did not accept its input, or does not know the session"),
        44 => ("sandbox", "its sandbox failed"),
        52 => ("configuration", "its settings are invalid"),
        53 => ("max_turns", "it used up the turns of its settings"),
        54 => ("tool", "a required tool failed"),
        55 => ("untrusted_directory", "it does not trust the directory"),
        _ => {
            let status = status_of(exit)?;
            let message = format!("a request failed with status {status}");
            return Some(AgentError::new(class_of_http_status(status), kind_of_status(status), message));
        }
    };
    Some(AgentError::new(ErrorClass::NonRetryable, kind, message))
}

/// The HTTP status that was made an exit code, of which a system keeps the lowest 8 bits. Codes of signals are none.
fn status_of(exit: ExitKind) -> Option<u64> {
    match exit {
        ExitKind::Code(code @ 144..=255) => u64::try_from(code).ok().map(|code| code + 256),
        ExitKind::Code(17) => Some(529),
        _ => None,
    }
}

/// The status in `{"error":{"code":400,…}}`, which is part of some messages.
fn status_in(message: &str) -> Option<u64> {
    let after = message.split_once("\"code\":")?.1.trim_start();
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|status| (400..600).contains(status))
}

const fn kind_of_status(status: u64) -> &'static str {
    match status {
        400 => "invalid_request",
        401 | 403 => "authentication",
        404 => "not_found",
        429 => "rate_limit",
        500..=599 => "server_error",
        _ => "request_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_in_the_message_or_the_exit_code() {
        let api =
            |message: &'static str| Failure { kind: Some("unknown".into()), message: Some(message.into()) };
        let rows: Vec<String> = [
            (r#"[API Error: {"error":{"code":400,"message":"no"}}]"#, ExitKind::Code(144)),
            ("[API Error: slow down]", ExitKind::Code(173)),
            ("[API Error: no]", ExitKind::Code(145)),
            ("[API Error: oh]", ExitKind::Code(244)),
            ("[API Error: overloaded]", ExitKind::Code(17)),
            ("exception TypeError: fetch failed", ExitKind::Code(1)),
            ("[API Error: terminated]", ExitKind::Code(1)),
            ("no key", ExitKind::Code(41)),
            ("?", ExitKind::Code(1)),
            ("?", ExitKind::Signal(9)),
        ]
        .map(|(message, exit)| {
            let error = of_result(Some(&api(message)), exit);
            format!("{exit:?} {message} -> {} {:?}", error.kind, error.class)
        })
        .into();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        Code(144) [API Error: {"error":{"code":400,"message":"no"}}] -> invalid_request NonRetryable
        Code(173) [API Error: slow down] -> rate_limit RetryableRateLimit
        Code(145) [API Error: no] -> authentication NonRetryable
        Code(244) [API Error: oh] -> server_error RetryableService
        Code(17) [API Error: overloaded] -> server_error RetryableService
        Code(1) exception TypeError: fetch failed -> connection_failed RetryableNetwork
        Code(1) [API Error: terminated] -> connection_lost RetryableNetwork
        Code(41) no key -> authentication NonRetryable
        Code(1) ? -> error NonRetryable
        Signal(9) ? -> error NonRetryable
        "#);
        assert_eq!(of_exit(ExitKind::Code(143)), None, "a signal");
        assert_eq!(of_exit(ExitKind::Code(1)), None);
    }
}
