//! Keys that this version does not execute, with values that ask for nothing.

use crate::source::Value;

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
