//! The programs that steps run.

use roboppi_report::doctor::{Check, Health};

use super::Finding;
use crate::commands::workers;
use crate::programs::find;

const AREA: &str = "programs";

pub(super) fn look() -> Vec<Finding> {
    let mut checks = vec![
        program("bash", Health::Error, "commands of CUSTOM steps need it"),
        program("git", Health::Note, "without it a run does not record the commit of its workspace"),
    ];
    checks.extend(workers::probe_all().into_iter().map(|worker| {
        match (worker.path, worker.version) {
            (None, _) => Check::ok(AREA, &worker.name, "not installed").but(Health::Note, worker.install),
            (Some(path), Some(version)) => {
                Check::ok(AREA, &worker.name, format!("{version} at {}", path.display()))
            }
            (Some(path), None) => Check::ok(AREA, &worker.name, path.display().to_string())
                .but(Health::Warning, "it does not answer --version: try it by hand"),
        }
    }));
    checks.into_iter().map(Finding::from).collect()
}

fn program(name: &str, health: Health, need: &str) -> Check {
    match find(name) {
        Some(path) => Check::ok(AREA, name, path.display().to_string()),
        None => Check::ok(AREA, name, "not found in PATH").but(health, need),
    }
}
