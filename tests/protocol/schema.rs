//! The JSON Schema of the wire, made from the types.

use std::fs;
use std::path::{Path, PathBuf};

use roboppi_ipc::{Message, WorkerTask};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::fixtures::fixtures;
use crate::samples::{line, samples};

/// The schema of a line.
pub(crate) fn schema() -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let message = serde_json::to_value(generator.subschema_for::<Message>()).unwrap();
    let _ = generator.subschema_for::<WorkerTask>();
    let mut definitions = serde_json::to_value(generator.definitions()).unwrap();
    without_null(&mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line between a roboppi supervisor and a roboppi core",
        "$ref": message["$ref"],
        "$defs": definitions,
    })
}

/// The types take `null` for most of what may be absent. Whoever writes should not count on it: old peers do not.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(names) = object.get_mut("type").and_then(Value::as_array_mut) {
                names.retain(|name| name != "null");
                if let [name] = names.as_slice() {
                    let name = name.clone();
                    object.insert("type".to_owned(), name);
                }
            }
            if let Some(choices) = object.get_mut("anyOf").and_then(Value::as_array_mut) {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// A page or file of `docs/protocol/`.
pub(crate) fn documented(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol").join(name)
}

/// Insists that a file of `docs/protocol/` is what the code makes of it.
pub(crate) fn hold(name: &str, made: &str) {
    let path = documented(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "{} is not what the types say: UPDATE_DOCS=1 cargo test --test protocol",
        path.display()
    );
}

#[test]
fn the_schema_is_that_of_the_types() {
    hold("schema.json", &(serde_json::to_string_pretty(&schema()).unwrap() + "\n"));
}

#[test]
fn what_is_written_and_what_must_be_understood_fits_the_schema() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let ours = samples().into_iter().map(|message| ("a sample".to_owned(), line(&message)));
    for (place, line) in ours.chain(fixtures()) {
        let message: Value = serde_json::from_str(&line).unwrap();
        if let Err(error) = validator.validate(&message) {
            panic!("{place}: {error} at {}: {line}", error.instance_path());
        }
    }
    let null = json!({"type": "error", "code": "c", "message": "m", "requestId": null});
    for bad in [json!({"type": "ack", "requestId": "r"}), json!({"type": "novelty"}), json!([]), null] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

/// The schema says nothing about a payload, which is any JSON to the wire.
#[test]
fn payloads_fit_the_schema_of_a_task() {
    let mut schema = schema();
    schema["$ref"] = json!("#/$defs/WorkerTask");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let ours = samples().into_iter().map(|message| ("a sample".to_owned(), line(&message)));
    let mut seen = 0;
    for (place, line) in ours.chain(fixtures()) {
        let message: Value = serde_json::from_str(&line).unwrap();
        let is_task = message.pointer("/job/type").is_some_and(|kind| kind == "WORKER_TASK");
        if let Some(payload) = message.pointer("/job/payload").filter(|_| is_task) {
            seen += 1;
            if let Err(error) = validator.validate(payload) {
                panic!("{place}: {error} at {}: {payload}", error.instance_path());
            }
        }
    }
    assert!(seen > 5, "{seen}");
}
