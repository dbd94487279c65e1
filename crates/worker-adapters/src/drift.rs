//! What a line of an agent has that its adapter does not know: a newer version may have changed its output.
//!
//! The adapter itself is asked. A line is read by its translator, which reports what it does not understand and what it
//! passes over; and by its own types, which notice a value of another type than expected.

use roboppi_ipc::{Mono, OutputStream, WorkerEvent, WorkerKind};
use serde_json::Value;

use crate::agent::{AgentSession, AgentTranslator, lenient};
use crate::{SessionEffect, SessionInput, WorkerSession as _, claude, codex, gemini, opencode};

/// What the adapter of `kind` does not know of a line of standard output. Each is a phrase of its own:
/// ``item type `foo` unknown``, ``result: `usage` is a text``. A kind without a session of an agent has none.
#[must_use]
pub fn unknown_parts(kind: WorkerKind, line: &str) -> Vec<String> {
    let parts = match kind {
        WorkerKind::CLAUDE_CODE => claude::unknown_parts,
        WorkerKind::CODEX_CLI => codex::unknown_parts,
        WorkerKind::OPENCODE => opencode::unknown_parts,
        WorkerKind::GEMINI => gemini::unknown_parts,
        _ => return Vec::new(),
    };
    parts(line)
}

pub(crate) fn parts_of<T: AgentTranslator>(translator: T, line: &str) -> Vec<String> {
    if line.trim().is_empty() {
        return Vec::new();
    }
    let mut session = AgentSession::new(translator);
    let mut out = Vec::new();
    session.handle(Mono::ZERO, SessionInput::Line(OutputStream::Stdout, line.as_bytes()), &mut out);
    let Ok(mut value) = serde_json::from_str::<Value>(line) else {
        return vec!["a line that is no JSON object".to_owned()];
    };
    let name = name(&value);
    let is_unknown =
        out.iter().any(|effect| matches!(effect, SessionEffect::Event(WorkerEvent::Unknown { .. })));
    if is_unknown {
        return vec![format!("{name} unknown")];
    }
    let mut parts: Vec<String> = session.unfamiliar().iter().map(|part| format!("{part} unknown")).collect();
    while let Some((path, is)) = changed::<T>(&mut value) {
        parts.push(format!("{name}: `{path}` is {is}"));
    }
    parts.sort();
    parts.dedup();
    parts
}

/// What a line calls itself.
fn name(line: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = text(&line["type"]).unwrap_or_else(|| "none".to_owned());
    if let Some(item) = text(&line["item"]["type"]) {
        return format!("item type `{item}` of `{kind}`");
    }
    match text(&line["subtype"]) {
        Some(subtype) => format!("line type `{kind}/{subtype}`"),
        None => format!("line type `{kind}`"),
    }
}

/// Finds a value that the types of the adapter read over, takes it out and returns its path and what it is.
fn changed<T: AgentTranslator>(line: &mut Value) -> Option<(String, &'static str)> {
    let mut pointer = String::new();
    let count = read_over::<T>(line);
    if count == 0 {
        return None;
    }
    // The value of which nothing inside is read over, and without which less is.
    'down: loop {
        let names: Vec<String> = match line.pointer(&pointer)? {
            Value::Object(map) => map.keys().map(|key| key.replace('~', "~0").replace('/', "~1")).collect(),
            Value::Array(list) => (0..list.len()).map(|index| index.to_string()).collect(),
            _ => break,
        };
        for name in names {
            let inner = format!("{pointer}/{name}");
            let kept = line.pointer_mut(&inner)?.take();
            let without = read_over::<T>(line);
            *line.pointer_mut(&inner)? = kept;
            if without < count {
                pointer = inner;
                continue 'down;
            }
        }
        break;
    }
    let is = match line.pointer_mut(&pointer)?.take() {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Some((path(&pointer), is))
}

fn read_over<T: AgentTranslator>(line: &Value) -> u64 {
    let text = line.to_string();
    lenient::read_over(|| drop(serde_json::from_str::<T::Line<'_>>(&text)))
}

/// `/message/content/0/text` as `message.content[].text`.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str("[]");
        } else {
            let dot = if path.is_empty() { "" } else { "." };
            path.push_str(dot);
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: WorkerKind, line: &str) -> String {
        unknown_parts(kind, line).join("; ")
    }

    #[test]
    fn what_an_adapter_knows_is_no_drift() {
        for (kind, line) in [
            (
                WorkerKind::CLAUDE_CODE,
                r#"{"type":"system","subtype":"init","session_id":"s","new_field":[1]}"#,
            ),
            (WorkerKind::CLAUDE_CODE, r#"{"type":"system","subtype":"hook_started"}"#),
            (
                WorkerKind::CODEX_CLI,
                r#"{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"a"}}"#,
            ),
            (
                WorkerKind::CODEX_CLI,
                r#"{"type":"item.started","item":{"type":"command_execution","exit_code":null}}"#,
            ),
            (WorkerKind::OPENCODE, r#"{"type":"step_start","part":{}}"#),
            (WorkerKind::GEMINI, r#"{"type":"message","role":"user","content":"a"}"#),
        ] {
            assert_eq!(of(kind, line), "", "{line}");
        }
    }

    #[test]
    fn new_kinds_are_named() {
        let claude = |line| of(WorkerKind::CLAUDE_CODE, line);
        assert_eq!(claude(r#"{"type":"system","subtype":"news"}"#), "system subtype `news` unknown");
        assert_eq!(claude(r#"{"type":"news","subtype":"a"}"#), "line type `news/a` unknown");
        assert_eq!(claude(r#"{"type":"stream_event","event":{"type":"x"}}"#), "stream event `x` unknown");
        let block = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"hologram"}]}}"#;
        assert_eq!(claude(block), "content block `hologram` unknown");
        assert_eq!(
            of(WorkerKind::CODEX_CLI, r#"{"type":"item.completed","item":{"type":"foo"}}"#),
            "item type `foo` of `item.completed` unknown"
        );
        assert_eq!(of(WorkerKind::GEMINI, r#"{"type":"thought"}"#), "line type `thought` unknown");
        assert_eq!(of(WorkerKind::OPENCODE, "Warning"), "a line that is no JSON object");
    }

    #[test]
    fn each_value_of_another_type_is_named_with_its_place() {
        let line = r#"{"type":"item.completed","item":{"id":7,"type":"file_change","changes":[{"path":"a"},
            {"path":["b"]},{"path":{}},"c"]}}"#;
        let name = "item type `file_change` of `item.completed`";
        let expected = [
            "`item.changes[]` is a text",
            "`item.changes[].path` is a list",
            "`item.changes[].path` is an object",
            "`item.id` is a number",
        ];
        assert_eq!(
            unknown_parts(WorkerKind::CODEX_CLI, line),
            expected.map(|part| format!("{name}: {part}"))
        );
    }
}
