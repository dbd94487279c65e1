//! The JSON Schemas of what is written for programs, made from the types.

use std::fs;
use std::path::Path;

use roboppi_report::schema;
use serde_json::{Value, json};

fn hold(name: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json").join(name);
    let made = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "{} is not what the types state: UPDATE_DOCS=1 cargo test --test protocol",
        path.display()
    );
}

#[test]
fn the_document_of_the_api_is_that_of_its_types() {
    hold("../../crates/web/openapi.json", &roboppi_web::openapi::document());
}

#[test]
fn the_schemas_are_those_of_the_types() {
    hold("stream.schema.json", &schema::stream());
    hold("summary.schema.json", &schema::summary());
    hold("validation.schema.json", &schema::validation());
}

#[test]
fn lines_of_another_form_do_not_fit() {
    let schema = schema::stream();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let warning = json!({"type": "warning", "message": "m"});
    let of = json!({"step": "a", "iteration": 1, "attempt": 1});
    for good in [
        json!({"v": 1, "seq": 1, "ts": 2, "event": warning}),
        json!({"v": 1, "attempt": of, "seq": 1, "ts": 2, "event": {"type": "text_delta", "delta": "t"}}),
        json!({"v": 1, "missing": {"fromSeq": 1, "toSeq": 2}}),
    ] {
        if let Err(error) = validator.validate(&good) {
            panic!("{error} at {}: {good}", error.instance_path());
        }
    }
    for bad in [
        json!({"v": 1, "ts": 2, "event": warning}),
        json!({"v": 1, "seq": 1, "ts": 2, "event": {"type": "warning"}}),
        json!({"v": 1, "seq": 1, "ts": 2, "event": {"type": "novelty"}}),
        json!({"v": 1, "attempt": of, "seq": 1, "ts": 2, "event": warning}),
        json!({"v": 1, "missing": {"fromSeq": 1}}),
        json!([]),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
