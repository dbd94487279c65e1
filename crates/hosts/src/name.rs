//! Names that become parts of paths and of command lines.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Letters of a host name at most.
const HOST_NAME_LIMIT: usize = 63;
/// Letters of a session name at most: a run id, a dot and a host name.
const SESSION_NAME_LIMIT: usize = 64 + 1 + HOST_NAME_LIMIT;

/// A text that cannot name a host.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` cannot name a host: names have 1 to 63 lower-case letters, digits, `-` and `_`, and start with a letter or a digit"
)]
pub struct InvalidHostName(pub String);

/// Checks the name of a host. It is shown, and part of file names, so its alphabet is strict.
///
/// # Errors
/// When it is empty, too long, or has other characters.
pub fn check_host_name(name: &str) -> Result<(), InvalidHostName> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let rest = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_');
    let is_valid = (1..=HOST_NAME_LIMIT).contains(&name.len())
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(rest);
    if is_valid { Ok(()) } else { Err(InvalidHostName(name.to_owned())) }
}

/// The work of one run on one host: names the directory of its keeper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionName(String);

impl SessionName {
    /// The session of a run on a host.
    ///
    /// # Errors
    /// When the two together are no name of a directory.
    pub fn of(run: &str, host: &str) -> Result<Self, InvalidHostName> {
        Self::try_from(format!("{run}.{host}"))
    }

    /// The name as a text: letters, digits, `-`, `_` and `.`; never `.` or `..`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionName {
    type Error = InvalidHostName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_valid = (1..=SESSION_NAME_LIMIT).contains(&text.len())
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().all(plain);
        if is_valid { Ok(Self(text)) } else { Err(InvalidHostName(text)) }
    }
}

impl From<SessionName> for String {
    fn from(name: SessionName) -> Self {
        name.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_a_strict_alphabet() {
        for good in ["a", "build-1", "0x", "gpu_box", &"x".repeat(63)] {
            assert_eq!(check_host_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-o", "A", "a b", "a.b", "ü", "a/b", "../x", "a\n", "$(id)", &"x".repeat(64)] {
            assert!(check_host_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_session_is_one_directory() {
        let name = SessionName::of("01890a5d-ac96-774b-bcce-b302099a8057", "build-1").unwrap();
        assert_eq!(name.as_str(), "01890a5d-ac96-774b-bcce-b302099a8057.build-1");
        for bad in ["", ".", "..", ".a", "a/b", "a b", "../a", "a\0"] {
            assert!(SessionName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
