//! `inputs` of the workflow: what a run can be given.

use indexmap::IndexMap;

use super::env::scalar;
use super::fields::{Field, Fields};
use super::value;
use crate::diagnostic::{Sink, quote};
use crate::inputs::{InputKind, InputSpec};
use crate::keys::Section;
use crate::source::{Entry, Value};
use crate::template::is_name;

/// The inputs; `None` when one of them could not be read.
pub(super) fn inputs(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<IndexMap<String, InputSpec>> {
    let Value::Map(entries) = &at.node.value else {
        let hint = match at.node.value {
            Value::List(_) => Some(
                "write each input below its name, without `- `: `version: { default: \"1\" }`".to_owned(),
            ),
            _ => None,
        };
        value::mismatch(at, "a map of inputs", hint, sink);
        return None;
    };
    let read: Vec<_> =
        entries.iter().map(|entry| Some((entry.key.to_string(), input(entry, sink)?))).collect();
    read.into_iter().collect()
}

fn input(entry: &Entry, sink: &mut Sink<'_>) -> Option<InputSpec> {
    let path = format!("inputs.{}", entry.key);
    let mut is_fine = true;
    if !is_name(&entry.key) {
        let message = format!("{} is no name of an input", quote(&entry.key));
        let hint = "use letters, digits, `-` and `_`, at most 64, and begin with a letter or `_`";
        sink.error(entry.key_span, message, Some(hint.to_owned()));
        is_fine = false;
    }
    let plain = InputSpec { description: None, kind: InputKind::Text, default: None, value: None };
    if matches!(entry.value.value, Value::Null) {
        return is_fine.then_some(plain);
    }
    let fields = Fields::read(&entry.value, Section::Parameter, &path, entry.key_span, sink)?;
    let description = fields.get("description").and_then(|at| value::note(&at, sink));
    let before = sink.errors();
    let kind = kind(&fields, sink);
    let required = fields.get("required").and_then(|at| value::flag(&at, sink));
    let default = fields.get("default").and_then(|at| default(&at, kind.as_ref(), sink));
    is_fine &= sink.errors() == before;
    if let Some(at) = fields.get("required")
        && required == Some(true)
        && fields.has("default")
    {
        let message = format!("{} has no effect beside `default`", quote(&at.path));
        sink.warning(at.key_span, message, Some("remove one of them".to_owned()));
    }
    let kind = kind?;
    let default = match (default, required) {
        (None, Some(false)) => match nothing(&fields, &kind, entry, &path, sink) {
            Some(nothing) => Some(nothing),
            None => return None,
        },
        (default, _) => default,
    };
    is_fine.then_some(InputSpec { description, kind, default, value: None })
}

/// What an input is that need not be given and has no default: nothing, where that is a value.
fn nothing(
    fields: &Fields<'_>,
    kind: &InputKind,
    entry: &Entry,
    path: &str,
    sink: &mut Sink<'_>,
) -> Option<String> {
    if matches!(kind, InputKind::Text) || fields.has("default") {
        return Some(String::new());
    }
    let message = format!("{} is not required, and has no `default`", quote(path));
    let hint = format!("add `default:`: no value at all is no `{}`", kind.name());
    sink.error(entry.key_span, message, Some(hint));
    None
}

fn kind(fields: &Fields<'_>, sink: &mut Sink<'_>) -> Option<InputKind> {
    let choices: Vec<_> =
        InputKind::NAMES.into_iter().enumerate().map(|(index, name)| (name, index)).collect();
    let kind = match fields.get("type") {
        None => InputKind::Text,
        Some(at) => InputKind::of(value::choice(&at, &choices, sink)?),
    };
    let options = fields.get("options");
    match (kind, options) {
        (InputKind::Choice(_), None) => {
            fields.required("options", sink);
            None
        }
        (InputKind::Choice(_), Some(at)) => options_of(&at, sink).map(InputKind::Choice),
        (kind, None) => Some(kind),
        (kind, Some(at)) => {
            let message = format!("{} is for `type: choice`", quote(&at.path));
            sink.error(at.key_span, message, Some("add `type: choice`, or remove it".to_owned()));
            Some(kind)
        }
    }
}

fn options_of(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Vec<String>> {
    let items = value::list(at, "texts", sink)?;
    if items.is_empty() {
        sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), None);
        return None;
    }
    let options: Vec<_> = items.iter().map(|item| scalar(item, sink)).collect();
    options.into_iter().collect()
}

fn default(at: &Field<'_>, kind: Option<&InputKind>, sink: &mut Sink<'_>) -> Option<String> {
    let text = scalar(at, sink)?;
    let Some(kind) = kind else { return Some(text) };
    let text = match (&at.node.value, kind) {
        (Value::Bool(value), InputKind::Boolean) => Some(value.to_string()),
        // As it is written, unless that is hexadecimal or the like.
        (Value::Number(number), InputKind::Number) if kind.fits(&text) || number.is_finite() => {
            Some(if kind.fits(&text) { text } else { number.to_string() })
        }
        // Not as on the command line, where everything is text.
        (_, InputKind::Number | InputKind::Boolean) => None,
        _ => Some(text).filter(|text| kind.fits(text)),
    };
    if text.is_none() {
        value::mismatch(at, &kind.expected(), None, sink);
    }
    text
}
