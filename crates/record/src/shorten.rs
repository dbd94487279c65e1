//! What is too long for an event: it is shortened there, and the whole of it is recorded first.

use std::io;

use roboppi_ipc::{ToolCall, ToolResult, WorkerEvent, WorkerResult};
use serde_json::Value;

/// Characters of what a tool returned, and of a text in what it was given, that an event holds.
const PREVIEW: usize = 500;
/// Bytes of an agent's text that an event holds.
const TEXT: usize = 16 * 1024;
/// Bytes of a progress message. It is a short text for a status line.
const PROGRESS: usize = 4096;
/// Bytes of an agent's answer that a result holds.
const ANSWER: usize = 1024 * 1024;
/// Bytes of what a tool was given, as JSON, that an event holds.
const INPUT: usize = 8 * 1024;

/// Bytes of the name and of the message of a sub-agent that an event holds.
const SUB_AGENT: usize = 1024;

/// Records a value and gives its name, when there is room.
pub type KeepWhole<'a> = dyn FnMut(&[u8]) -> Option<String> + 'a;

/// Shortens what is too long, after `keep` has taken the whole.
pub fn shorten_event(event: &mut WorkerEvent, keep: &mut KeepWhole<'_>) {
    if let WorkerEvent::ToolCall(ToolCall { agents, .. })
    | WorkerEvent::ToolResult(ToolResult { agents, .. }) = event
    {
        let texts = agents.iter_mut().flat_map(|agent| agent.name.iter_mut().chain(&mut agent.message));
        texts.for_each(|text| text.truncate(text.floor_char_boundary(SUB_AGENT)));
    }
    match event {
        WorkerEvent::Text(text) | WorkerEvent::Thinking(text) if text.text.len() > TEXT => {
            text.blob = keep(text.text.as_bytes());
            text.text.truncate(text.text.floor_char_boundary(TEXT));
        }
        WorkerEvent::ToolCall(call) if is_long(&call.input) => {
            let whole = call.input.to_string();
            call.blob = keep(whole.as_bytes());
            shorten_texts(&mut call.input);
            if json_len(&call.input) > INPUT {
                call.input = Value::String(first_chars(&whole, PREVIEW).to_owned());
            }
        }
        WorkerEvent::ToolResult(result) => {
            result.bytes = result.preview.len() as u64;
            let length = first_chars(&result.preview, PREVIEW).len();
            if length < result.preview.len() {
                result.blob = keep(result.preview.as_bytes());
                result.preview.truncate(length);
            }
        }
        WorkerEvent::Progress(progress) => {
            progress.message.truncate(progress.message.floor_char_boundary(PROGRESS));
        }
        WorkerEvent::Unknown { raw } => begin(raw, TEXT),
        _ => {}
    }
}

/// Shortens what is too long for a result. The log has it whole.
pub fn shorten_result(result: &mut WorkerResult) {
    let texts = result.observations.iter_mut().flat_map(|observation| &mut observation.summary);
    let answer = result.details.iter_mut().flat_map(|details| &mut details.answer);
    texts.chain(answer).for_each(|text| begin(text, ANSWER));
}

/// Leaves the beginning of a text, and how much is not there.
fn begin(text: &mut String, limit: usize) {
    let kept = text.floor_char_boundary(limit);
    if kept < text.len() {
        let more = text.len() - kept;
        text.truncate(kept);
        text.push_str(&format!("\n[{more} more bytes are in the log]"));
    }
}

fn is_long(value: &Value) -> bool {
    fn has_long_text(value: &Value) -> bool {
        match value {
            Value::String(text) => first_chars(text, PREVIEW).len() < text.len(),
            Value::Array(values) => values.iter().any(has_long_text),
            Value::Object(fields) => fields.values().any(has_long_text),
            _ => false,
        }
    }
    has_long_text(value) || (longest_json(value) > INPUT && json_len(value) > INPUT)
}

/// What the JSON of a value cannot be longer than. Hardly any value is made JSON only to see how long that is.
fn longest_json(value: &Value) -> usize {
    /// Of a byte of text, escaped.
    const ESCAPED: usize = 6;
    /// Of a number, of a word, and of what stands around and between values.
    const OTHER: usize = 32;

    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => OTHER,
        Value::String(text) => OTHER + text.len() * ESCAPED,
        Value::Array(values) => OTHER + values.iter().map(|value| longest_json(value) + 1).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| OTHER + name.len() * ESCAPED + longest_json(value);
            OTHER + fields.iter().map(field).sum::<usize>()
        }
    }
}

