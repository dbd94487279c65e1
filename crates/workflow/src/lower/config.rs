//! From the tree to the settings of a person. Strict: a key without a meaning is a mistake.

use std::rc::Rc;

use indexmap::IndexMap;
use roboppi_ipc::WorkerKind;

use super::describe;
use super::fields::Field;
use super::value;
use crate::config::{Config, CoreCommand};
use crate::diagnostic::{Sink, nearest, quote};
use crate::source::{Entry, Node, Value};

/// The keys of the file.
const KEYS: [&str; 1] = ["cores"];

/// The settings a tree describes; what cannot be read `sink` has been told of.
pub(crate) fn config(root: &Node, sink: &mut Sink<'_>) -> Config {
    let mut config = Config::default();
    let entries = match &root.value {
        Value::Map(entries) => entries.as_slice(),
        // An empty file, or one with comments alone.
        Value::Null | Value::Invalid => &[],
        _ => {
            sink.error(root.span, format!("the file must be a map, found {}", describe::found(root)), None);
            &[]
        }
    };
    for entry in entries {
        match &*entry.key {
            "cores" => config.cores = cores(&field("cores", entry), sink),
            key => {
                let hint = nearest(key, KEYS).map(|meant| format!("did you mean `{meant}`?"));
                let hint = hint
                    .unwrap_or_else(|| format!("keys are {}", KEYS.map(|key| format!("`{key}`")).join(", ")));
                sink.error(entry.key_span, format!("unknown key {}", quote(key)), Some(hint));
            }
        }
    }
    config
}

fn field<'n>(path: &str, entry: &'n Entry) -> Field<'n> {
    Field { path: path.to_owned(), key_span: entry.key_span, node: &entry.value }
}

fn cores(at: &Field<'_>, sink: &mut Sink<'_>) -> IndexMap<WorkerKind, CoreCommand> {
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map from kinds of workers to the commands of their cores", None, sink);
        return IndexMap::new();
    };
    let mut cores = IndexMap::with_capacity(entries.len());
    for entry in entries {
        let kind = match WorkerKind::new(&entry.key) {
            Ok(kind) => kind,
            Err(error) => {
                sink.error(entry.key_span, format!("{} {error}", quote(&entry.key)), None);
                continue;
            }
        };
        if let Some(command) = command(&field(&format!("cores.{}", entry.key), entry), sink) {
            cores.insert(kind, command);
        }
    }
    cores
}

/// A program, or a list of a program and its arguments.
fn command(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<CoreCommand> {
    let words: Vec<String> = match &at.node.value {
        Value::List(items) => {
            let text = |item: &Rc<Node>| {
                let at = Field { path: at.path.clone(), key_span: at.key_span, node: item };
                value::text(&at, sink).map(|text| text.value)
            };
            items.iter().map(text).collect::<Option<_>>()?
        }
        Value::Text(_) => vec![value::text(at, sink)?.value],
        _ => {
            value::mismatch(at, "a program, or a list of a program and its arguments", None, sink);
            return None;
        }
    };
    if words.iter().any(|word| word.contains('\0')) {
        sink.error(at.place(), format!("{} holds a NUL, which no command can", quote(&at.path)), None);
        return None;
    }
    let mut words = words.into_iter();
    let Some(program) = words.next() else {
        sink.error(at.place(), format!("{} must not be empty", quote(&at.path)), None);
        return None;
    };
    Some(CoreCommand { program, args: words.collect() })
}
