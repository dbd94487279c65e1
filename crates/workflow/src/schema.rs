//! The JSON Schema of workflow files, made from the table of keys and the constants that the parser checks with.
//!
//! A schema sees one value at a time: what steps ask of each other (names in `depends_on`, cycles, artifacts), lengths in bytes and
//! keys that are there twice are found by [`parse`](crate::parse) alone.

mod shape;
#[cfg(test)]
mod tests;

use roboppi_ipc::{AgentOption, WorkerKind};
use serde_json::{Map, Value, json};

use crate::inputs::LONGEST_VALUE;
use crate::keys::{KeyDoc, KeyStatus, Section};
use crate::lower::{OF_AGENTS, names, subworkflow};
use shape::Shape;

/// The JSON Schema (draft 7, which every editor reads) of a workflow file. Unknown keys do not fit it, although they are only warnings of
/// [`parse`](crate::parse): an editor is where a misspelt key is noticed.
#[must_use]
pub fn schema() -> Value {
    let mut root = map(Section::Workflow);
    let more = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "roboppi workflow",
        "description": "A workflow of roboppi: coding agents and commands as steps.",
        "patternProperties": {"^x-": {"description": "Not read: a place for YAML anchors."}},
        "definitions": definitions(),
    });
    extend(&mut root, more);
    root
}

fn definitions() -> Value {
    let mut step = work(Section::Step);
    extend(&mut step, json!({ "allOf": [iterations(), retries()] }));
    let mut check = work(Section::Check);
    extend(&mut check, json!({ "allOf": [decision_file()] }));
    json!({
        "step": step,
        "check": check,
        "host": host(),
        "parameter": parameter(),
        "retry": map(Section::Retry),
        "defaults": defaults(),
        "input": map(Section::Input),
        "output": map(Section::Output),
        "export": map(Section::Export),
        "convergence": map(Section::Convergence),
        "stage": map(Section::Stage),
        "secret": secret(),
        "environment": map(Section::Environment),
        "stepName": names::schema(names::RESERVED_STEPS, None),
        "artifactName": names::schema(names::RESERVED_ARTIFACTS, Some(names::RESERVED_ARTIFACT_PREFIX)),
        "duration": {
            "type": "string",
            // The lookahead is for a digit that is not 0: no time at all is no duration.
            "pattern": r"^\s*(?=[^1-9]*[1-9])([0-9]+(ms|s|m|h))+\s*$",
            "examples": ["30s", "15m", "1h30m"],
        },
        "argument": {"type": "string", "minLength": 1, "maxLength": 100_000, "pattern": NO_NUL},
    })
}

/// A text without a NUL.
const NO_NUL: &str = r"^[^\x00]*$";

/// A map of this section, with a property for each of its keys.
fn map(section: Section) -> Value {
    let properties: Map<String, Value> =
        section.keys().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> = section.keys().filter(|key| key.required).map(|key| key.name).collect();
    let mut map = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        extend(&mut map, json!({ "required": required }));
    }
    map
}

/// The keys that say what a worker does, and what `run` stands for.
const WORK: [&str; 3] = ["worker", "instructions", "capabilities"];

/// A map whose work is a script of `run`, or what a worker is handed.
fn work(section: Section) -> Value {
    let mut map = map(section);
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| WORK.iter().all(|work| name != work));
    }
    let mut script = script_keys();
    script.insert("run".to_owned(), script_text());
    script.insert("worker".to_owned(), json!({ "const": WorkerKind::CUSTOM.name() }));
    let either = json!({ "if": is_script(), "then": {"properties": script}, "else": {"required": WORK} });
    if section == Section::Step {
        let refused = |keys: &[&str]| -> Map<String, Value> {
            keys.iter().map(|key| ((*key).to_owned(), Value::Bool(false))).collect()
        };
        let of_workers = refused(&subworkflow::OF_WORKERS);
        let mut own = refused(&subworkflow::OF_SUBWORKFLOWS);
        own.insert(subworkflow::BUBBLES.to_owned(), json!({ "const": false }));
        let own = json!({ "properties": own });
        let worker: Vec<Value> = by_worker().into_iter().chain([either, own]).collect();
        let rule = json!({
            "if": {"required": ["workflow"]},
            "then": {"properties": of_workers},
            "else": {"allOf": worker},
        });
        extend(&mut map, json!({ "allOf": [rule] }));
        return map;
    }
    extend(&mut map, json!({ "allOf": by_worker() }));
    extend(&mut map, json!({ "allOf": [either] }));
    map
}

/// Beside `instructions`, `run` has no effect.
fn is_script() -> Value {
    json!({ "required": ["run"], "not": {"required": ["instructions"]} })
}

/// The text of a script.
fn script_text() -> Value {
    let mut text = Shape::Instructions.schema();
    extend(&mut text, json!({ "pattern": NO_NUL }));
    text
}

/// The value of a key, with what its reference says.
fn property(key: &KeyDoc) -> Value {
    if key.status == KeyStatus::NotYet {
        let about = format!("{} Not supported yet: it may only be switched off.", key.meaning);
        let value = off();
        return described(value, &about, None);
    }
    let absent = key.default.map(|text| format!("Default: {}.", plain(text)));
    let about = [Some(plain(key.meaning)), absent].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let value = Shape::of(key).map_or_else(|| json!({}), |shape| shape.schema());
    described(value, &about, key.default.and_then(default))
}

/// A schema with a text, and a default. What stands beside a `$ref` does not count in draft 7, so that goes one level down.
fn described(mut value: Value, about: &str, default: Option<Value>) -> Value {
    if value.get("$ref").is_some() {
        value = json!({ "allOf": [value] });
    }
    extend(&mut value, json!({ "description": about }));
    if let Some(default) = default {
        extend(&mut value, json!({ "default": default }));
    }
    value
}

