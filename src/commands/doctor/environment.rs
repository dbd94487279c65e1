//! The system, and the configuration.

use std::env;

use nix::sys::resource::{Resource, getrlimit};
use roboppi_process::guard::become_subreaper;
use roboppi_report::doctor::{Check, Health};

use super::Finding;
use crate::config::{self, UserConfig};
use crate::cores::Cores;
use crate::exit::Failure;

const AREA: &str = "environment";

/// Open files that a run with many steps at a time needs.
const FILES: u64 = 1_024;

pub(super) fn look() -> Vec<Finding> {
    vec![version(), guard(), files(), configuration()].into_iter().map(Finding::from).collect()
}

fn version() -> Check {
    let program = env::current_exe().map(|program| program.display().to_string()).unwrap_or_default();
    Check::ok(AREA, "roboppi", format!("{} at {program}", env!("CARGO_PKG_VERSION")))
}

/// Whether the kernel has what ends every process of a run.
fn guard() -> Check {
    if become_subreaper() {
        return Check::ok(AREA, "guard", "orphans come to the guard of a run, and are ended by it");
    }
    let check = Check::ok(AREA, "guard", "this system gives orphans to its first process only");
    check.but(Health::Error, "processes that leave the session of their worker may outlive a run")
}

fn files() -> Check {
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map(|(_, hard)| hard).unwrap_or_default();
    let check = Check::ok(AREA, "open files", format!("at most {hard}"));
    if hard >= FILES { check } else { check.but(Health::Warning, "raise the hard limit: ulimit -Hn") }
}

fn configuration() -> Check {
    let name = config::file_name();
    let read = || Ok::<_, Failure>((Cores::for_validation()?, UserConfig::read()?));
    match read() {
        Ok((cores, user)) => {
            let kinds = if cores.are_all_ours() { 0 } else { cores.configured().len() };
            let parts = [(kinds, "worker kinds of other cores"), (user.config.notify.len(), "notifications")];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<String> = parts.map(|(count, what)| format!("{what}: {count}")).collect();
            let found = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
            Check::ok(AREA, "configuration", format!("{name}: {found}"))
        }
        Err(failure) => Check::ok(AREA, "configuration", name).but(Health::Error, failure.message()),
    }
}
