//! Short names of runs.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// A short name of a run that people can type: `r17`. Numbers count up within one state directory; the handle of a run
/// that was imported is that of the machine it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunHandle(NonZeroU32);

impl RunHandle {
    /// The first one of a state directory.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// What begins every handle.
    const PREFIX: char = 'r';

    /// Reads `r17`; `None` of any other text. There is one text for each handle: no sign, no leading zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse().ok().filter(|_| plain).map(Self)
    }

    /// The one after it; `None` behind the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl TryFrom<String> for RunHandle {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a handle of a run: `r` and a number"))
    }
}

impl From<RunHandle> for String {
    fn from(handle: RunHandle) -> Self {
        handle.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_text() {
        let last = RunHandle(NonZeroU32::MAX);
        for handle in [RunHandle::FIRST, RunHandle::FIRST.next().unwrap(), last] {
            assert_eq!(RunHandle::parse(&handle.to_string()), Some(handle));
        }
        for other in ["", "r", "r0", "r01", "r+1", "R1", "r1 ", "1", "rr1", "r4294967296", "run-1"] {
            assert_eq!(RunHandle::parse(other), None, "{other:?}");
        }
        assert_eq!(last.next(), None);
    }
}
