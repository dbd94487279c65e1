//! `docs/protocol/messages.md`, made from the schema, which is made from the types.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::schema::{hold, schema};

const HEAD: &str = "# Messages\n\n\
    Generated from the types of `crates/ipc`; [schema.json](schema.json) is the same for programs. A field that is not\n\
    required may be absent, and is never `null`. Unknown fields are ignored.\n";

#[test]
fn the_reference_is_that_of_the_types() {
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap();
    let mut page = HEAD.to_owned();
    for variant in definitions["Message"]["oneOf"].as_array().unwrap() {
        message(&mut page, variant, definitions);
    }
    page.push_str("\n# Parts of messages\n");
    let shown = bodies(&definitions["Message"]);
    for (name, definition) in definitions.iter().filter(|(name, _)| !shown.contains(&name.as_str())) {
        part(&mut page, name, definition);
    }
    hold("messages.md", &link_names(&page, definitions));
}

/// What is shown with the messages already.
fn bodies(message: &Value) -> Vec<&str> {
    let variants = message["oneOf"].as_array().unwrap();
    let bodies = variants.iter().filter_map(|variant| variant["$ref"].as_str()).map(name_of);
    bodies.chain(["Message"]).collect()
}

/// Names of types that stand in a text become links.
fn link_names(page: &str, definitions: &Map<String, Value>) -> String {
    let mut page = page.to_owned();
    for name in definitions.keys() {
        page = page.replace(&format!("`{name}`"), &link(name));
    }
    page
}

fn message(page: &mut String, variant: &Value, definitions: &Map<String, Value>) {
    let kind = variant["properties"]["type"]["const"].as_str().unwrap();
    let body = variant["$ref"].as_str().map(|reference| &definitions[name_of(reference)]);
    let more = body.map(|body| sentence(&meaning(body, kind))).unwrap_or_default();
    let _ = writeln!(page, "\n## `{kind}`\n\n{}", format!("{} {more}", text(variant)).trim_end());
    if let Some(body) = body {
        fields(page, body);
    }
}

fn part(page: &mut String, name: &str, definition: &Value) {
    let _ = writeln!(page, "\n## {name}\n\n{}", text(definition));
    if let Some(variants) = definition["oneOf"].as_array().or_else(|| definition["anyOf"].as_array()) {
        let is_tagged = variants.iter().any(|variant| variant["properties"]["type"]["const"].is_string());
        if !is_tagged {
            let _ = writeln!(page, "\n| value | meaning |\n|---|---|");
        }
        for variant in variants {
            if let Some(kind) = variant["properties"]["type"]["const"].as_str() {
                let _ = writeln!(page, "\n### {name} `{kind}`\n\n{}", text(variant));
                if let Some(reference) = variant["$ref"].as_str() {
                    let _ = writeln!(page, "\nIts other fields are those of {}.", link(reference));
                }
                fields(page, variant);
            } else if let Some(value) = variant["const"].as_str() {
                let _ = writeln!(page, "| `{value}` | {} |", meaning(variant, value));
            } else {
                let _ = writeln!(page, "| any other | {} |", meaning(variant, ""));
            }
        }
    }
    fields(page, definition);
}

/// The table of the fields of an object, `type` left out.
fn fields(page: &mut String, object: &Value) {
    let Some(properties) = object["properties"].as_object() else { return };
    let required: Vec<_> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows = String::new();
    for (name, field) in properties.iter().filter(|(_, field)| field["const"].is_null()) {
        let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
        let _ = writeln!(rows, "| `{name}` | {} | {needed} | {} |", kind(field), meaning(field, name));
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n| field | type | required | meaning |\n|---|---|---|---|\n{rows}");
    }
}

/// What a description says besides the name on the wire it begins with.
fn meaning(of: &Value, name: &str) -> String {
    let text = text(of);
    let quoted = format!("`{name}`");
    let rest = text.strip_prefix(&quoted).unwrap_or(&text);
    rest.trim_start_matches([':', ',', '.', ';', ' ']).replace('|', "\\|")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn text(of: &Value) -> String {
    let text = of["description"].as_str().unwrap_or_default();
    // Links of the code lead nowhere here.
    text.replace(['\n'], " ").replace("[`", "`").replace("`]", "`").trim().to_owned()
}

/// The type of a field, in words.
fn kind(field: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        return link(reference);
    }
    if let Some(choices) = field["anyOf"].as_array() {
        let kinds: Vec<_> = choices.iter().filter(|choice| choice["type"] != "null").map(kind).collect();
        return kinds.join(" or ");
    }
    let names: Vec<&str> = match &field["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => return "any JSON".to_owned(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", kind(&field["items"])),
        ["object"] if field["additionalProperties"].is_object() => {
            format!("object of {}", kind(&field["additionalProperties"]))
        }
        names => names.join(" or "),
    }
}

fn link(reference: &str) -> String {
    let name = name_of(reference);
    format!("[{name}](#{})", name.to_lowercase())
}

fn name_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}
