//! Programs to compare with, which may be missing.

use std::process::Command;

/// A program that is installed.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// What it says about its version, at most a number.
    pub(crate) version: String,
}

impl Tool {
    /// The program, when it is installed and says its version.
    pub(crate) fn find(name: &'static str) -> Option<Self> {
        let output = Command::new(name).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let version = text.split_whitespace().find(is_version).unwrap_or("?").to_owned();
        output.status.success().then_some(Self { name, version })
    }
}
