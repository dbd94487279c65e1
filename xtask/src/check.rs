//! What must hold before a change is taken in.

use std::path::Path;
use std::process::Command;

use crate::machine::{install, is_deciding, starts};
use crate::{cargo, page, run};

/// Format, lints and documentation, then the tests. Those of the workspace come last, so that what they say stands at the end; they are
/// built before the page is opened with the program that is one of them.
pub(crate) fn everything() -> Result<(), String> {
    if component("fmt", "rustfmt")? {
        run(cargo(&["fmt", "--all", "--check"]))?;
    }
    if component("clippy", "clippy")? {
        run(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    }
    dependencies()?;
    for program in ["zsh", "fish"] {
        shell(program);
    }
    hosts();
    page::check()?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)?;
    run(cargo(&["test", "--workspace", "--locked", "--doc"]))?;
    outside()?;
    run(tests(&["--no-run"]))?;
    page::browser()?;
    run(tests(&[]))
}

/// Every test of the workspace but those of its documentation. The chores have no tests, and what is said last should be about some.
fn tests(more: &[&str]) -> Command {
    let mut tests = cargo(&["test", "--workspace", "--exclude", "xtask", "--locked"]);
    tests.args(["--lib", "--bins", "--examples", "--tests"]).args(more);
    tests
}

/// The example of an adapter, which sees the published interfaces alone. It is no member of the workspace, and is built in
/// the same place only so that nothing is built twice.
fn outside() -> Result<(), String> {
    const MANIFEST: &str = "examples/adapter/Cargo.toml";

    if component("fmt", "rustfmt")? {
        run(cargo(&["fmt", "--manifest-path", MANIFEST, "--check"]))?;
    }
    let mut tests =
        cargo(&["test", "--manifest-path", MANIFEST, "--locked", "--all-features", "--all-targets"]);
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        tests.env("CARGO_TARGET_DIR", "target");
    }
    run(tests)
}

/// Licences, sources and duplicates of dependencies, where the tool is installed: the first two are a test as well. Advisories are for
/// the workflow of the repository: they come from elsewhere, and change without a change here.
fn dependencies() -> Result<(), String> {
    if !starts(cargo(&["deny", "--version"])) {
        return Ok(());
    }
    run(cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]))
}

/// A shell in which completion is tested, installed where this may install programs: as root, with the packages of Debian.
fn shell(name: &str) {
    let is_there = || {
        let mut probe = Command::new(name);
        probe.arg("--version");
        starts(probe)
    };
    if is_there() || install(name) && is_there() {
        return;
    }
    eprintln!(
        "\n`{name}` is missing: the tests of completion in it are left out. Install the package `{name}` to have them."
    );
}

/// What makes hosts of network namespaces, installed where this may install programs. What is missing then is reported by the tests.
fn hosts() {
    for (program, package) in
        [("/usr/sbin/sshd", "openssh-server"), ("/usr/bin/ssh", "openssh-client"), ("ip", "iproute2")]
    {
        let is_there = if program.starts_with('/') {
            Path::new(program).exists()
        } else {
            let mut probe = Command::new(program);
            probe.arg("-V");
            starts(probe)
        };
        if !is_there {
            install(package);
        }
    }
}

/// Whether a part of the toolchain is there, after trying to install it. A machine that cannot have it may
/// still run the tests; the one that decides about changes may not.
fn component(subcommand: &str, name: &str) -> Result<bool, String> {
    let answers = || starts(cargo(&[subcommand, "--version"]));
    if answers() {
        return Ok(true);
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", name]);
    if run(rustup).is_ok() && answers() {
        return Ok(true);
    }
    if is_deciding() {
        return Err(format!("`cargo {subcommand}` is missing and `{name}` could not be installed"));
    }
    eprintln!(
        "\n`cargo {subcommand}` is missing: this check is left out. Install the component `{name}` to have it."
    );
    Ok(false)
}
