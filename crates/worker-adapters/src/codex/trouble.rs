//! What Codex' own words about a failure mean. They are all it gives: no code, no kind.

use roboppi_ipc::ErrorClass;
use serde::Deserialize;

use crate::agent::{AgentError, class_of_http_status, meaning_of};

/// Words that stand before the number of an HTTP answer.
const BEFORE_STATUS: [&str; 2] = ["last status: ", "unexpected status "];

/// What only Codex says.
const MEANINGS: [(&str, ErrorClass, &str); 3] = [
    ("waiting for network", ErrorClass::RetryableNetwork, "connection_failed"),
    ("Incomplete response returned", ErrorClass::NonRetryable, "incomplete"),
    ("Missing environment variable", ErrorClass::NonRetryable, "configuration"),
];

/// The body of a refused request, as the service sent it.
#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    message: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A failure from its message.
pub(super) fn trouble(message: &str) -> AgentError {
    if let Ok(Body { error }) = serde_json::from_str(message) {
        let kind = error.kind.unwrap_or_else(|| "request_refused".to_owned());
        return AgentError::new(ErrorClass::NonRetryable, kind, error.message);
    }
    if let Some(status) = status(message) {
        return AgentError::new(class_of_http_status(status), format!("http_{status}"), message);
    }
    let known = MEANINGS.iter().find(|(words, ..)| message.contains(words));
    let known = known.map(|(_, class, kind)| (*class, *kind)).or_else(|| meaning_of(message));
    let (class, kind) = known.unwrap_or((ErrorClass::NonRetryable, "turn_failed"));
    let message = if message.is_empty() { "its turn failed without a reason" } else { message };
    AgentError::new(class, kind, message)
}

fn status(message: &str) -> Option<u64> {
    BEFORE_STATUS.iter().find_map(|words| {
        let (_, rest) = message.split_once(words)?;
        let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
        digits.parse().ok().filter(|status| (400..600).contains(status))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_classes_and_kinds() {
        for (message, class, kind) in [
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                ErrorClass::RetryableRateLimit,
                "http_429",
            ),
            ("unexpected status 401 Unauthorized: no", ErrorClass::NonRetryable, "http_401"),
            ("unexpected status 12", ErrorClass::NonRetryable, "turn_failed"),
            ("We’re currently experiencing high demand, which", ErrorClass::RetryableService, "overloaded"),
            (
                "stream disconnected before completion: idle timeout",
                ErrorClass::RetryableNetwork,
                "idle_timeout",
            ),
            (r#"{"error":{"message":"no","type":"bad"}}"#, ErrorClass::NonRetryable, "bad"),
            ("Selected model is at capacity. Please try", ErrorClass::RetryableService, "overloaded"),
            ("You've hit your usage limit. Upgrade", ErrorClass::RetryableRateLimit, "usage_limit"),
            ("{", ErrorClass::NonRetryable, "turn_failed"),
            ("", ErrorClass::NonRetryable, "turn_failed"),
        ] {
            let error = trouble(message);
            assert_eq!((error.class, error.kind.as_str()), (class, kind), "{message}");
        }
    }
}
