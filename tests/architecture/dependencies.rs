//! Licences and sources of all dependencies are among those that `deny.toml` accepts, by the metadata that cargo has of them.
//! `cargo deny` finds more, with a program that is not installed everywhere and with lists that change without a change here.

use std::fs;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};
use toml_edit::DocumentMut;

use crate::root;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

struct Accepted {
    licences: Vec<String>,
    banned: Vec<String>,
}

impl Accepted {
    fn of_deny_toml() -> Self {
        let text = fs::read_to_string(root().join("deny.toml")).unwrap();
        let document: DocumentMut = text.parse().unwrap();
        let licences = document["licenses"]["allow"].as_array().unwrap();
        let banned = document["bans"]["deny"].as_array_of_tables().unwrap();
        Self {
            licences: licences.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            banned: banned.iter().map(|table| table["crate"].as_str().unwrap().to_owned()).collect(),
        }
    }

    fn licence(&self, requirement: &LicenseReq) -> bool {
        self.licences.contains(&requirement.to_string())
    }

    /// What is wrong with a package; nothing of a package of the workspace.
    fn objection(&self, package: &Value) -> Option<String> {
        let source = package["source"].as_str()?;
        let name = package["name"].as_str().unwrap();
        if source != REGISTRY {
            return Some(format!("{name} comes from {source}"));
        }
        if self.banned.iter().any(|banned| banned == name) {
            return Some(format!("{name} is banned by deny.toml"));
        }
        let Some(licence) = package["license"].as_str() else {
            return Some(format!("{name} states no licence"));
        };
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) if expression.evaluate(|requirement| self.licence(requirement)) => None,
            Ok(_) => Some(format!("{name} has the licence {licence}, which deny.toml does not accept")),
            Err(error) => Some(format!("{name} has the licence {licence}: {error}")),
        }
    }
}

#[test]
fn licences_and_sources_of_dependencies_are_accepted() {
    let accepted = Accepted::of_deny_toml();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--locked", "--format-version", "1", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let objections: Vec<String> = packages.iter().filter_map(|package| accepted.objection(package)).collect();
    assert!(packages.len() > 100, "only {} packages were looked at", packages.len());
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn what_is_not_accepted_is_named() {
    let accepted = Accepted::of_deny_toml();
    let package = |name: &str, licence: &str, source: &str| {
        accepted.objection(&serde_json::json!({ "name": name, "license": licence, "source": source }))
    };
    assert_eq!(package("one", "MIT OR GPL-3.0-only", REGISTRY), None);
    assert!(package("two", "MIT AND GPL-3.0-only", REGISTRY).unwrap().contains("GPL-3.0-only"));
    assert!(package("three", "MIT", "git+https://example.org/three").unwrap().contains("example.org"));
    assert!(package("openssl", "MIT", REGISTRY).unwrap().contains("banned"));
}
