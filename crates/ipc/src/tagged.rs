//! Enums that newer versions may extend.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Decodes an object tagged by `type`. A kind in `known` is parsed, and then its fields must be right; any
/// other kind becomes `unknown`, given the JSON text, so that an older reader keeps what it cannot understand.
///
/// # Errors
/// When the value is not an object with a string `type`, or a known kind has wrong fields.
pub fn decode_tagged<'de, D, T>(
    deserializer: D,
    known: &[&str],
    parse: impl FnOnce(Value) -> Result<T, serde_json::Error>,
    unknown: impl FnOnce(String) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    // A tree and not the raw text: the enum may sit inside another tagged enum, whose content is buffered.
    let value = Value::deserialize(deserializer)?;
    match value.get("type").and_then(Value::as_str) {
        Some(kind) if known.contains(&kind) => parse(value).map_err(D::Error::custom),
        Some(_) => Ok(unknown(value.to_string())),
        None => Err(D::Error::custom("expected an object with a string `type`")),
    }
}
