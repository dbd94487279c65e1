//! `env`: variables of steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::fields::{Field, Fields};
use super::{describe, value};
use crate::diagnostic::{Sink, Span, nearest, quote};
use crate::inputs::{InputSpec, LONGEST_VALUE, Variables};
use crate::source::{Entry, Value};
use crate::template::{Reference, Template};

/// What names of our own variables begin with.
pub(crate) const OURS: &str = "ROBOPPI_";

/// What texts of a workflow may refer to.
pub(super) struct Scope<'w> {
    /// The inputs, when all of them could be read.
    pub(super) inputs: Option<&'w IndexMap<String, InputSpec>>,
    /// The variables that every step has.
    pub(super) env: Arc<Variables>,
}

impl Scope<'_> {
    /// The variables of a step: those of the workflow, and its own.
    pub(super) fn variables(&self, fields: &Fields<'_>, sink: &mut Sink<'_>) -> Arc<Variables> {
        let Some(at) = fields.get("env") else { return Arc::clone(&self.env) };
        let own = env(&at, self, sink);
        let mut all = (*self.env).clone();
        all.extend(own);
        Arc::new(all)
    }

    /// Whether the workflow has inputs, so that texts of agents refer to them.
    pub(super) fn has_inputs(&self) -> bool {
        self.inputs.is_none_or(|inputs| !inputs.is_empty())
    }

    /// Reports references of a text that lead nowhere.
    pub(super) fn template(&self, at: &Field<'_>, text: &str, sink: &mut Sink<'_>) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    let what = quote(text.get(error.at.clone()).unwrap_or_default());
                    let span = place(at, text, &error.at);
                    let hint = "`$${{` stands for the text `${{`".to_owned();
                    sink.error(span, format!("{}: {what} {}", quote(&at.path), error.problem), Some(hint));
                }
                return None;
            }
        };
        for reference in template.references() {
            match reference {
                Reference::Input(name) => self.input(at.place(), &at.path, name, sink),
            }
        }
        Some(template)
    }

    /// Reports an input that there is not.
    pub(super) fn input(&self, span: Span, path: &str, name: &str, sink: &mut Sink<'_>) {
        let Some(inputs) = self.inputs.filter(|inputs| !inputs.contains_key(name)) else { return };
        let message = format!("{}: the workflow has no input {}", quote(path), quote(name));
        let hint = match nearest(name, inputs.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declare it as `inputs: {{ {name}: … }}`"),
        };
        sink.error(span, message, Some(hint));
    }
}

/// The place of a part of a text, where the file has the text as it is: unquoted, or in quotation marks without escapes.
pub(super) fn place(at: &Field<'_>, text: &str, part: &std::ops::Range<usize>) -> Span {
    let whole = at.place();
    let offset = match (whole.end - whole.start).checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return whole,
    };
    Span { start: whole.start + offset + part.start, end: whole.start + offset + part.end, ..whole }
}

/// A map of variables.
pub(super) fn env(at: &Field<'_>, scope: &Scope<'_>, sink: &mut Sink<'_>) -> Variables {
    let Value::Map(entries) = &at.node.value else {
        let hint = match at.node.value {
            Value::List(_) => Some("write `NAME: value` below it, without `- `".to_owned()),
            _ => None,
        };
        value::mismatch(at, "a map of variables", hint, sink);
        return BTreeMap::new();
    };
    entries.iter().filter_map(|entry| variable(at, entry, scope, sink)).collect()
}

fn variable(
    at: &Field<'_>,
    entry: &Entry,
    scope: &Scope<'_>,
    sink: &mut Sink<'_>,
) -> Option<(String, Template)> {
    let name = &*entry.key;
    let field = Field { path: format!("{}.{name}", at.path), key_span: entry.key_span, node: &entry.value };
    if name.is_empty() || name.contains(['=', '\0']) {
        sink.error(entry.key_span, format!("{} is no name of a variable", quote(&field.path)), None);
        return None;
    }
    if name.starts_with(OURS) {
        let message = format!("{} begins with `{OURS}`, which is reserved", quote(&field.path));
        sink.error(entry.key_span, message, Some("choose another name".to_owned()));
        return None;
    }
    let text = scalar(&field, sink)?;
    let problem = if text.contains('\0') {
        "holds a NUL, which no variable can".to_owned()
    } else if text.len() > LONGEST_VALUE {
        format!("has {} bytes, at most {LONGEST_VALUE} can be a variable", text.len())
    } else {
        return Some((name.to_owned(), scope.template(&field, &text, sink)?));
    };
    sink.error(field.place(), format!("{} {problem}", quote(&field.path)), None);
    None
}

/// A text, which may be empty, or a number or a boolean as it is written.
pub(super) fn scalar(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<String> {
    match (&at.node.value, &at.node.written) {
        (Value::Text(text), _) => Some(text.clone()),
        (Value::Bool(_), Some(written)) => Some(written.to_string()),
        (Value::Number(number), Some(written)) if number.is_finite() => Some(written.to_string()),
        (Value::Null, _) => {
            let message = format!("{} has no value, expected text", quote(&at.path));
            sink.error(at.place(), message, Some("write `\"\"` for an empty text".to_owned()));
            None
        }
        (Value::Invalid, _) => None,
        _ => {
            let message = format!("{} must be text, found {}", quote(&at.path), describe::found(at.node));
            sink.error(at.place(), message, None);
            None
        }
    }
}
