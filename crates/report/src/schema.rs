//! JSON Schemas of what is written for programs, made from the types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::jsonl::{AttemptLine, JournalLine, MissingLine};
use crate::problems::FileReport;
use crate::summary::Summary;

/// The schema of a line of `--output json`.
#[must_use]
pub fn stream() -> Value {
    let mut generator = generator();
    let journal = reference::<JournalLine<'_>>(&mut generator);
    let lines = [
        // Fields may come with later versions, so the ones that are there do not tell the two apart.
        json!({"allOf": [journal, {"not": {"required": ["attempt"]}}]}),
        reference::<AttemptLine<'_>>(&mut generator),
        reference::<MissingLine>(&mut generator),
    ];
    document("A line of `roboppi … --output json`", &mut generator, json!({"oneOf": lines}))
}

/// The schema of a file of `--summary-file`.
#[must_use]
pub fn summary() -> Value {
    let mut generator = generator();
    let summary = reference::<Summary<'_>>(&mut generator);
    document("A file of `roboppi … --summary-file`", &mut generator, summary)
}

/// The schema of `roboppi workflow validate --output json`.
#[must_use]
pub fn validation() -> Value {
    let mut generator = generator();
    let files = reference::<Vec<FileReport<'_>>>(&mut generator);
    document("The output of `roboppi workflow validate --output json`", &mut generator, files)
}

/// What is written, and not what would be understood.
fn generator() -> SchemaGenerator {
    SchemaGenerator::new(SchemaSettings::draft2020_12().for_serialize())
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn document(title: &str, generator: &mut SchemaGenerator, mut root: Value) -> Value {
    let definitions: Value = generator.take_definitions(true).into();
    if let Value::Object(root) = &mut root {
        root.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("title".to_owned(), title.into());
        root.insert("$defs".to_owned(), definitions);
    }
    root
}
