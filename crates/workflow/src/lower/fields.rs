//! The entries of one map, matched with the table of keys.

use super::{off, synonyms};
use crate::diagnostic::{Sink, Span, nearest, quote};
use crate::keys::{KEYS, KeyDoc, KeyStatus, Section};
use crate::source::{Entry, Node, Value};

/// The known entries of a map.
pub(super) struct Fields<'n> {
    section: Section,
    /// In front of a key in messages: `` or `steps.build`.
    path: String,
    /// Where a missing key is reported.
    at: Span,
    known: Vec<(&'static KeyDoc, &'n Entry)>,
}

/// How a map of a section is written.
fn example(section: Section) -> Option<String> {
    let hint = match section {
        Section::Workflow => "a workflow has the keys `name`, `version`, `timeout` and `steps`",
        Section::Step => "write the keys of the step below it: `worker`, `capabilities` and `instructions`",
        Section::Input | Section::Export => "write `{from: STEP, artifact: NAME}`",
        Section::Output => "write `{name: NAME, path: PATH}`",
        Section::Parameter => "write `{default: VALUE}`, or nothing for a text that must be given",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The value of a field, and what it is called.
pub(super) struct Field<'n> {
    pub(super) path: String,
    pub(super) key_span: Span,
    pub(super) node: &'n Node,
}

impl Field<'_> {
    /// Where to point: at the value, or at the key when there is nothing after it.
    pub(super) const fn place(&self) -> Span {
        if self.node.span.start == self.node.span.end { self.key_span } else { self.node.span }
    }
}

impl<'n> Fields<'n> {
    /// Reports keys that are unknown or not supported yet. `None` when the node is no map.
    pub(super) fn read(
        node: &'n Node,
        section: Section,
        path: &str,
        at: Span,
        sink: &mut Sink<'_>,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let what = if path.is_empty() { "the file".to_owned() } else { quote(path) };
            let span = if node.span.start == node.span.end { at } else { node.span };
            if !matches!(node.value, Value::Invalid) {
                let found = super::describe::found(node);
                sink.error(span, format!("{what} must be a map, found {found}"), example(section));
            }
            return None;
        };
        let mut fields = Self { section, path: path.to_owned(), at, known: Vec::new() };
        for entry in entries {
            match section.key(&entry.key) {
                Some(key) if key.status == KeyStatus::NotYet && off::is_off(&entry.value.value) => {}
                Some(key) => {
                    fields.known.push((key, entry));
                    if key.status == KeyStatus::NotYet {
                        let message = format!("{} is not supported yet", quote(&fields.path_of(&entry.key)));
                        let hint =
                            "this version does not execute it, and leaving it out would change the run";
                        sink.error(entry.key_span, message, Some(hint.to_owned()));
                    }
                }
                None if section == Section::Workflow && entry.key.starts_with("x-") => {}
                None => fields.unknown(entry, sink),
            }
        }
        Some(fields)
    }

    fn unknown(&self, entry: &Entry, sink: &mut Sink<'_>) {
        let hint = if sink.warnings_full() { None } else { self.meant(entry) };
        let message = format!("unknown key {}, it has no effect", quote(&self.path_of(&entry.key)));
        sink.warning(entry.key_span, message, hint);
    }

    fn meant(&self, entry: &Entry) -> Option<String> {
        let key = &*entry.key;
        let taken = |name: &str| self.known.iter().any(|(known, _)| known.name == name);
        let names = self.section.keys().map(|key| key.name).filter(|name| !taken(name));
        // Words of two letters are all alike.
        if let Some(name) = nearest(key, names).filter(|name| name.len() > 2 || key.len() > 2) {
            return Some(format!("did you mean `{name}`?"));
        }
        if let Some(hint) = synonyms::hint(self.section, key, &entry.value.value) {
            return Some(hint);
        }
        let elsewhere = KEYS.iter().find(|known| known.name == key)?;
        Some(match elsewhere.section {
            Section::Workflow => format!("`{key}` belongs to the workflow, not here"),
            Section::Step => format!("`{key}` belongs to a step, not here"),
            Section::Check => format!("`{key}` belongs to `completion_check`, not here"),
            Section::Input => format!("`{key}` belongs to an entry of `inputs`, not here"),
            Section::Output => format!("`{key}` belongs to an entry of `outputs`, not here"),
            Section::Export => format!("`{key}` belongs to an entry of `exports`, not here"),
            Section::Convergence => format!("`{key}` belongs to `convergence`, not here"),
            Section::Stage => format!("`{key}` belongs to an entry of `stages`, not here"),
            Section::Secret => format!("`{key}` belongs to an entry of `secrets`, not here"),
            Section::Parameter => format!("`{key}` belongs to an input of the workflow, not here"),
            // Whatever defaults have, steps have.
            Section::Defaults => format!("`{key}` belongs to `defaults`, not here"),
            Section::Retry => format!("`{key}` belongs to `retry`, not here"),
            Section::Environment => format!("`{key}` belongs to `environment`, not here"),
            Section::Host => format!("`{key}` belongs to an entry of `hosts`, not here"),
        })
    }

    /// A key as messages name it.
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.known.iter().any(|(key, _)| key.name == name)
    }

    /// Whether a key is there, with this word as its value.
    pub(super) fn is_word(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|at| matches!(&at.node.value, Value::Text(text) if text == word))
    }

    /// Adds an entry of another map, if this section knows its key.
    pub(super) fn add(&mut self, entry: &'n Entry) {
        self.known.extend(self.section.key(&entry.key).map(|key| (key, entry)));
    }

    pub(super) fn get(&self, name: &str) -> Option<Field<'n>> {
        let (_, entry) = self.known.iter().find(|(key, _)| key.name == name)?;
        Some(Field { path: self.path_of(name), key_span: entry.key_span, node: &entry.value })
    }

    /// The field, reported when it is missing.
    pub(super) fn required(&self, name: &str, sink: &mut Sink<'_>) -> Option<Field<'n>> {
        let field = self.get(name);
        if field.is_none() {
            let kind = self.section.key(name).map_or("", |key| key.kind);
            let message = match self.section {
                Section::Workflow => format!("the workflow has no `{name}`"),
                _ => format!("{} has no `{name}`", quote(&self.path)),
            };
            sink.error(self.at, message, Some(format!("add `{name}:` ({kind})")));
        }
        field
    }
}
