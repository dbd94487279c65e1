//! What is given to users: the program with its pages and completions, as an archive, a Debian package and npm packages.
//!
//! Everything is put together in a new directory of its own and given its place at the end, so nothing that was there before is
//! replaced or removed, and an attempt that fails leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, root, run};

mod archive;
mod contents;
mod debian;
mod npm;
mod target;

use contents::Contents;
use target::Target;

/// Bytes that the program may have.
const LARGEST: u64 = 15 * 1024 * 1024;

/// The profile of what users are given.
const PROFILE: &str = "dist";

/// Where packages go when no other place is named.
const PLACE: &str = "target/package";

pub(crate) const USAGE: &str = "\
usage: cargo xtask package [--out DIR] [--target TRIPLE] [--binary FILE]

  --out DIR        where the packages go; none of them may be there [default: target/package, where they are replaced]
  --target TRIPLE  the target to build for [default: static, by musl, for this processor; glibc, with a warning, where that
                   target cannot be installed]
  --binary FILE    package this program as it is, instead of building one
";

/// What was typed.
#[derive(Debug, Default)]
struct Options {
    out: Option<PathBuf>,
    target: Option<String>,
    binary: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().filter(|value| !value.is_empty());
                value.ok_or_else(|| format!("{word} takes a value\n{USAGE}"))
            };
            match *word {
                "--out" => options.out = Some(value()?.into()),
                "--target" => options.target = Some((*value()?).to_owned()),
                "--binary" => options.binary = Some(value()?.into()),
                other => return Err(format!("unknown option {other}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

/// Builds the program, unless one is given, and packages it.
pub(crate) fn make(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let (target, program) = match (&options.target, &options.binary) {
        (None, Some(program)) => (Target::of_program(program)?, program.clone()),
        (Some(triple), Some(program)) => (Target::of(triple)?, program.clone()),
        (triple, None) => {
            let target = Target::choose(triple.as_deref())?;
            let program = build(&target)?;
            (target, program)
        }
    };
    let version = version_of(&program)?;
    let stage = Stage::new()?;
    let contents = Contents::collect(&program, &stage.path("contents"))?;
    let made = stage.path("made");
    fs::create_dir(&made).map_err(|error| format!("{}: {error}", made.display()))?;
    archive::make(&contents, &target, &version, &made)?;
    debian::make(&contents, &target, &version, &stage.path("debian"), &made)?;
    npm::make(&contents, &target, &version, &stage.path("npm"), &made)?;
    sums(&made)?;
    place(&made, options.out.as_deref())
}

fn build(target: &Target) -> Result<PathBuf, String> {
    target.install()?;
    run(cargo(&["build", "--profile", PROFILE, "--locked", "--bin", "roboppi", "--target", &target.triple]))?;
    let dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = dir.join(&target.triple).join(PROFILE).join("roboppi");
    // The linker of musl leaves symbols in, a seventh of the program.
    let mut strip = Command::new("strip");
    strip.arg("--strip-all").arg(&program);
    run(strip)?;
    let len = fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
    if len > LARGEST {
        return Err(format!("the program has {len} bytes, and may have {LARGEST}"));
    }
    eprintln!("xtask: the program has {:.1} MiB", len as f64 / (1024.0 * 1024.0));
    Ok(program)
}

/// What the program itself says: it is the one that is packaged.
fn version_of(program: &Path) -> Result<String, String> {
    let text = output(Command::new(program).arg("--version"))?;
    let version = text.trim().strip_prefix("roboppi ").unwrap_or_default().to_owned();
    let is_version =
        version.split('.').count() >= 3 && version.starts_with(|char: char| char.is_ascii_digit());
    if is_version { Ok(version) } else { Err(format!("{} is not roboppi: {text}", program.display())) }
}

fn sums(made: &Path) -> Result<(), String> {
    let names = names(made)?;
    let text = output(Command::new("sha256sum").args(&names).current_dir(made))?;
    write(&made.join("SHA256SUMS"), text)
}

/// Moves what was made to its place.
fn place(made: &Path, out: Option<&Path>) -> Result<(), String> {
    let to = out.map_or_else(|| root().join(PLACE), Path::to_owned);
    fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    let names = names(made)?;
    if out.is_some()
        && let Some(there) =
            names.iter().map(|name| to.join(name)).find(|path| path.symlink_metadata().is_ok())
    {
        return Err(format!(
            "{} is there already, and nothing is replaced: name another directory",
            there.display()
        ));
    }
    for name in &names {
        // The place may be on another disk.
        fs::copy(made.join(name), to.join(name)).map_err(|error| format!("{name}: {error}"))?;
        eprintln!("{}", to.join(name).display());
    }
    Ok(())
}

/// The files of a directory, in order.
fn names(dir: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A directory of this process, which is removed with it.
struct Stage(PathBuf);

impl Stage {
    fn new() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("roboppi-package-{}", std::process::id()));
        // It must be new: what is in it is removed.
        fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Self(dir))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: {} stays: {error}", self.0.display());
        }
    }
}

/// What a program prints, if it succeeds.
fn output(command: &mut Command) -> Result<String, String> {
    let text = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{text} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{text} failed\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Writes a file with the directories above it.
fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

/// Gives a directory with everything in it the rights of installed files, whatever the umask is here.
fn rights(dir: &Path) -> Result<(), String> {
    output(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(dir)).map(drop)
}

/// Copies a file with the directories above it, and its rights.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(|error| format!("{}: {error}", to.display()))?;
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}