/// Length of a value as JSON.
fn json_len(value: &Value) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // It has a form as JSON, and a count takes all of it.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            let length = first_chars(text, PREVIEW).len();
            if length < text.len() {
                text.truncate(length);
                text.push('…');
            }
        }
        Value::Array(values) => values.iter_mut().for_each(shorten_texts),
        Value::Object(fields) => fields.values_mut().for_each(shorten_texts),
        _ => {}
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    if text.len() <= count {
        return text;
    }
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roboppi_ipc::{AgentText, ToolCall, ToolResult};
    use serde_json::json;

    use super::*;

    /// The event after shortening, and what was kept.
    fn shortened(mut event: WorkerEvent) -> (WorkerEvent, Vec<String>) {
        let mut kept = Vec::new();
        shorten_event(&mut event, &mut |bytes| {
            kept.push(String::from_utf8(bytes.to_vec()).unwrap());
            Some("name".into())
        });
        (event, kept)
    }

    fn result(preview: String) -> WorkerEvent {
        let (id, ok, bytes, blob, duration_ms) = ("t".to_owned(), true, 0, None, None);
        WorkerEvent::ToolResult(
            ToolResult::new(id, ok, preview).with_bytes(bytes).with_blob(blob).with_duration_ms(duration_ms),
        )
    }

    fn call(input: Value) -> WorkerEvent {
        let (id, name) = ("t".to_owned(), "Write".to_owned());
        WorkerEvent::ToolCall(ToolCall::new(id, name, input))
    }

    #[test]
    fn a_result_has_a_preview_of_500_characters() {
        let (event, kept) = shortened(result("ä".repeat(500)));
        let WorkerEvent::ToolResult(short) = event else { panic!() };
        assert_eq!((short.bytes, short.blob, kept.len()), (1000, None, 0));
        let (event, kept) = shortened(result("ä".repeat(501)));
        let WorkerEvent::ToolResult(long) = event else { panic!() };
        assert_eq!((long.bytes, long.blob.as_deref()), (1002, Some("name")));
        assert_eq!((long.preview, kept), ("ä".repeat(500), vec!["ä".repeat(501)]));
    }

    #[test]
    fn an_input_keeps_its_shape_as_long_as_that_is_short() {
        let short = json!({"command": "npm test", "timeout": 5});
        assert_eq!(shortened(call(short.clone())), (call(short), vec![]));
        let long = json!({"file_path": "/a", "content": "x".repeat(9000)});
        let (event, kept) = shortened(call(long.clone()));
        let WorkerEvent::ToolCall(shown) = event else { panic!() };
        assert_eq!(shown.input["file_path"], "/a");
        assert_eq!(shown.input["content"], format!("{}…", "x".repeat(500)));
        assert_eq!((shown.blob.as_deref(), kept), (Some("name"), vec![long.to_string()]));
        let (event, _) = shortened(call(json!(vec!["y"; 9000])));
        let WorkerEvent::ToolCall(shown) = event else { panic!() };
        assert_eq!(shown.input.as_str().map(str::len), Some(500));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,9}|[\\x00-\"]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map("[\\x00-z]{0,4}", inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_is_longer_than_was_estimated(value in any_json()) {
            let len = value.to_string().len();
            prop_assert_eq!(json_len(&value), len);
            prop_assert!(longest_json(&value) >= len);
        }
    }

    #[test]
    fn what_the_log_has_whole_says_how_much_is_missing() {
        let (event, _) = shortened(WorkerEvent::Unknown { raw: "ä".repeat(TEXT) });
        let WorkerEvent::Unknown { raw } = event else { panic!() };
        assert_eq!(raw, format!("{}\n[{TEXT} more bytes are in the log]", "ä".repeat(TEXT / 2)));
        let progress = roboppi_ipc::Progress::new("é".repeat(PROGRESS));
        let (event, _) = shortened(WorkerEvent::Progress(progress));
        let WorkerEvent::Progress(progress) = event else { panic!() };
        assert_eq!(progress.message.len(), PROGRESS);
    }

    #[test]
    fn a_long_text_begins_in_its_event() {
        let text = "ä".repeat(TEXT);
        let (event, kept) = shortened(WorkerEvent::Text(AgentText::new(text.clone())));
        let WorkerEvent::Text(shown) = event else { panic!() };
        assert_eq!(
            (shown.text, shown.blob.as_deref(), kept),
            ("ä".repeat(TEXT / 2), Some("name"), vec![text])
        );
    }
}
