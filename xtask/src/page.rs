//! The page of the browser: its types, its pure parts and its build with npm, and what Chromium shows of it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::machine::{install, is_deciding, starts};
use crate::{cargo, root, run};

fn dir() -> PathBuf {
    root().join("crates/web/app")
}

fn npm(arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(dir());
    npm
}

/// Installs what the page is built with, as its lock file says. What is missing is reported, and an error where nothing is left out.
fn installed() -> Result<bool, String> {
    static DONE: OnceLock<bool> = OnceLock::new();

    if let Some(done) = DONE.get() {
        return Ok(*done);
    }
    let done = install_packages()?;
    Ok(*DONE.get_or_init(|| done))
}

fn install_packages() -> Result<bool, String> {
    let mut probe = Command::new("npm");
    probe.arg("--version");
    let missing = if !starts(probe) {
        "`npm` is missing"
    } else if run(npm(&["ci", "--no-fund", "--no-audit"])).is_err() {
        "`npm ci` does not get the packages of the page"
    } else {
        return Ok(true);
    };
    if is_deciding() {
        return Err(missing.to_owned());
    }
    eprintln!("\n{missing}: the tests of the page are left out.");
    Ok(false)
}

/// Types, pure parts, and whether the files in `dist` are those that its sources give.
pub(crate) fn check() -> Result<(), String> {
    if !installed()? {
        return Ok(());
    }
    ["check", "unit", "current"].into_iter().try_for_each(|script| run(npm(&["run", "--silent", script])))
}

/// Builds the program, and opens the page in Chromium.
pub(crate) fn built_browser() -> Result<(), String> {
    run(cargo(&["build", "--locked", "--bin", "roboppi"]))?;
    browser()
}

/// Opens the page in Chromium, with runs that are made up and with the program that is built.
pub(crate) fn browser() -> Result<(), String> {
    if !installed()? || !chromium()? {
        return Ok(());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let tests = || {
        let mut tests = npm(&["run", "--silent", "browser"]);
        tests.env("ROBOPPI_BIN", target.join("debug/roboppi"));
        run(tests)
    };
    tests().or_else(|error| {
        // A machine that is busy may starve a browser: a failure counts when it comes again, and each one is in the output.
        eprintln!("\n{error}: once more, to tell a fault from a starved browser");
        tests()
    })
}

/// Whether there is a browser, after trying to install it. One that is missing is reported, and an error where nothing is left out.
fn chromium() -> Result<bool, String> {
    let is_there = || {
        std::env::var_os("CHROMIUM").is_some()
            || ["chromium", "chromium-browser", "google-chrome"].into_iter().any(|name| {
                let mut probe = Command::new(name);
                probe.arg("--version");
                starts(probe)
            })
    };
    if is_there() || install("chromium") && is_there() {
        return Ok(true);
    }
    if is_deciding() {
        return Err("`chromium` is missing and could not be installed".to_owned());
    }
    eprintln!(
        "\n`chromium` is missing: the tests of the page in it are left out. Install the package `chromium` to have them."
    );
    Ok(false)
}
