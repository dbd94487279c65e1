//! What an exit means, in the words every adapter shares.

use roboppi_ipc::{CancelReason, Cost, ErrorClass, Observation, ResultDetails, WorkerResult, WorkerStatus};

use crate::{StreamDigest, WorkerEnd};

const RATE_LIMIT_WORDS: [&str; 3] = ["rate limit", "429", "too many requests"];
const NETWORK_WORDS: [&str; 5] =
    ["econnrefused", "econnreset", "etimedout", "network error", "socket hang up"];

/// Exit codes of a process ended by KILL or TERM, as a shell shows them.
const ENDED_FROM_OUTSIDE: [i32; 2] = [137, 143];

/// The result an exit alone allows, with no observations.
///
/// | | status | class |
/// |---|---|---|
/// | time was over | failed | transient |
/// | ended for any other reason | cancelled | transient |
/// | code 0 | succeeded | |
/// | ended by KILL or TERM from outside | failed | transient |
/// | standard output speaks of a rate limit | failed | rate limit |
/// | standard output speaks of the network | failed | network |
/// | anything else | failed | not retryable |
///
/// A time-out is a failure and not a cancellation: nobody asked for the end, the attempt was too slow,
/// and another attempt may help.
#[must_use]
pub fn verdict(end: &WorkerEnd<'_>) -> WorkerResult {
    let (status, error_class) = judge(end);
    let duration_ms = u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX);
    WorkerResult::of_status(status)
        .with_cost(Cost::new(duration_ms))
        .with_duration_ms(duration_ms)
        .with_exit_code(Some(end.exit.code()))
        .with_error_class(error_class)
        .with_details(
            ResultDetails::default()
                .with_cancel_reason(end.cancelled)
                .with_signal(end.exit.signal())
                .with_killed(end.killed),
        )
}

fn judge(end: &WorkerEnd<'_>) -> (WorkerStatus, Option<ErrorClass>) {
    let failed = |class| (WorkerStatus::Failed, Some(class));
    match (end.cancelled, end.exit.code()) {
        (Some(CancelReason::Timeout), _) => failed(ErrorClass::RetryableTransient),
        (Some(_), _) => (WorkerStatus::Cancelled, Some(ErrorClass::RetryableTransient)),
        (None, 0) => (WorkerStatus::Succeeded, None),
        (None, code) if ENDED_FROM_OUTSIDE.contains(&code) => failed(ErrorClass::RetryableTransient),
        (None, _) => failed(classify_output(end.output.plain_stdout())),
    }
}

/// Class of a failure by what the worker printed: a rate limit, the network, or not retryable.
/// Looks at the part of the stream that is kept, without regard to case.
#[must_use]
pub fn classify_output(stdout: &StreamDigest) -> ErrorClass {
    let text = stdout.text().to_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if mentions(&RATE_LIMIT_WORDS) {
        ErrorClass::RetryableRateLimit
    } else if mentions(&NETWORK_WORDS) {
        ErrorClass::RetryableNetwork
    } else {
        ErrorClass::NonRetryable
    }
}

/// The stream whole when it has up to `whole` characters, otherwise the first and the last `part`
/// characters with `mark` between them. `part` must be well below the sizes the digest keeps.
#[must_use]
pub fn excerpt(stream: &StreamDigest, whole: usize, part: usize, mark: &str) -> String {
    if let Some(bytes) = stream.whole() {
        let text = String::from_utf8_lossy(&bytes);
        if length(&text) <= whole {
            return text.into_owned();
        }
        return format!("{}{mark}{}", first_chars(&text, part), last_chars(&text, part));
    }
    let (head, tail) = (String::from_utf8_lossy(stream.head()), String::from_utf8_lossy(stream.tail()));
    format!("{}{mark}{}", first_chars(&head, part), last_chars(&tail, part))
}

/// The observation that quotes standard error, when there is something on it.
#[must_use]
pub fn stderr_observation(stderr: &StreamDigest) -> Option<Observation> {
    let text = excerpt(stderr, 2000, 800, "\n...\n");
    (!text.trim().is_empty()).then(|| Observation::text(format!("[stderr]\n{}", text.trim_end())))
}

