//! What the machine has, and what it is for.

use std::process::{Command, Stdio};

use crate::run;

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether a program is there, and answers.
pub(crate) fn starts(mut probe: Command) -> bool {
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Installs a package of Debian, where this may install programs: as root. A fresh machine has no list of packages yet.
pub(crate) fn install(package: &str) -> bool {
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        run(apt).is_ok()
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    is_root() && (apt(&install) || apt(&["update"]) && apt(&install))
}

/// Whether this is the machine that decides about changes, where nothing is left out.
pub(crate) fn is_deciding() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
