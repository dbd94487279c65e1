//! What a package is built for.

use std::path::Path;
use std::process::Command;

use crate::run;

/// A system, in the words of those that name systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) triple: String,
    /// As Debian says.
    pub(super) debian: &'static str,
    /// As Node says.
    pub(super) node: &'static str,
}

impl Target {
    /// The target that was named, or a static one for this processor.
    pub(super) fn choose(named: Option<&str>) -> Result<Self, String> {
        match named {
            Some(triple) => Self::of(triple),
            None => Self::of(&format!("{}-unknown-linux-musl", std::env::consts::ARCH)).map(Self::or_glibc),
        }
    }

    /// The target that a program for this processor was built for.
    pub(super) fn of_program(program: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(program).map_err(|error| format!("{}: {error}", program.display()))?;
        // The loader that a program names which needs libraries.
        let loader = b"/ld-linux";
        let library = if bytes.windows(loader.len()).any(|found| found == loader) { "gnu" } else { "musl" };
        Self::of(&format!("{}-unknown-linux-{library}", std::env::consts::ARCH))
    }

    pub(super) fn of(triple: &str) -> Result<Self, String> {
        let (debian, node) = match triple.split('-').next() {
            Some("x86_64") => ("amd64", "x64"),
            Some("aarch64") => ("arm64", "arm64"),
            _ => return Err(format!("there are packages for x86_64 and aarch64, and none for {triple}")),
        };
        if !triple.contains("-linux-") {
            return Err(format!("{triple} is not Linux"));
        }
        Ok(Self { triple: triple.to_owned(), debian, node })
    }

    /// Whether it needs no library of the system.
    pub(super) fn is_static(&self) -> bool {
        self.triple.ends_with("-musl")
    }

    /// This target, or the same with glibc if this one cannot be built here: with a word about it, since it then runs only where
    /// glibc is as new as here.
    fn or_glibc(self) -> Self {
        let reason = match self.install() {
            Err(error) => error,
            Ok(()) if starts("musl-gcc") => return self,
            Ok(()) => "musl-gcc is missing: install the package musl-tools".to_owned(),
        };
        eprintln!("xtask: warning: {} cannot be built: {reason}", self.triple);
        eprintln!(
            "xtask: warning: the program will be linked with glibc, and need one at least as new as the one here"
        );
        Self { triple: self.triple.replace("-musl", "-gnu"), ..self }
    }

    /// Makes its standard library available.
    pub(super) fn install(&self) -> Result<(), String> {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", &self.triple]);
        run(rustup)
    }
}

/// Whether a program is there.
fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
