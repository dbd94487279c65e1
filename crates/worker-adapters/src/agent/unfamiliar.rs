//! What of a line a translator does not know.

use roboppi_ipc::{Mono, OutputStream, WorkerEvent};
use serde_json::Value;

use super::{AgentSession, AgentTranslator, lenient};
use crate::{SessionEffect, SessionInput, WorkerSession as _};

/// What a translator does not know of a line, and the values that its types read over.
pub(crate) fn unknown_parts<T: AgentTranslator>(translator: T, line: &str) -> Vec<String> {
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
