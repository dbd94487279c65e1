//! Holds the shape of the workspace: which crate may use which, what a pure crate may touch, that the modules of a
//! crate form no circle, how large a file and a function may get, and that links in the pages lead somewhere.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod circles;
mod dependencies;
mod github;
mod growing;
mod modules;
mod pages;
mod run_files;
mod sites;
mod sizes;
mod tokens;
mod views;
mod words;
#[path = "../support/yaml.rs"]
mod yaml;

/// The crates from the bottom up. A crate may use those of lower layers, never one of its own.
const LAYERS: &[&[&str]] = &[
    &["roboppi-ipc", "roboppi-untrusted"],
    &["roboppi-hosts", "roboppi-run"],
    &[
        "roboppi-workflow",
        "roboppi-worker-adapters",
        "roboppi-redact",
        "roboppi-stats",
        "roboppi-ingest",
        "roboppi-board",
    ],
    &["roboppi-process", "roboppi-workspace"],
    &["roboppi-record"],
    &["roboppi-attach"],
    &["roboppi-report", "roboppi-watch"],
    &["roboppi-core", "roboppi-keeper", "roboppi-supervisor", "roboppi-tui", "roboppi-web"],
    &["roboppi"],
];

/// Crates that do no I/O and read no clock.
const PURE: &[&str] = &[
    "roboppi-board",
    "roboppi-ingest",
    "roboppi-hosts",
    "roboppi-ipc",
    "roboppi-redact",
    "roboppi-run",
    "roboppi-stats",
    "roboppi-untrusted",
    "roboppi-workflow",
    "roboppi-worker-adapters",
];

/// What a pure crate has no use for.
const ACTING: &[&str] = &["tokio", "tokio-util", "nix", "rustix", "libc", "tempfile", "crossterm", "jiff"];

/// Tools of the repository. Nothing that is released uses them.
const TOOLS: &[&str] = &["xtask", "roboppi-benches", "roboppi-terminal", "roboppi-real-agents"];

pub(crate) struct Package {
    name: String,
    pub(crate) dir: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    dev: bool,
    optional: bool,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        dev: value["kind"] == "dev",
        optional: value["optional"] == true,
    };
    let package = |value: &Value| Package {
        name: text(&value["name"]),
        dir: Path::new(value["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
        dependencies: value["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
    };
    let packages: Vec<_> = metadata["packages"].as_array().unwrap().iter().map(package).collect();
    packages.into_iter().map(|package| (package.name.clone(), package)).collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Files below `dir` with the extension, without build output and packages of other projects.
pub(crate) fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || path == root().join("target") || path.ends_with("node_modules") {
            continue;
        } else if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_crate_has_its_layer() {
    let mut expected: Vec<_> = LAYERS.iter().copied().flatten().chain(TOOLS).copied().collect();
    expected.sort_unstable();
    let found: Vec<_> = packages().into_keys().collect();
    assert_eq!(
        found, expected,
        "a crate that comes or goes needs a place in LAYERS, and a word in ARCHITECTURE.md"
    );
}

#[test]
fn crates_use_only_those_of_lower_layers() {
    let packages = packages();
    let mut wrong = Vec::new();
    for package in packages.values().filter(|package| !TOOLS.contains(&package.name.as_str())) {
        for used in package.dependencies.iter().filter(|used| !used.dev) {
            let arrow = format!("{} -> {}", package.name, used.name);
            if TOOLS.contains(&used.name.as_str()) {
                wrong.push(format!("{arrow}: a tool of the repository is for tests only"));
            } else if packages.contains_key(&used.name) && layer(&used.name) >= layer(&package.name) {
                wrong.push(arrow);
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn views_do_not_see_the_processes_they_show() {
    let packages = packages();
    for view in ["roboppi-tui", "roboppi-report"] {
        for used in &packages[view].dependencies {
            assert!(
                !["roboppi-supervisor", "roboppi-core", "roboppi-process"].contains(&used.name.as_str()),
                "{view} uses {}; a view reads a run through roboppi-attach",
                used.name
            );
        }
    }
}

#[test]
fn pure_crates_do_nothing() {
    let packages = packages();
    for name in PURE {
        let package = &packages[*name];
        for used in package.dependencies.iter().filter(|used| !used.dev) {
            let allowed = *name == "roboppi-ipc" && used.name == "tokio" && used.optional;
            assert!(
                allowed || !ACTING.contains(&used.name.as_str()),
                "{name} is pure and has no use for {}",
                used.name
            );
        }
        let rules = fs::read_to_string(package.dir.join("clippy.toml")).unwrap_or_default();
        for rule in ["disallowed-methods", "disallowed-types", "std::time::Instant::now", "std::fs::File"] {
            assert!(rules.contains(rule), "{name}/clippy.toml does not forbid: {rule}");
        }
    }
}

#[test]
fn every_crate_says_what_it_is() {
    for package in packages().values() {
        let mut entries = ["src/lib.rs", "src/main.rs"].map(|entry| package.dir.join(entry)).to_vec();
        entries.retain(|entry| entry.exists());
        assert!(!entries.is_empty(), "{} has no entry", package.name);
        for entry in entries {
            let text = fs::read_to_string(&entry).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with what it is for", entry.display());
        }
        let manifest = fs::read_to_string(package.dir.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}
