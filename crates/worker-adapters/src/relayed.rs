//! The lines of an agent, as a core of protocol 1 relays them.
//!
//! Such a core knows no kinds of events for what an agent does. It sends the lines of the program as `stdout` and `stderr`, one event
//! each and without the newline, with two exceptions: of an `assistant` line of Claude Code it sends the message alone, as
//! the text of a `progress`; and it cuts a text that is too long, so that what is left of a JSON line is none.

use std::borrow::Cow;

use roboppi_ipc::{CUT_MARK, OutputStream, WorkerEvent, WorkerKind};
use serde::Deserialize;

/// A line of an agent that came as an event of protocol 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayedLine<'a> {
    /// All of it, without a newline.
    Whole(OutputStream, Cow<'a, str>),
    /// The beginning of one: what it meant is lost.
    Cut(OutputStream),
}

/// The line of a worker of this kind that `event` was made of; `None` where it was made of none.
#[must_use]
pub fn relayed_line(kind: WorkerKind, event: &WorkerEvent) -> Option<RelayedLine<'_>> {
    let (stream, text) = match event {
        WorkerEvent::Stdout(output) => (OutputStream::Stdout, &output.data),
        WorkerEvent::Stderr(output) => (OutputStream::Stderr, &output.data),
        WorkerEvent::Progress(progress) if kind == WorkerKind::CLAUDE_CODE => {
            return message_of_claude(&progress.message);
        }
        _ => return None,
    };
    Some(if is_cut(text) {
        RelayedLine::Cut(stream)
    } else {
        RelayedLine::Whole(stream, text.as_str().into())
    })
}

/// Whether a text began as JSON and was cut.
fn is_cut(text: &str) -> bool {
    text.ends_with(CUT_MARK) && text.trim_start().starts_with('{')
}

/// The `assistant` line whose message is this text. What else of the line there was did not come.
fn message_of_claude(text: &str) -> Option<RelayedLine<'static>> {
    /// Nothing but a message of the model has these three.
    #[derive(Deserialize)]
    struct Message<'a> {
        role: Cow<'a, str>,
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
        #[serde(rename = "content", borrow)]
        _content: &'a serde_json::value::RawValue,
    }

    const BEGINNING: [&str; 2] = ["{\"id\":\"msg_", "{\"model\":"];
    if is_cut(text) {
        // Its fields may have come in any order; a person's progress begins like neither.
        let is_message = BEGINNING.iter().any(|beginning| text.starts_with(beginning))
            || text.contains("\"type\":\"message\"");
        return is_message.then_some(RelayedLine::Cut(OutputStream::Stdout));
    }
    let message: Message<'_> = serde_json::from_str(text).ok()?;
    let is_message = message.role == "assistant" && message.kind == "message";
    // It is JSON, so with this around it it is JSON, too.
    let line = || format!("{{\"type\":\"assistant\",\"message\":{text}}}").replace('\n', " ");
    is_message.then(|| RelayedLine::Whole(OutputStream::Stdout, line().into()))
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{Progress, WorkerOutput};

    use super::*;

    const MESSAGE: &str =
        r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hello"}]}"#;

    #[test]
    fn output_is_a_line_unless_it_was_cut() {
        let line = |text: &str| WorkerEvent::Stdout(WorkerOutput::new(text));
        let whole = |text: &'static str| Some(RelayedLine::Whole(OutputStream::Stdout, text.into()));
        let kind = WorkerKind::CODEX_CLI;
        assert_eq!(relayed_line(kind, &line("{\"a\":1}")), whole("{\"a\":1}"));
        assert_eq!(relayed_line(kind, &line("see ...(truncated)")), whole("see ...(truncated)"), "no JSON");
        assert_eq!(
            relayed_line(kind, &line("{\"a\":\"b...(truncated)")),
            Some(RelayedLine::Cut(OutputStream::Stdout))
        );
        let error = WorkerEvent::Stderr(WorkerOutput::new("no"));
        assert_eq!(relayed_line(kind, &error), Some(RelayedLine::Whole(OutputStream::Stderr, "no".into())));
    }

    #[test]
    fn a_message_of_claude_comes_as_progress() {
        let progress = |text: &str| WorkerEvent::Progress(Progress::new(text));
        let line = format!("{{\"type\":\"assistant\",\"message\":{MESSAGE}}}");
        let event = progress(MESSAGE);
        assert_eq!(
            relayed_line(WorkerKind::CLAUDE_CODE, &event),
            Some(RelayedLine::Whole(OutputStream::Stdout, line.into()))
        );
        assert_eq!(relayed_line(WorkerKind::CODEX_CLI, &event), None, "of others it is progress");
        for text in ["half", "{\"role\":\"assistant\"}", "[1]", "(logs truncated)", "half ...(truncated)"] {
            assert_eq!(relayed_line(WorkerKind::CLAUDE_CODE, &progress(text)), None, "{text}");
        }
        let cut = progress(&format!("{}...(truncated)", &MESSAGE[..70]));
        assert_eq!(relayed_line(WorkerKind::CLAUDE_CODE, &cut), Some(RelayedLine::Cut(OutputStream::Stdout)));
    }
}
