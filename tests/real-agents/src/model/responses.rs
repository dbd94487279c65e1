//! Responses of OpenAI.

use serde_json::{Value, json};

use super::script::{Part, next_id, split};

pub(super) fn pieces(model: &str, parts: &[Part]) -> Vec<(Option<String>, Value)> {
    let mut data =
        vec![json!({ "type": "response.created", "response": response(model, "in_progress", &[]) })];
    let mut items = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let item = match part {
            Part::Text(text) => {
                let id = next_id("msg");
                let mut item = json!({ "id": id, "type": "message", "role": "assistant", "content": [] });
                data.push(
                    json!({ "type": "response.output_item.added", "output_index": index, "item": item }),
                );
                data.extend(split(text).into_iter().map(|delta| {
                    json!({
                        "type": "response.output_text.delta", "item_id": id, "output_index": index,
                        "content_index": 0, "delta": delta,
                    })
                }));
                item["content"] = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
                item
            }
            Part::Call { id, name, input } => {
                let mut item = json!({
                    "id": format!("fc_{id}"), "type": "function_call", "call_id": id, "name": name,
                    "arguments": input.to_string(), "status": "completed",
                });
                if let Some((space, name)) = name.split_once('.') {
                    item["namespace"] = space.into();
                    item["name"] = name.into();
                }
                item
            }
        };
        data.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
        items.push(item);
    }
    data.push(json!({ "type": "response.completed", "response": response(model, "completed", &items) }));
    data.into_iter().map(|data| (data["type"].as_str().map(str::to_owned), data)).collect()
}

fn response(model: &str, status: &str, output: &[Value]) -> Value {
    json!({
        "id": next_id("resp"), "object": "response", "created_at": 1_700_000_000, "status": status, "model": model,
        "output": output, "error": null, "incomplete_details": null,
        "usage": {
            "input_tokens": 1200, "input_tokens_details": { "cached_tokens": 800 },
            "output_tokens": 40, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 1240,
        },
    })
}
