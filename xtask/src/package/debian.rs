//! A package for Debian and its relatives.

use std::path::Path;
use std::process::Command;

use super::contents::Contents;
use super::target::Target;
use super::{copy, output, rights, write};
use crate::root;

pub(super) fn make(
    contents: &Contents,
    target: &Target,
    version: &str,
    tree: &Path,
    made: &Path,
) -> Result<(), String> {
    for (file, place) in [
        ("roboppi", "usr/bin/roboppi"),
        ("completions/roboppi.bash", "usr/share/bash-completion/completions/roboppi"),
        ("completions/_roboppi", "usr/share/zsh/vendor-completions/_roboppi"),
        ("completions/roboppi.fish", "usr/share/fish/vendor_completions.d/roboppi.fish"),
        ("README.md", "usr/share/doc/roboppi/README.md"),
        ("CHANGELOG.md", "usr/share/doc/roboppi/changelog"),
        ("LICENSE-APACHE", "usr/share/doc/roboppi/LICENSE-APACHE"),
        ("LICENSE-MIT", "usr/share/doc/roboppi/copyright"),
    ] {
        copy(&contents.path(file), &tree.join(place))?;
    }
    for page in contents.pages()? {
        copy(&contents.path(&format!("man/man1/{page}")), &tree.join(format!("usr/share/man/man1/{page}")))?;
    }
    for packed in ["usr/share/man", "usr/share/doc/roboppi/changelog"] {
        output(Command::new("gzip").args(["-rn9"]).arg(tree.join(packed)))?;
    }
    write(&tree.join("DEBIAN/control"), "")?;
    rights(tree)?;
    let sizes = output(Command::new("du").args(["-sk", "--apparent-size"]).arg(tree))?;
    let size = sizes.split_whitespace().next().unwrap_or("0").to_owned();
    write(&tree.join("DEBIAN/control"), control(target, version, &size)?)?;
    let file = made.join(format!("roboppi_{version}_{}.deb", target.debian));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "-z1", "--build"]).arg(tree).arg(file);
    // Otherwise its entries have the time at which they were made.
    build.env("SOURCE_DATE_EPOCH", "0");
    output(&mut build).map(drop)
}

fn control(target: &Target, version: &str, size: &str) -> Result<String, String> {
    // `0.2.0-rc.1` comes before `0.2.0`, which only a tilde tells dpkg.
    let version = version.replace('-', "~");
    let description = field("description")?;
    let depends = if target.is_static() { String::new() } else { format!("Depends: {}\n", glibc()?) };
    Ok(format!(
        "Package: roboppi\nVersion: {version}\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {size}\n\
         {depends}Recommends: git\nSection: devel\nPriority: optional\nDescription: {description}\n",
        target.debian,
        field("maintainer")?
    ))
}

/// A package of glibc as new as the one here.
fn glibc() -> Result<String, String> {
    let text = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    Ok(format!("libc6 (>= {})", text.trim().trim_start_matches("glibc ")))
}

/// A text of the manifest of the workspace.
pub(super) fn field(name: &str) -> Result<String, String> {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).map_err(|error| format!("Cargo.toml: {error}"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= \""));
    let value = line.and_then(|rest| rest.strip_suffix('"'));
    value.map(str::to_owned).ok_or_else(|| format!("Cargo.toml has no {name}"))
}