/// What means the same as the absence of a key that is not supported yet.
fn off() -> Value {
    json!({ "anyOf": [
        {"const": false},
        {"type": "object", "required": ["enabled"], "properties": {"enabled": {"const": false}}},
    ]})
}

/// The keys that a kind of worker does not have.
fn refused_keys(kind: WorkerKind) -> Map<String, Value> {
    let options = AgentOption::ALL.into_iter().filter(|option| option.instead_with(kind).is_some());
    let of_agents = OF_AGENTS.into_iter().filter(|_| kind == WorkerKind::CUSTOM);
    let keys = of_agents.chain(options.map(AgentOption::key));
    keys.map(|key| (key.to_owned(), Value::Bool(false))).collect()
}

/// The keys of a script.
fn script_keys() -> Map<String, Value> {
    let mut keys = refused_keys(WorkerKind::CUSTOM);
    keys.insert("instructions".to_owned(), json!({ "pattern": NO_NUL }));
    keys
}

/// Which keys each kind of worker has.
fn by_worker() -> Vec<Value> {
    let rule = |kind: WorkerKind| {
        let keys = if kind == WorkerKind::CUSTOM { script_keys() } else { refused_keys(kind) };
        (!keys.is_empty()).then(|| {
            json!({
                "if": {"required": ["worker"], "properties": {"worker": {"const": kind.name()}}},
                "then": {"properties": keys},
            })
        })
    };
    WorkerKind::BUILTIN.into_iter().filter_map(rule).collect()
}

/// A step with a check has at least two iterations.
fn iterations() -> Value {
    json!({
        "if": {"required": ["completion_check"], "properties": {"completion_check": {"not": off()}}},
        "then": {"required": ["max_iterations"], "properties": {"max_iterations": {"minimum": 2}}},
    })
}

/// The keys of steps that do not have them.
fn defaults() -> Value {
    let mut defaults = map(Section::Defaults);
    extend(&mut defaults, json!({ "allOf": [retries()] }));
    defaults
}

/// What `retry` says already is not said beside it.
fn retries() -> Value {
    json!({
        "if": {"required": ["retry"]},
        "then": {"properties": {"max_retries": false, "on_failure": {"not": {"const": "retry"}}}},
    })
}

/// A check that does not decide by its exit code names the file it decides in: a file inside the workspace.
fn decision_file() -> Value {
    let custom =
        json!({ "required": ["worker"], "properties": {"worker": {"const": WorkerKind::CUSTOM.name()}} });
    let is_script = json!({ "anyOf": [custom, is_script()] });
    let mut path = Shape::PathInside.schema();
    extend(&mut path, json!({ "not": {"pattern": r"^(\.?/)*\.?$|/$"} }));
    json!({ "if": is_script, "else": {"required": ["decision_file"], "properties": {"decision_file": path}} })
}

/// A host, whose command takes the place of `ssh`.
fn host() -> Value {
    let mut host = map(Section::Host);
    let alone = json!({ "properties": {"ssh": false, "program": false} });
    extend(&mut host, json!({ "if": {"required": ["command"]}, "then": alone }));
    host
}

/// An input of the workflow: its default is of its type, and a choice has options.
fn parameter() -> Value {
    let of_type = |name: &str, properties: Value| {
        json!({
            "if": {"required": ["type"], "properties": {"type": {"const": name}}},
            "then": {"properties": properties},
        })
    };
    let short = json!({ "maxLength": LONGEST_VALUE, "pattern": NO_NUL });
    let has_default = |name: &str| {
        json!({
            "if": {"required": ["type", "required"], "properties": {"type": {"const": name}, "required": {"const": false}}},
            "then": {"required": ["default"]},
        })
    };
    let is_choice = json!({ "required": ["type"], "properties": {"type": {"const": "choice"}} });
    let mut parameter = map(Section::Parameter);
    extend(
        &mut parameter,
        json!({ "allOf": [
            {"if": is_choice, "then": {"required": ["options"]}, "else": {"properties": {"options": false}}},
            of_type("number", json!({ "default": {"type": "number"} })),
            of_type("boolean", json!({ "default": {"type": "boolean"} })),
            has_default("number"),
            has_default("boolean"),
            has_default("choice"),
            {"properties": {"default": short}},
        ]}),
    );
    parameter
}

/// The name of a variable, or a map with one of two keys.
fn secret() -> Value {
    let mut one_of = map(Section::Secret);
    extend(&mut one_of, json!({ "minProperties": 1, "maxProperties": 1 }));
    json!({ "anyOf": [{"type": "string", "minLength": 1, "description": "A variable."}, one_of] })
}

/// The default as a value, where it is one and no description of one.
fn default(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    match text {
        "true" => return Some(true.into()),
        "false" => return Some(false.into()),
        _ if crate::parse_duration(text).is_ok() => return Some(text.into()),
        _ => {}
    }
    let word = text.strip_prefix('`')?.strip_suffix('`')?;
    (!word.contains('`') && !word.starts_with('-')).then(|| word.into())
}

/// A text of the reference without its links: `[limits](#limits)` is `limits`.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once("](").and_then(|(words, target)| Some((words, target.split_once(')')?.1))) {
            Some((words, behind)) if !words.contains('[') => {
                plain.push_str(words);
                rest = behind;
            }
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain + rest
}

/// Adds the entries of a map; a list that is there already gets more items.
fn extend(value: &mut Value, more: Value) {
    let (Value::Object(map), Value::Object(more)) = (value, more) else { return };
    for (key, new) in more {
        match (map.get_mut(&key), new) {
            (Some(Value::Array(there)), Value::Array(new)) => there.extend(new),
            (_, new) => drop(map.insert(key, new)),
        }
    }
}
