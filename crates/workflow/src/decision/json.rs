//! A decision as JSON.

use serde::Deserialize;
use serde_json::Value;

use super::kept;

/// Bytes of the longest line of an answer that is looked at.
const LONGEST_LINE: usize = 10_000;

/// What a text says as JSON.
pub(super) enum Reading {
    Decision {
        complete: bool,
        reasons: Vec<String>,
        fingerprints: Vec<String>,
        with_id: bool,
    },
    /// A decision of a check with another id.
    OfAnother {
        id: String,
    },
    None,
}

#[derive(Deserialize)]
struct Object {
    decision: String,
    #[serde(default, alias = "checkId")]
    check_id: Option<String>,
    #[serde(default)]
    reasons: Value,
    #[serde(default)]
    fingerprints: Value,
}

/// Whether a line of an answer may be a decision.
pub(super) fn may_be(line: &str) -> bool {
    line.starts_with('{') && line.ends_with('}') && line.len() <= LONGEST_LINE
}

pub(super) fn read(text: &str, id: &str) -> Reading {
    let Ok(object) = serde_json::from_str::<Object>(text) else { return Reading::None };
    let complete = match object.decision.trim().to_ascii_lowercase().as_str() {
        "complete" => true,
        "incomplete" => false,
        _ => return Reading::None,
    };
    match object.check_id {
        Some(other) if other != id => {
            Reading::OfAnother { id: kept(std::iter::once(other)).pop().unwrap_or_default() }
        }
        with_id => Reading::Decision {
            complete,
            reasons: texts(object.reasons),
            fingerprints: texts(object.fingerprints),
            with_id: with_id.is_some(),
        },
    }
}

/// One text, or the texts of a list.
fn texts(value: Value) -> Vec<String> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    match value {
        Value::Array(values) => kept(values.into_iter().filter_map(text)),
        value => kept(text(value).into_iter()),
    }
}
