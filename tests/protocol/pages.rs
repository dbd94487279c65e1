//! Pages for people, and the lines they show.

use std::fs;

use roboppi_ipc::{Message, decode};
use serde_json::Value;

use crate::samples::kinds;
use crate::schema::{documented, schema};

/// The lines a page shows as lines of the wire, without the arrow that says who speaks.
fn shown(page: &str) -> Vec<String> {
    let text = fs::read_to_string(documented(page)).unwrap();
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```jsonl";
        } else if inside {
            lines.push(line.trim_start_matches(['→', '←', ' ']).to_owned());
        }
    }
    lines
}

#[test]
fn every_line_that_is_shown_is_a_message() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for page in ["README.md", "flows.md"] {
        for line in shown(page) {
            let message =
                decode(line.as_bytes()).unwrap().unwrap_or_else(|error| panic!("{page}: {error}: {line}"));
            assert!(!matches!(message, Message::Unknown { .. }), "{page}: {line}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(validator.is_valid(&value), "{page}: {line}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_message_is_shown_in_a_flow() {
    let lines = shown("flows.md").join("\n");
    let missing: Vec<_> =
        kinds().into_iter().filter(|kind| !lines.contains(&format!("\"type\":\"{kind}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
