//! The published schemas, and what is held to them.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

/// The validator of a schema in `docs/json`.
pub(crate) fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json").join(name);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn stream() -> &'static Validator {
    static STREAM: OnceLock<Validator> = OnceLock::new();
    STREAM.get_or_init(|| validator("stream.schema.json"))
}

/// Kinds of events that the schema of the stream knows.
fn is_known(kind: &Value) -> bool {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json/stream.schema.json");
        fs::read_to_string(path).unwrap()
    });
    text.contains(&format!("\"const\": {kind}"))
}

/// Insists that each line of `--output json` fits the published schema. Kinds of a later version, which tests write into
/// records, pass as they are.
pub(crate) fn hold_stream(printed: &[u8]) {
    for line in printed.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
        let is_line = line["v"] == 1 && (line.get("event").is_some() || line.get("missing").is_some());
        let event = &line["event"];
        let mut kinds = [&event["type"], &event["phase"]["name"], &event["command"]["type"]].into_iter();
        if !is_line || kinds.any(|kind| !kind.is_null() && !is_known(kind)) {
            continue;
        }
        if let Err(error) = stream().validate(&line) {
            panic!("{error} at {}: {line}", error.instance_path());
        }
    }
}
