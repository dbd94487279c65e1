//! Chat Completions of OpenAI.

use serde_json::{Value, json};

use super::script::{Part, next_id, split};

pub(super) fn pieces(model: &str, parts: &[Part]) -> Vec<(Option<String>, Value)> {
    let id = next_id("chatcmpl");
    let piece = |delta: Value, reason: Value| {
        json!({
            "id": id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
        })
    };
    let mut data = vec![piece(json!({ "role": "assistant", "content": "" }), Value::Null)];
    let mut calls = 0;
    for part in parts {
        match part {
            Part::Text(text) => data
                .extend(split(text).into_iter().map(|text| piece(json!({ "content": text }), Value::Null))),
            Part::Call { id, name, input } => {
                let function = json!({ "name": name, "arguments": input.to_string() });
                let call = json!({ "index": calls, "id": id, "type": "function", "function": function });
                data.push(piece(json!({ "tool_calls": [call] }), Value::Null));
                calls += 1;
            }
        }
    }
    data.push(piece(json!({}), if calls > 0 { "tool_calls" } else { "stop" }.into()));
    let mut last = piece(json!({}), Value::Null);
    last["choices"] = json!([]);
    last["usage"] = json!({
        "prompt_tokens": 1200, "completion_tokens": 40, "total_tokens": 1240,
        "prompt_tokens_details": { "cached_tokens": 800 },
    });
    data.push(last);
    data.into_iter().map(|data| (None, data)).collect()
}
