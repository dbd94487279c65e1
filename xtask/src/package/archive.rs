//! An archive to be unpacked anywhere.

use std::path::Path;
use std::process::Command;

use super::contents::Contents;
use super::output;
use super::target::Target;

/// What makes an archive of the same files the same, whoever makes it and when.
pub(super) const REPRODUCIBLE: [&str; 5] =
    ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];

pub(super) fn make(contents: &Contents, target: &Target, version: &str, made: &Path) -> Result<(), String> {
    let name = format!("roboppi-{version}-{}", target.triple);
    let mut tar = Command::new("tar");
    tar.args(REPRODUCIBLE).arg("--use-compress-program=gzip -n").arg("-cf");
    tar.arg(made.join(format!("{name}.tar.gz")));
    tar.arg(format!("--transform=s,^\\.,{name},")).arg("-C").arg(contents.dir()).arg(".");
    output(&mut tar).map(drop)
}
