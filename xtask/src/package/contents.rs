//! What every package has: the program, its pages, its completions, and the licences.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{copy, output, rights, write};
use crate::root;

/// A directory with the program and what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    dir: PathBuf,
}

/// Shells, and what their files of completions are called.
const SHELLS: [(&str, &str); 3] = [("bash", "roboppi.bash"), ("zsh", "_roboppi"), ("fish", "roboppi.fish")];

impl Contents {
    /// Has the program write its pages and completions.
    pub(super) fn collect(program: &Path, dir: &Path) -> Result<Self, String> {
        copy(program, &dir.join("roboppi"))?;
        for page in output(Command::new(program).args(["man", "--list"]))?.lines() {
            let mut command = Command::new(program);
            command.arg("man").args(page.split('-').skip(1));
            write(&dir.join(format!("man/man1/{page}.1")), output(&mut command)?)?;
        }
        for (shell, file) in SHELLS {
            // By its name: it is found where it will be installed.
            let mut command = Command::new(program);
            command.arg0("roboppi").args(["completions", shell]);
            write(&dir.join("completions").join(file), output(&mut command)?)?;
        }
        for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            copy(&root().join(file), &dir.join(file))?;
        }
        rights(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The pages, each `roboppi-….1`.
    pub(super) fn pages(&self) -> Result<Vec<String>, String> {
        super::names(&self.path("man/man1"))
    }
}
