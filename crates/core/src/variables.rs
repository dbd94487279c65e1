//! The environment variables a core was started with, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// Environment variables. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Arc<BTreeMap<OsString, OsString>>);

impl Variables {
    /// Those of this process, as they are now.
    #[must_use]
    pub fn of_this_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &OsStr) -> Option<&OsString> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// Whether the output of workers may be streamed: not where `ROBOPPI_TUI_STREAM_STDIO` says no.
    #[must_use]
    pub fn allow_output(&self) -> bool {
        self.get(OsStr::new("ROBOPPI_TUI_STREAM_STDIO"))
            .and_then(|value| value.to_str())
            .is_none_or(|value| !is_no(value))
    }
}

impl FromIterator<(OsString, OsString)> for Variables {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

/// Whether a value of the environment says no.
fn is_no(value: &str) -> bool {
    ["0", "false", "no", "off"].contains(&value.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream_stdio(value: &str) -> Variables {
        [("ROBOPPI_TUI_STREAM_STDIO".into(), value.into())].into_iter().collect()
    }

    #[test]
    fn only_a_clear_no_is_a_no() {
        for no in ["0", "false", "NO", " off ", "Off"] {
            assert!(!stream_stdio(no).allow_output(), "{no:?}");
        }
        for yes in ["", "1", "true", "on", "nope", "00"] {
            assert!(stream_stdio(yes).allow_output(), "{yes:?}");
        }
        assert!(Variables::default().allow_output());
    }
}
