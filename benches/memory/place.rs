//! A directory of its own, and the processes of ours that run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Peaks;

pub(crate) const ROBOPPI: &str = env!("CARGO_BIN_EXE_roboppi");

/// How often one looks whether something has come true.
const LOOK: Duration = Duration::from_millis(5);
/// How long that may take at most.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// The program, with everything it may write in this place.
    pub(crate) fn roboppi(&self) -> Command {
        let mut command = Command::new(ROBOPPI);
        command.current_dir(self.0.path()).env("ROBOPPI_STATE_DIR", self.path("state"));
        command.env("HOME", self.0.path()).env("TMPDIR", self.0.path());
        command
    }

    pub(crate) fn wait_for_file(&self, name: &str) {
        wait_for(name, || self.path(name).exists());
    }
}

pub(crate) fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// What a process and those of the same program below it needed so far. `roles` are given from the top.
pub(crate) fn peaks(pid: u32, roles: &[&'static str]) -> Peaks {
    let all = std::iter::once(pid).chain(descendants(pid));
    roles.iter().copied().zip(all.map(peak_memory)).collect()
}

/// The processes of the same program below a process, from the top.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|child| child.parse().ok());
    let own = children.filter(|child| {
        fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == Path::new(ROBOPPI))
    });
    own.flat_map(|child: u32| std::iter::once(child).chain(descendants(child))).collect()
}

fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
