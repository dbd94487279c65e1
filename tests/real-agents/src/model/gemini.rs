//! Gemini's `generateContent`.

use serde_json::{Value, json};

use super::script::{Part, split};

pub(super) fn pieces(model: &str, parts: &[Part]) -> Vec<(Option<String>, Value)> {
    let mut data = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                data.extend(split(text).into_iter().map(|text| answer(model, &json!([{ "text": text }]))));
            }
            Part::Call { name, input, .. } => {
                data.push(answer(model, &json!([{ "functionCall": { "name": name, "args": input } }])));
            }
        }
    }
    let mut last = answer(model, &json!([{ "text": "" }]));
    last["candidates"][0]["finishReason"] = "STOP".into();
    data.push(last);
    data.into_iter().map(|data| (None, data)).collect()
}

pub(super) fn whole(model: &str, text: &str) -> Value {
    let mut answer = answer(model, &json!([{ "text": text }]));
    answer["candidates"][0]["finishReason"] = "STOP".into();
    answer
}

fn answer(model: &str, parts: &Value) -> Value {
    json!({
        "candidates": [{ "content": { "role": "model", "parts": parts }, "index": 0 }],
        "usageMetadata": {
            "promptTokenCount": 1200, "candidatesTokenCount": 40, "totalTokenCount": 1240,
            "cachedContentTokenCount": 800,
        },
        "modelVersion": model,
    })
}
