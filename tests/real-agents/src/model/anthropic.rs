//! Anthropic Messages.

use serde_json::{Value, json};

use super::script::{Part, next_id, split};

pub(super) fn pieces(model: &str, parts: &[Part]) -> Vec<(Option<String>, Value)> {
    let mut data = vec![json!({ "type": "message_start", "message": message(model, &[]) })];
    for (index, part) in parts.iter().enumerate() {
        let (block, deltas): (Value, Vec<Value>) = match part {
            Part::Text(text) => (
                json!({ "type": "text", "text": "" }),
                split(text).into_iter().map(|text| json!({ "type": "text_delta", "text": text })).collect(),
            ),
            Part::Call { id, name, input } => (
                json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
                split(&input.to_string())
                    .into_iter()
                    .map(|json| json!({ "type": "input_json_delta", "partial_json": json }))
                    .collect(),
            ),
        };
        data.push(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        data.extend(
            deltas
                .into_iter()
                .map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })),
        );
        data.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
    let reason = if calls { "tool_use" } else { "end_turn" };
    data.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": reason, "stop_sequence": null },
        "usage": usage(),
    }));
    data.push(json!({ "type": "message_stop" }));
    data.into_iter().map(|data| (data["type"].as_str().map(str::to_owned), data)).collect()
}

pub(super) fn whole(model: &str, text: &str) -> Value {
    let mut message = message(model, &[json!({ "type": "text", "text": text })]);
    message["stop_reason"] = "end_turn".into();
    message
}

fn message(model: &str, content: &[Value]) -> Value {
    json!({
        "id": next_id("msg"), "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": null, "stop_sequence": null, "usage": usage(),
    })
}

fn usage() -> Value {
    json!({
        "input_tokens": 400, "output_tokens": 40,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 800,
    })
}
