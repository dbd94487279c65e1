//! Enums that newer versions may extend.

mod kind_first;

pub use kind_first::decode_kind_first;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::Word;

/// An object with a tag that this version does not know. It is written back as it came, but for the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTagged {
    /// Its tag, to be shown.
    pub tag: Word,
    /// All of it.
    pub object: Value,
}

impl Serialize for UnknownTagged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}

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
    decode_tagged_by("type", deserializer, known, parse, |other| unknown(other.object.to_string()))
}

/// The same of an object that is tagged by the field `tag`, kept whole when its kind is not `known`.
///
/// # Errors
/// When the value is not an object with a string in `tag`, or a known kind has wrong fields.
pub fn decode_tagged_by<'de, D, T>(
    tag: &str,
    deserializer: D,
    known: &[&str],
    parse: impl FnOnce(Value) -> Result<T, serde_json::Error>,
    unknown: impl FnOnce(UnknownTagged) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    // A tree and not the raw text: the enum may sit inside another tagged enum, whose content is buffered.
    let object = Value::deserialize(deserializer)?;
    match object.get(tag).and_then(Value::as_str) {
        Some(kind) if known.contains(&kind) => parse(object).map_err(D::Error::custom),
        Some(kind) => Ok(unknown(UnknownTagged { tag: Word::new(kind), object })),
        None => Err(D::Error::custom(format_args!("expected an object with a string `{tag}`"))),
    }
}
