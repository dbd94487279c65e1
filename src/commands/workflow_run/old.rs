//! Options of the existing program.

use std::env;
use std::time::Duration;

use clap::Args;

use crate::exit::Failure;
use crate::options::values::LegacyDuration;
use crate::terminal;

/// The variable of the existing program that protects branches.
const PROTECTED: &str = "ROBOPPI_PROTECTED_BRANCHES";

/// Options of the existing program, as far as they ask for nothing that is new.
#[derive(Debug, Args)]
pub(crate) struct OldArgs {
    #[arg(long, hide = true, value_name = "BRANCH")]
    base_branch: Option<String>,
    #[arg(long, hide = true, value_name = "BRANCHES")]
    protected_branches: Option<String>,
    /// Nothing is protected, so there is nothing to allow.
    #[arg(long, hide = true)]
    allow_protected_branch: bool,
    #[arg(long, hide = true, value_name = "FILE")]
    agents: Vec<String>,
    #[arg(long, hide = true, overrides_with = "no_keepalive")]
    keepalive: bool,
    #[arg(long, hide = true, overrides_with = "keepalive")]
    no_keepalive: bool,
    #[arg(long, hide = true, value_name = "DURATION", value_parser = interval)]
    keepalive_interval: Option<Duration>,
}

/// A duration. The existing program takes milliseconds here, too.
fn interval(text: &str) -> Result<Duration, String> {
    LegacyDuration::parse(text).map(|duration| duration.time)
}

impl OldArgs {
    /// Refuses what cannot be done, and warns of what has no effect.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.agents.is_empty() {
            return Err(Failure::usage("--agents: agent catalogs are not supported yet")
                .hint("write `worker`, `model` and `instructions` into the steps"));
        }
        let is_set = || env::var_os(PROTECTED).is_some_and(|value| !value.is_empty());
        let asked = match (&self.base_branch, &self.protected_branches) {
            _ if self.allow_protected_branch => None,
            (_, Some(_)) => Some("--protected-branches"),
            (Some(_), None) => Some("--base-branch"),
            (None, None) => is_set().then_some(PROTECTED),
        };
        if let Some(asked) = asked {
            terminal::note(&format!(
                "roboppi: warning: {asked} has no effect: branches are not protected, steps work on whatever is checked out"
            ));
        }
        Ok(())
    }

    /// How long lines may be silent, when that is asked for.
    pub(super) const fn heartbeat(&self) -> Option<Duration> {
        if self.no_keepalive { Some(Duration::ZERO) } else { self.keepalive_interval }
    }
}
