//! The files that attempts changed: a list, unified diffs, or JSON.

use roboppi_ipc::{ChangeKind, WorkspaceChange};
use roboppi_record::AttemptChanges;
use roboppi_untrusted::{first_words, line};
use serde_json::{Value, json};

use crate::style::Ink;

/// The changes of one attempt with its name.
#[derive(Debug)]
pub struct NamedChanges {
    /// The attempt.
    pub name: String,
    /// Its changes.
    pub changes: AttemptChanges,
}

/// One line for each file, with counts of lines.
#[must_use]
pub fn list(all: &[NamedChanges]) -> String {
    let several = all.len() > 1;
    let mut text = String::new();
    for NamedChanges { name, changes } in all {
        if several {
            text += &format!("{}\n", first_words(name));
        }
        let indent = if several { "  " } else { "" };
        for change in &changes.changes {
            text += &format!("{indent}{}\n", words(change));
        }
        if changes.changes.is_empty() && changes.missed.is_none() {
            text += &format!("{indent}no changes\n");
        }
    }
    text
}

/// A change in one line: `M src/a.c +3 −1`.
fn words(change: &WorkspaceChange) -> String {
    let lines = match (change.added, change.removed) {
        (Some(added), Some(removed)) => format!(" +{added} −{removed}"),
        _ => String::new(),
    };
    let cause = if change.cause.name() == "tool" { "" } else { "  (not by a tool call)" };
    format!("{} {}{lines}{cause}", letter(change.action), first_words(&change.path))
}

fn letter(action: ChangeKind) -> &'static str {
    match action {
        ChangeKind::Created => "A",
        ChangeKind::Modified => "M",
        ChangeKind::Deleted => "D",
        ChangeKind::Unknown(_) => "?",
    }
}

/// The unified diffs, with colours for a person. Files without a diff are named.
#[must_use]
pub fn diffs(all: &[NamedChanges], colour: bool) -> String {
    let mut text = String::new();
    for NamedChanges { name, changes } in all {
        if all.len() > 1 {
            text += &format!("# {}\n", first_words(name));
        }
        for change in &changes.changes {
            let Some(diff) = changes.diff(change) else {
                text += &(Ink::Faint.paint(colour, &format!("# {}: no diff", words(change))) + "\n");
                continue;
            };
            for (number, content) in diff.lines().enumerate() {
                let shown = line(content.as_bytes(), false);
                let ink = match content.as_bytes().first() {
                    _ if number < 2 && (content.starts_with("--- ") || content.starts_with("+++ ")) => {
                        Ink::Strong
                    }
                    Some(b'+') => Ink::Good,
                    Some(b'-') => Ink::Bad,
                    Some(b'@') => Ink::Faint,
                    _ => Ink::Plain,
                };
                text += &(ink.paint(colour, &shown) + "\n");
            }
        }
    }
    text
}

/// An array of attempts with their changes and diffs.
#[must_use]
pub fn array(all: &[NamedChanges]) -> String {
    let attempts: Vec<Value> = all.iter().map(object).collect();
    format!("{:#}\n", Value::from(attempts))
}

fn object(NamedChanges { name, changes }: &NamedChanges) -> Value {
    let of = |change: &WorkspaceChange| {
        json!({"path": change.path, "kind": kind(change.action), "cause": change.cause, "added": change.added,
            "removed": change.removed, "bytes": change.bytes, "diff": changes.diff(change)})
    };
    let all: Vec<Value> = changes.changes.iter().map(of).collect();
    json!({"attempt": name, "complete": changes.missed.is_none(), "missed": changes.missed,
        "shared": changes.shared, "changes": all})
}

/// The kind of a change as programs read it.
fn kind(action: ChangeKind) -> String {
    if action == ChangeKind::Created { "added".to_owned() } else { action.name().to_owned() }
}
