//! Words for what a node is.

use crate::diagnostic::quote;
use crate::source::{Node, Value};

/// What a node is, for "expected …, found …".
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {}", quote(&written(node, value))),
        Value::Number(value) => format!("the number {}", quote(&written(node, value))),
        Value::Text(text) => format!("the text {}", quote(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Invalid => "an invalid value".to_owned(),
    }
}

/// A scalar as the file has it: `3.10` is not `3.1`.
fn written(node: &Node, value: &impl ToString) -> String {
    node.written.as_deref().map_or_else(|| value.to_string(), str::to_owned)
}
