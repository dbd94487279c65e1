//! YAML of other programs, as a value.

use granit_parser::{Event, Parser};
use serde_json::{Map, Value};

/// Reads YAML without anchors and tags; every scalar is a text.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    enum Open {
        List(Vec<Value>),
        Map(Map<String, Value>, Option<String>),
    }
    fn put(stack: &mut [Open], root: &mut Value, value: Value) -> Result<(), String> {
        match stack.last_mut() {
            None => *root = value,
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                None => *key = Some(value.as_str().ok_or("a key is no text")?.to_owned()),
                Some(key) if map.contains_key(&key) => return Err(format!("`{key}` is there twice")),
                Some(key) => drop(map.insert(key, value)),
            },
        }
        Ok(())
    }
    let (mut stack, mut root) = (Vec::new(), Value::Null);
    for event in Parser::new_from_str(text) {
        match event.map_err(|error| error.to_string())?.0 {
            Event::SequenceStart(..) => stack.push(Open::List(Vec::new())),
            Event::MappingStart(..) => stack.push(Open::Map(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let value = match stack.pop() {
                    Some(Open::List(list)) => Value::Array(list),
                    Some(Open::Map(map, _)) => Value::Object(map),
                    None => return Err("an end without a beginning".to_owned()),
                };
                put(&mut stack, &mut root, value)?;
            }
            Event::Scalar(text, ..) => put(&mut stack, &mut root, Value::String(text.into_owned()))?,
            Event::Alias(..) => return Err("it has an alias".to_owned()),
            _ => {}
        }
    }
    Ok(root)
}
