//! `defaults`: what holds for every step that does not say.

use roboppi_ipc::WorkerKind;

use super::fields::{Field, Fields};
use super::{OF_AGENTS, agent, control, value};
use crate::definition::{OnFailure, OnLimit};
use crate::diagnostic::Sink;
use crate::keys::Section;
use crate::source::{Entry, Value};

/// Keys for steps that do not have them; none when one of them cannot be used.
#[derive(Clone, Copy, Default)]
pub(super) struct StepDefaults<'n> {
    entries: &'n [Entry],
}

/// Reads the defaults, and finds what is wrong with them: once, and not in each step.
pub(super) fn step_defaults<'n>(at: &Field<'n>, sink: &mut Sink<'_>) -> StepDefaults<'n> {
    let before = sink.errors();
    let Value::Map(entries) = &at.node.value else {
        value::mismatch(at, "a map of keys of steps", None, sink);
        return StepDefaults::default();
    };
    let Some(fields) = Fields::read(at.node, Section::Defaults, &at.path, at.key_span, sink) else {
        return StepDefaults::default();
    };
    for key in Section::Defaults.keys() {
        if let Some(at) = fields.get(key.name) {
            check(&fields, key.name, &at, sink);
        }
    }
    if sink.errors() > before { StepDefaults::default() } else { StepDefaults { entries } }
}

/// Whether a value can be that of its key is all that is to be known here: steps read it.
fn check(fields: &Fields<'_>, key: &str, at: &Field<'_>, sink: &mut Sink<'_>) {
    let failures = OnFailure::ALL.map(|choice| (choice.name(), choice));
    let limits = OnLimit::ALL.map(|choice| (choice.name(), choice));
    match key {
        "timeout" | "grace" | "max_command_time" => done(value::duration(at, sink)),
        "idle" => done(agent::idle(at, sink)),
        "max_steps" => done(value::whole(at, 1, sink)),
        "max_retries" => done(value::whole(at, 0, sink)),
        "on_failure" => done(value::choice(at, &failures, sink)),
        "on_limit" => done(value::choice(at, &limits, sink)),
        "retry" => done(control::retry(fields, at, sink)),
        _ => done(value::text(at, sink)),
    }
}

/// Its problems are known to the sink.
fn done<T>(_read: Option<T>) {}

impl<'n> StepDefaults<'n> {
    /// Adds to the keys of a step those that it does not have and that mean something for it.
    pub(super) fn add_to(self, step: &mut Fields<'n>) {
        let is_script = step.has("run") && !step.has("instructions");
        let is_custom = is_script || step.is_word("worker", WorkerKind::CUSTOM.name());
        let retries_by_policy = step.has("retry");
        let retries_by_number = step.has("max_retries") || step.is_word("on_failure", "retry");
        let fails_otherwise = step.has("on_failure") && !step.is_word("on_failure", "retry");
        for entry in self.entries {
            let key = &*entry.key;
            let applies = match key {
                _ if step.has(key) || Section::Defaults.key(key).is_none() => false,
                "retry" => !retries_by_number,
                "max_retries" => !retries_by_policy && !fails_otherwise,
                "on_failure" => !(retries_by_policy && is_text(entry, "retry")),
                key => !(is_custom && OF_AGENTS.contains(&key)),
            };
            if applies {
                step.add(entry);
            }
        }
    }
}

fn is_text(entry: &Entry, word: &str) -> bool {
    matches!(&entry.value.value, Value::Text(text) if text == word)
}
