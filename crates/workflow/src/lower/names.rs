//! Names that become parts of paths.

use serde_json::{Value, json};

use super::fields::Field;
use super::{Located, value};
use crate::diagnostic::{Sink, Span, quote};

pub(crate) const RESERVED_STEPS: &[&str] = &[
    "_subworkflows",
    "_workflow",
    "_workflow.json",
    "_meta.json",
    "_resolved.json",
    "_convergence",
    "_management",
    "_agents",
    "_completion",
];
pub(crate) const RESERVED_ARTIFACTS: &[&str] =
    &["_meta.json", "_resolved.json", "_convergence", "_stall", "_management", ".placed"];
/// What the names of directories begin with where artifacts are until all are there.
pub(crate) const RESERVED_ARTIFACT_PREFIX: &str = ".collecting";
/// What a directory entry may be long on every file system.
const LONGEST: usize = 255;

/// What keeps a text from being one part of a path.
fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name == "." || name.contains("..") {
        Some("must not be `.` or contain `..`")
    } else if name.contains(['/', '\\']) {
        Some("must not contain `/` or `\\`")
    } else if name.chars().any(char::is_control) {
        Some("must not contain control characters")
    } else if name.len() > LONGEST {
        Some("is longer than 255 bytes")
    } else {
        None
    }
}

/// The JSON Schema of what [`problem`] finds nothing wrong with and that is not reserved. Its length is counted in characters.
pub(crate) fn schema(reserved: &[&str], prefix: Option<&str>) -> Value {
    let mut refused = vec![json!({ "enum": reserved })];
    refused.extend(prefix.map(|prefix| json!({ "pattern": format!("^{}", prefix.replace('.', r"\.")) })));
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST,
        "pattern": r"^(?!\.$)(?!.*\.\.)[^/\\\x00-\x1f\x7f-\x9f]*$",
        "not": {"anyOf": refused},
    })
}

fn check(
    what: &str,
    name: &str,
    (reserved, prefix): (&[&str], Option<&str>),
    span: Span,
    sink: &mut Sink<'_>,
) -> bool {
    let hint = "it names a directory; use letters, digits, `-`, `_` and single dots";
    if let Some(problem) = problem(name) {
        sink.error(span, format!("{what} {} {problem}", quote(name)), Some(hint.to_owned()));
        return false;
    }
    if reserved.contains(&name) || prefix.is_some_and(|prefix| name.starts_with(prefix)) {
        let message = format!("{what} {} is reserved for roboppi's own files", quote(name));
        sink.error(span, message, Some("choose another name".to_owned()));
        return false;
    }
    true
}

/// Reports a step name that cannot be used.
pub(super) fn step(name: &str, span: Span, sink: &mut Sink<'_>) {
    check("step name", name, (RESERVED_STEPS, None), span, sink);
}

/// The name of an artifact.
pub(super) fn artifact(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Located<String>> {
    let name = value::text(at, sink)?;
    let reserved = (RESERVED_ARTIFACTS, Some(RESERVED_ARTIFACT_PREFIX));
    check("artifact name", &name.value, reserved, name.span, sink).then_some(name)
}
