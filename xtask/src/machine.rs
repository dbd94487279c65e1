//! What the machine has, and what it is for.

use std::process::{Command, Stdio};

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether a program is there, and answers.
pub(crate) fn starts(mut probe: Command) -> bool {
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Whether this is the machine that decides about changes, where nothing is left out.
pub(crate) fn is_deciding() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
