//! Which variables workers are given.

use roboppi_ipc::VariablePolicy;

use super::fields::{Field, Fields};
use super::value;
use crate::diagnostic::{Sink, quote};
use crate::keys::Section;
use crate::source::Value;

pub(super) fn environment(at: &Field<'_>, sink: &mut Sink<'_>) -> VariablePolicy {
    if !matches!(at.node.value, Value::Map(_)) {
        let hint = "write the names as `pass: [NAME, OTHER_*]` below it";
        value::mismatch(at, "a map with `pass` or `block`", Some(hint.to_owned()), sink);
        return VariablePolicy::default();
    }
    let Some(fields) = Fields::read(at.node, Section::Environment, &at.path, at.key_span, sink) else {
        return VariablePolicy::default();
    };
    let pass = fields.get("pass").map(|at| names(&at, sink));
    let block = fields.get("block").map(|at| names(&at, sink)).unwrap_or_default();
    VariablePolicy { pass, block }
}

fn names(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<String> {
    let items = value::list(at, "names of variables", sink);
    items.into_iter().flatten().filter_map(|item| name(&item, sink)).collect()
}

fn name(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<String> {
    let name = value::text(at, sink)?;
    if let Some((before, _)) = name.value.split_once('=') {
        let message =
            format!("{} must be a name without a value, found {}", quote(&at.path), quote(&name.value));
        sink.error(name.span, message, Some(format!("write `{before}`")));
        return None;
    }
    Some(name.value)
}
