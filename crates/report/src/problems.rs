//! What is wrong with workflow files, for programs.

use roboppi_untrusted::json;
use roboppi_workflow::{Parsed, Sources};
use serde::Serialize;
use serde_json::Value;

/// What is wrong with a file.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FileReport<'a> {
    /// The file as it was named; `stdin` for `-`.
    file: &'a str,
    /// Whether it can run.
    ok: bool,
    /// The name of the workflow; null if it cannot run.
    name: Option<&'a str>,
    /// The number of its steps; null if it cannot run.
    steps: Option<usize>,
    /// Problems in the order of the file; at most 200 errors and 200 warnings.
    diagnostics: Vec<Problem<'a>>,
    /// Problems beyond those.
    omitted: usize,
}

/// A problem. A file that cannot be read has one without a place.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    /// The file, if it is another one that the workflow names.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    /// `error`: the workflow cannot run; `warning`: it can.
    severity: &'a str,
    /// What is wrong.
    message: &'a str,
    /// What to do about it.
    hint: Option<&'a str>,
    /// Line of its first character, from 1.
    line: Option<usize>,
    /// Column of its first character, from 1, in characters.
    column: Option<usize>,
    /// Line of the character after the last one.
    end_line: Option<usize>,
    /// Column of the character after the last one.
    end_column: Option<usize>,
    /// The line of the file; at most 500 characters of it, without control characters.
    source: Option<String>,
}

/// What is wrong with a file, the first one of these, and with those it names.
#[must_use]
pub fn object(name: &str, parsed: &Parsed, sources: &Sources) -> Value {
    let problems = parsed.diagnostics.iter().zip(parsed.excerpts(sources));
    let diagnostics = problems.map(|(problem, excerpt)| Problem {
        file: Some(sources.file(problem.span.file).name.as_str()).filter(|file| *file != name),
        severity: problem.severity.name(),
        message: &problem.message,
        hint: problem.hint.as_deref(),
        line: Some(problem.line),
        column: Some(problem.column),
        end_line: Some(excerpt.end_line),
        end_column: Some(excerpt.end_column),
        source: Some(excerpt.source),
    });
    let workflow = parsed.workflow.as_ref();
    value(&FileReport {
        file: name,
        ok: workflow.is_some(),
        name: workflow.map(|workflow| workflow.name.as_str()),
        steps: workflow.map(|workflow| workflow.steps.len()),
        diagnostics: diagnostics.collect(),
        omitted: parsed.omitted,
    })
}

/// The same of a file that cannot be read.
#[must_use]
pub fn unreadable(name: &str, why: &str) -> Value {
    let problem = Problem { severity: "error", message: why, ..Problem::default() };
    value(&FileReport {
        file: name,
        ok: false,
        name: None,
        steps: None,
        diagnostics: vec![problem],
        omitted: 0,
    })
}

fn value(report: &FileReport<'_>) -> Value {
    // Only maps with keys that are no text, and numbers that are none, cannot be values.
    serde_json::to_value(report).unwrap_or_default()
}

/// Files as a JSON array.
#[must_use]
pub fn array(files: Vec<Value>) -> String {
    json(&format!("{:#}\n", Value::from(files))).into_owned()
}
