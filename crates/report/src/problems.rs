//! What is wrong with workflow files, for programs.

use roboppi_untrusted::json;
use roboppi_workflow::Parsed;
use serde_json::{Value, json};

/// What is wrong with a file.
#[must_use]
pub fn object(name: &str, parsed: &Parsed) -> Value {
    let diagnostics: Vec<Value> = parsed
        .diagnostics
        .iter()
        .map(|problem| {
            json!({
                "severity": problem.severity.name(),
                "message": problem.message,
                "hint": problem.hint,
                "line": problem.line,
                "column": problem.column,
            })
        })
        .collect();
    let workflow = parsed.workflow.as_ref();
    json!({
        "file": name,
        "ok": workflow.is_some(),
        "name": workflow.map(|workflow| &workflow.name),
        "steps": workflow.map(|workflow| workflow.steps.len()),
        "diagnostics": diagnostics,
    })
}

/// The same of a file that cannot be read.
#[must_use]
pub fn unreadable(name: &str, why: &str) -> Value {
    json!({ "file": name, "ok": false, "diagnostics": [{ "severity": "error", "message": why }] })
}

/// Files as a JSON array.
#[must_use]
pub fn array(files: Vec<Value>) -> String {
    json(&format!("{:#}\n", Value::from(files))).into_owned()
}
