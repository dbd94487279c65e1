//! What the words of a failure mean, where an agent gives no code. They are of programs and services, never of the model.

use roboppi_ipc::ErrorClass;

/// Words in lower case, the class they stand for, and the kind. The first that is found counts.
const MEANINGS: [(&str, ErrorClass, &str); 33] = [
    ("quota", ErrorClass::RetryableRateLimit, "quota"),
    ("exhausted your capacity", ErrorClass::RetryableRateLimit, "quota"),
    ("usage limit", ErrorClass::RetryableRateLimit, "usage_limit"),
    ("session limit", ErrorClass::RetryableRateLimit, "usage_limit"),
    ("weekly limit", ErrorClass::RetryableRateLimit, "usage_limit"),
    ("rate limit", ErrorClass::RetryableRateLimit, "rate_limit"),
    ("rate_limit", ErrorClass::RetryableRateLimit, "rate_limit"),
    ("too many requests", ErrorClass::RetryableRateLimit, "rate_limit"),
    ("at capacity", ErrorClass::RetryableService, "overloaded"),
    ("capacity is unavailable", ErrorClass::RetryableService, "overloaded"),
    ("high demand", ErrorClass::RetryableService, "overloaded"),
    ("overloaded", ErrorClass::RetryableService, "overloaded"),
    ("internal server error", ErrorClass::RetryableService, "server_error"),
    ("service unavailable", ErrorClass::RetryableService, "server_error"),
    ("bad gateway", ErrorClass::RetryableService, "server_error"),
    ("idle timeout", ErrorClass::RetryableNetwork, "idle_timeout"),
    ("stream disconnected", ErrorClass::RetryableNetwork, "stream_disconnected"),
    ("api error: terminated", ErrorClass::RetryableNetwork, "connection_lost"),
    ("typeerror: terminated", ErrorClass::RetryableNetwork, "connection_lost"),
    ("other side closed", ErrorClass::RetryableNetwork, "connection_lost"),
    ("und_err", ErrorClass::RetryableNetwork, "connection_lost"),
    ("econnreset", ErrorClass::RetryableNetwork, "connection_lost"),
    ("epipe", ErrorClass::RetryableNetwork, "connection_lost"),
    ("socket hang up", ErrorClass::RetryableNetwork, "connection_lost"),
    ("connection closed", ErrorClass::RetryableNetwork, "connection_lost"),
    ("connection aborted", ErrorClass::RetryableNetwork, "connection_lost"),
    ("connection failed", ErrorClass::RetryableNetwork, "connection_failed"),
    ("econnrefused", ErrorClass::RetryableNetwork, "connection_failed"),
    ("etimedout", ErrorClass::RetryableNetwork, "connection_failed"),
    ("enotfound", ErrorClass::RetryableNetwork, "connection_failed"),
    ("eai_again", ErrorClass::RetryableNetwork, "connection_failed"),
    ("fetch failed", ErrorClass::RetryableNetwork, "connection_failed"),
    ("network error", ErrorClass::RetryableNetwork, "connection_failed"),
];

/// The class of a failure, and a kind, by its words. `None` when they say nothing of either.
#[must_use]
pub fn meaning_of(message: &str) -> Option<(ErrorClass, &'static str)> {
    let message = message.to_lowercase();
    let known = MEANINGS.iter().find(|(words, ..)| message.contains(words));
    known.map(|(_, class, kind)| (*class, *kind))
}

/// Lines of programs on standard error that tell of no failure.
const CHATTER: [&str; 4] = [
    "Reading additional input from stdin",
    "Reading prompt from stdin",
    "Node.js v",
    "Set CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS",
];

/// The line on standard error that names an error, or else the last one that says something: where command line tools
/// say what was wrong. Frames of a stack and brackets say nothing.
pub(super) fn telling_line(stderr: &str) -> Option<&str> {
    let is_telling = |line: &&str| {
        let is_frame = line.starts_with("at ") || line.starts_with("file:///");
        let has_words = line.chars().any(char::is_alphabetic);
        has_words && !is_frame && !CHATTER.iter().any(|chatter| line.starts_with(chatter))
    };
    let lines = || stderr.lines().map(str::trim).filter(is_telling);
    let starts_with_error =
        |line: &&str| line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    let names_error = |line: &&str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        first.ends_with("Error:") || first.ends_with("Exception:")
    };
    lines()
        .rev()
        .find(starts_with_error)
        .or_else(|| lines().find(names_error))
        .or_else(|| lines().next_back())
}

/// Lines on standard error that say that a part of the settings does not count, because the workspace is not trusted.
pub(super) fn trust_lines(stderr: &str) -> impl Iterator<Item = &str> {
    stderr.lines().map(str::trim).filter(|line| is_about_trust(line)).take(MOST_TRUST_LINES)
}

/// Lines about trust that count; more say the same.
pub(super) const MOST_TRUST_LINES: usize = 3;

/// Whether a line on standard error is one of them.
pub(super) fn is_about_trust(line: &str) -> bool {
    let line = line.to_lowercase();
    ["untrusted", "not trusted", "has not been trusted"].iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_meaning() {
        use ErrorClass::{RetryableNetwork, RetryableRateLimit, RetryableService};
        for (message, meaning) in [
            (
                "Selected model is at capacity. Please try a different model.",
                Some((RetryableService, "overloaded")),
            ),
            (
                "Policy-restricted capacity is unavailable. Please try again later.",
                Some((RetryableService, "overloaded")),
            ),
            (
                "TerminalQuotaError: You have exhausted your capacity on this model. Your quota will reset after 3h22m10s.",
                Some((RetryableRateLimit, "quota")),
            ),
            ("Claude AI usage limit reached|1796020000", Some((RetryableRateLimit, "usage_limit"))),
            ("[API Error: terminated]", Some((RetryableNetwork, "connection_lost"))),
            ("SocketError: other side closed (UND_ERR_SOCKET)", Some((RetryableNetwork, "connection_lost"))),
            ("write EPIPE", Some((RetryableNetwork, "connection_lost"))),
            ("exception TypeError: fetch failed", Some((RetryableNetwork, "connection_failed"))),
            ("the session was terminated by its owner", None),
            ("prompt is too long", None),
        ] {
            assert_eq!(meaning_of(message), meaning, "{message}");
        }
    }

    #[test]
    fn the_telling_line_is_neither_a_frame_nor_chatter() {
        for (stderr, line) in [
            ("warning: a\nerror: no such flag\nusage: x\n", Some("error: no such flag")),
            (
                "TerminalQuotaError: no quota\n    at classify (file:///x.js:1:2)\n",
                Some("TerminalQuotaError: no quota"),
            ),
            (
                "NotFoundError: gone\n data: {\n  message: \"Session\",\n},\n\n   at <anonymous> (/x.js:1)\n",
                Some("NotFoundError: gone"),
            ),
            ("Reading additional input from stdin...\n", None),
            ("loading\nit is broken\n", Some("it is broken")),
            ("", None),
        ] {
            assert_eq!(telling_line(stderr), line, "{stderr:?}");
        }
    }
}
