//! Keys that this version does not execute, with values that ask for nothing.

use crate::source::{Entry, Value};

/// Whether leaving out an entry of a map, whose key is not supported yet, changes nothing: it is switched off, or means something
/// only together with another one that is.
pub(super) fn asks_for_nothing(entry: &Entry, entries: &[Entry]) -> bool {
    if is_off(&entry.value.value) {
        return true;
    }
    if matches!(entry.value.value, Value::Null) {
        return false;
    }
    let Some(needs) = needed_by(&entry.key) else { return false };
    entries.iter().filter(|other| &*other.key == needs).all(|other| is_off(&other.value.value))
}

/// The key without which this one means nothing.
pub(crate) fn needed_by(key: &str) -> Option<&'static str> {
    match key {
        "branch_transition_step" => Some("create_branch"),
        _ => None,
    }
}

/// `false`, or a map with `enabled: false`.
pub(super) fn is_off(value: &Value) -> bool {
    match value {
        Value::Bool(on) => !on,
        Value::Map(entries) => entries
            .iter()
            .any(|entry| &*entry.key == "enabled" && matches!(entry.value.value, Value::Bool(false))),
        _ => false,
    }
}
