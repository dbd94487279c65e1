//! Puts the agents into a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What is installed, and in which versions.
const MANIFEST: &str = include_str!("../package.json");

/// Installs what is not there in the wanted version, and returns the directory of the programs.
pub(crate) fn agents(folder: &Path, latest: bool) -> Result<PathBuf, String> {
    let in_words = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(in_words)?;
    let mut manifest: Value = serde_json::from_str(MANIFEST).map_err(|error| error.to_string())?;
    if latest {
        for version in manifest["dependencies"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            *version = "latest".into();
        }
    }
    let path = folder.join("package.json");
    let wanted = format!("{manifest:#}\n");
    let is_there = folder.join("node_modules/.bin/opencode").exists();
    if !is_there || latest || fs::read_to_string(&path).ok().as_deref() != Some(&wanted) {
        fs::write(&path, wanted).map_err(in_words)?;
        eprintln!("npm install in {}", folder.display());
        let status = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("cannot start npm: {error}"))?;
        if !status.success() {
            return Err(format!("`npm install` failed ({status})"));
        }
    }
    Ok(folder.join("node_modules/.bin"))
}

/// The version of a package that is installed.
pub(crate) fn version(folder: &Path, package: &str) -> String {
    let path = folder.join("node_modules").join(package).join("package.json");
    let manifest: Option<Value> =
        fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
    manifest
        .and_then(|manifest| manifest["version"].as_str().map(str::to_owned))
        .unwrap_or_else(|| "?".to_owned())
}
