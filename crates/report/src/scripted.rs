//! Lines of a script that are messages to roboppi, in the words a reader understands.

use std::borrow::Cow;

use roboppi_ipc::{OutputStream, WorkerKind};
use roboppi_run::{AttemptRef, StepView, progress_words};
use roboppi_worker_adapters::parse_progress;

/// Whether the worker of an attempt is a script, whose lines may be messages.
pub(crate) fn is_script(step: &StepView, of: &AttemptRef) -> bool {
    step.worker_of(of) == WorkerKind::CUSTOM
}

/// A line of a script as it is shown: a progress message in words, anything else as it is.
pub(crate) fn shown(stream: OutputStream, line: &[u8]) -> Cow<'_, [u8]> {
    // Nearly every line is none, and that is seen at its first two bytes.
    let message = line.starts_with(b"::").then(|| parse_progress(line)).flatten();
    match message.filter(|_| stream == OutputStream::Stdout) {
        Some(progress) => Cow::Owned(progress_words(&progress).into_bytes()),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_progress_message_is_put_in_words() {
        let text =
            |stream, line: &str| String::from_utf8(shown(stream, line.as_bytes()).into_owned()).unwrap();
        let out = |line| text(OutputStream::Stdout, line);
        assert_eq!(out("::progress percent=33 phase=compile::at 1"), "33% compile: at 1");
        for line in ["::progress percent=33", "::progressive::x", " ::progress::x", "::error::x", ""] {
            assert_eq!(out(line), line);
        }
        assert_eq!(text(OutputStream::Stderr, "::progress::x"), "::progress::x");
    }
}
