//! Names of runs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// A run. Unique, sorts by time, and safe as a file name: letters, digits and `-` only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that cannot be a run id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a run id: ids have 1 to 64 letters, digits and `-`, and start with a letter or digit")]
pub struct InvalidRunId(String);

impl RunId {
    /// The id made from a time-ordered UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.hyphenated().to_string())
    }

    /// Checks a text from outside before it may become a path.
    ///
    /// # Errors
    /// When it holds anything but letters, digits and `-`, or is empty or too long.
    pub fn parse(text: &str) -> Result<Self, InvalidRunId> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if plain && !text.is_empty() && text.len() <= 64 && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRunId(text.to_owned()))
        }
    }

    /// Milliseconds of Unix time at which the id was made; `None` of an id that tells no time.
    #[must_use]
    pub fn time_ms(&self) -> Option<u64> {
        let (seconds, nanoseconds) = Uuid::try_parse(&self.0).ok()?.get_timestamp()?.to_unix();
        seconds.checked_mul(1_000)?.checked_add(u64::from(nanoseconds) / 1_000_000)
    }

    /// The id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidRunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A machine on which cores of a run work, by its name. The one of the supervisor is [`here`](Self::here).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct HostId(Option<Arc<str>>);

impl HostId {
    const HERE: &str = "here";

    /// The host of the supervisor. Events that name no host mean this one.
    #[must_use]
    pub const fn here() -> Self {
        Self(None)
    }

    /// Whether it is the host of the supervisor.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        self.0.is_none()
    }

    /// The name, `here` for the host of the supervisor.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(Self::HERE)
    }
}

impl From<String> for HostId {
    fn from(name: String) -> Self {
        Self((name != Self::HERE).then(|| name.into()))
    }
}

impl From<HostId> for String {
    fn from(host: HostId) -> Self {
        host.as_str().to_owned()
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_from_outside_are_checked() {
        assert!(RunId::parse("0194-abc").is_ok());
        for bad in ["", "..", "a/b", "-x", "a b", "é", &"x".repeat(65)] {
            assert!(RunId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
