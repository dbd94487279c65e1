//! Names of runs, steps and attempts.

use std::fmt;
use std::fmt::Write as _;

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

/// A step, by the name it has in the workflow file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(String);

impl StepPath {
    /// Wraps a name. The workflow language decides which names are allowed.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one path segment: letters, digits, `-`, `_` and inner dots stay, every other byte is
    /// `%XX`. Different names give different segments; a name too long for a file system ends in a hash.
    #[must_use]
    pub fn path_segment(&self) -> String {
        const LONGEST: usize = 200;
        let mut segment = String::with_capacity(self.0.len());
        for (index, byte) in self.0.bytes().enumerate() {
            let plain =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && index > 0);
            if plain {
                segment.push(char::from(byte));
            } else {
                let _ = write!(segment, "%{byte:02X}");
            }
        }
        if segment.len() > LONGEST {
            let hash = Uuid::from_u128(fnv128(self.0.as_bytes()));
            segment.truncate(LONGEST);
            let _ = write!(segment, "%{}", hash.simple());
        }
        segment
    }
}

/// FNV-1a, 128 bit: stable across versions, which a file name needs and `std`'s hasher does not promise.
fn fnv128(bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepPath {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// One attempt: one try of one round of a step, and one job on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptRef {
    /// `step`.
    pub step: StepPath,
    /// `iteration` of a completion-check loop, from 1.
    pub iteration: u32,
    /// `attempt` within the iteration, from 1.
    pub attempt: u32,
}

impl AttemptRef {
    /// The first attempt of a step.
    #[must_use]
    pub const fn first(step: StepPath) -> Self {
        Self { step, iteration: 1, attempt: 1 }
    }

    /// Path of the attempt's files inside the run directory, without extension: `steps/build/i1-a2`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("steps/{}/i{}-a{}", self.step.path_segment(), self.iteration, self.attempt)
    }
}

impl fmt::Display for AttemptRef {
    /// `build`, `build#2` for a second attempt, `build@3#2` for the second attempt of the third iteration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.as_str())?;
        if self.iteration > 1 {
            write!(f, "@{}", self.iteration)?;
        }
        if self.attempt > 1 {
            write!(f, "#{}", self.attempt)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn run_ids_from_outside_are_checked() {
        assert!(RunId::parse("0194-abc").is_ok());
        for bad in ["", "..", "a/b", "-x", "a b", "é", &"x".repeat(65)] {
            assert!(RunId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn step_names_become_one_path_segment() {
        let segment = |name: &str| StepPath::from(name).path_segment();
        assert_eq!(segment("build-1_a.b"), "build-1_a.b");
        assert_eq!(segment("Größe ok"), "Gr%C3%B6%C3%9Fe%20ok");
        assert_eq!(segment(".."), "%2E.");
        assert_eq!(segment("a/b"), "a%2Fb");
        assert!(segment(&"ü".repeat(300)).len() < 255);
    }

    proptest! {
        #[test]
        fn different_names_give_different_segments(a in ".{0,80}", b in ".{0,80}") {
            prop_assume!(a != b);
            let (a, b) = (StepPath::new(a).path_segment(), StepPath::new(b).path_segment());
            prop_assert_ne!(&a, &b);
            prop_assert!(!a.contains('/') && a != ".." && a != ".");
        }
    }
}