/// Length as the existing program counts it: in UTF-16 units.
fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn last_chars(text: &str, count: usize) -> &str {
    match count.checked_sub(1) {
        None => "",
        Some(before) => text.char_indices().nth_back(before).map_or(text, |(start, _)| &text[start..]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ExitKind, OutputDigest};

    fn outcome(exit: ExitKind, cancelled: Option<CancelReason>, stdout: &str) -> String {
        let mut output = OutputDigest::default();
        output.stdout.push(stdout.as_bytes());
        let end = WorkerEnd::new(exit, &output, Duration::from_millis(5)).with_cancelled(cancelled);
        let result = verdict(&end);
        format!("{:?} {:?} {:?}", result.status, result.error_class, result.exit_code)
    }

    #[test]
    fn every_way_to_end() {
        use CancelReason::{Budget, Parent, Timeout, User};
        use ExitKind::{Code, Signal};
        let rows: Vec<String> = [
            (Code(0), None, ""),
            (Code(0), Some(User), ""),
            (Code(0), Some(Timeout), ""),
            (Signal(15), Some(User), ""),
            (Signal(15), Some(Timeout), ""),
            (Signal(9), Some(Budget), ""),
            (Signal(15), Some(Parent), ""),
            (Signal(15), None, ""),
            (Code(137), None, ""),
            (Signal(11), None, ""),
            (Code(1), None, "HTTP 429"),
            (Code(1), None, "Rate Limit reached"),
            (Code(1), None, "connect ECONNREFUSED 127.0.0.1"),
            (Code(1), None, "rate limit after socket hang up"),
            (Code(2), None, "no such file"),
        ]
        .into_iter()
        .map(|(exit, cancelled, stdout)| {
            format!("{exit:?} {cancelled:?} {stdout:?} -> {}", outcome(exit, cancelled, stdout))
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        Code(0) None "" -> Succeeded None Some(0)
        Code(0) Some(User) "" -> Cancelled Some(RetryableTransient) Some(0)
        Code(0) Some(Timeout) "" -> Failed Some(RetryableTransient) Some(0)
        Signal(15) Some(User) "" -> Cancelled Some(RetryableTransient) Some(143)
        Signal(15) Some(Timeout) "" -> Failed Some(RetryableTransient) Some(143)
        Signal(9) Some(Budget) "" -> Cancelled Some(RetryableTransient) Some(137)
        Signal(15) Some(Parent) "" -> Cancelled Some(RetryableTransient) Some(143)
        Signal(15) None "" -> Failed Some(RetryableTransient) Some(143)
        Code(137) None "" -> Failed Some(RetryableTransient) Some(137)
        Signal(11) None "" -> Failed Some(NonRetryable) Some(139)
        Code(1) None "HTTP 429" -> Failed Some(RetryableRateLimit) Some(1)
        Code(1) None "Rate Limit reached" -> Failed Some(RetryableRateLimit) Some(1)
        Code(1) None "connect ECONNREFUSED 127.0.0.1" -> Failed Some(RetryableNetwork) Some(1)
        Code(1) None "rate limit after socket hang up" -> Failed Some(RetryableRateLimit) Some(1)
        Code(2) None "no such file" -> Failed Some(NonRetryable) Some(2)
        "#);
    }

    #[test]
    fn a_long_text_keeps_its_two_ends() {
        let mut stream = StreamDigest::default();
        stream.push(&[b'a'; 4000]);
        assert_eq!(excerpt(&stream, 4000, 1000, "..."), "a".repeat(4000));
        stream.push(b"b");
        let text = excerpt(&stream, 4000, 1000, "...");
        assert_eq!(text, format!("{}...{}b", "a".repeat(1000), "a".repeat(999)));
        stream.push(&vec![b'c'; 1_000_000]);
        let text = excerpt(&stream, 4000, 1000, "...");
        assert_eq!(text, format!("{}...{}", "a".repeat(1000), "c".repeat(1000)));
    }

    #[test]
    fn standard_error_is_quoted_only_when_it_says_something() {
        let mut stream = StreamDigest::default();
        assert_eq!(stderr_observation(&stream), None);
        stream.push(b" \n");
        assert_eq!(stderr_observation(&stream), None);
        stream.push(b"oh no\n");
        let quoted = stderr_observation(&stream).and_then(|o| o.summary);
        assert_eq!(quoted.as_deref(), Some("[stderr]\n \noh no"));
    }
}
