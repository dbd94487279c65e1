//! Values that are no text: paths and variables of a system that knows bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The ability of a core to take what is not UTF-8 byte for byte (`payload.roboppi.exact`).
pub const CAPABILITY_EXACT: &str = "exact";

/// Values of a task that are not UTF-8, as bytes (`payload.roboppi.exact`). If a value is given here, the
/// text at its usual place is for display only. A core that supports it has the capability `exact`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExactValues {
    /// `workspaceRef`: `workspaceRef` of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<HexBytes>,
    /// `recordDir`: `dir` of `record`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_dir: Option<HexBytes>,
    /// `env`: values of `env` of the task, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, HexBytes>,
}

impl ExactValues {
    /// Whether everything is text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Bytes, in JSON as a string of hexadecimal digits, two per byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct HexBytes(Vec<u8>);

impl HexBytes {
    /// Wraps bytes that are not UTF-8; `None` for those that are, which need not be wrapped.
    #[must_use]
    pub fn unless_text(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).is_err().then(|| Self(bytes.to_owned()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<HexBytes> for String {
    fn from(HexBytes(bytes): HexBytes) -> Self {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for HexBytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| Some((digit(pair.first()?)? << 4) | digit(pair.get(1)?)?);
        let bytes: Option<_> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| "not a string of pairs of hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_anything_else_is_an_error() {
        let bytes = HexBytes::unless_text(b"caf\xe9").unwrap();
        let json = serde_json::to_string(&bytes).unwrap();
        assert_eq!(json, r#""636166e9""#);
        assert_eq!(serde_json::from_str::<HexBytes>(&json).unwrap().bytes(), b"caf\xe9");
        for malformed in [r#""6""#, r#""6g""#, r#""\u00e9""#, "7", "null"] {
            assert!(serde_json::from_str::<HexBytes>(malformed).is_err(), "{malformed}");
        }
        assert_eq!(HexBytes::unless_text("café".as_bytes()), None);
    }
}
