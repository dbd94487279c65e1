//! YAML as a tree in which every node knows its place.
//!
//! With `format`, which keeps what has no meaning, the only module that knows the YAML crate. Anchors and `<<` are resolved here, duplicate keys and
//! tags without a meaning are reported here, and the limits against hostile files are here.

mod build;
mod scalar;
mod syntax;

use std::rc::Rc;

use crate::diagnostic::{Sink, Span};

/// Bytes a file may have, unless its reader says otherwise: 16 MiB, which is 100,000 steps and more.
pub const MAX_BYTES: usize = 16 << 20;
/// Lists and maps inside each other.
pub(crate) const MAX_DEPTH: usize = 64;
/// Nodes that aliases and `<<` may add to what is written in any file. A longer file may add more, see [`most_expanded`]: the
/// steps of a generated one share keys, too.
const MAX_EXPANDED: usize = 100_000;
/// Bytes of a text that an alias stands for, for each of which it counts as one node more.
pub(crate) const BYTES_PER_NODE: usize = 32;

/// Nodes that aliases and `<<` may add to what is written in a file of this length.
pub(crate) const fn most_expanded(bytes: usize) -> usize {
    if bytes / 2 > MAX_EXPANDED { bytes / 2 } else { MAX_EXPANDED }
}

/// A value and its place.
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
    /// The text of an unquoted scalar that is a number or a boolean, as the file has it: as a name it is this text.
    pub(crate) written: Option<Box<str>>,
    /// Nodes below and including this one, aliases counted as often as they are used, and long texts as several.
    weight: usize,
    /// Lists and maps inside each other, this one included.
    height: usize,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
    /// Was reported already.
    Invalid,
}

/// A key of a map and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Rc<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Rc<Node>,
}

/// Reads the one document of a file of at most `most` bytes. `None` when there is nothing to go on with; `sink` knows why.
pub(crate) fn read(text: &str, most: usize, sink: &mut Sink<'_>) -> Option<Rc<Node>> {
    if text.len() > most {
        let message = format!("the file is too large: {} bytes, at most {most} are read", text.len());
        sink.error(sink.span(0, 0), message, None);
        return None;
    }
    build::build(text, sink)
}

/// Whether an unquoted scalar is text.
pub(crate) fn is_text(text: &str) -> bool {
    matches!(scalar::resolve(text), Value::Text(_))
}

/// A tree as JSON.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null | Value::Invalid => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number_as_json(*number),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(|item| json(item)).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.to_string(), json(&entry.value))).collect()
        }
    }
}

/// A number, as an integer where it is one.
fn number_as_json(number: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough to be exact")]
        return (number as i64).into();
    }
    number.into()
}
