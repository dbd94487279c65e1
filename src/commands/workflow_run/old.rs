//! Options of the existing program.

use std::env::{self, VarError};
use std::time::Duration;

use clap::Args;
use roboppi_workflow::{BranchOptions, BranchSource, patterns};

use crate::exit::Failure;
use crate::options::values::LegacyDuration;
use crate::terminal::env_flag;

/// Variables that say what the options say.
const BASE: &str = "BASE_BRANCH";
const PROTECTED: &str = "ROBOPPI_PROTECTED_BRANCHES";
const ALLOW: &str = "ROBOPPI_ALLOW_PROTECTED_BRANCH";

/// Options of the existing program, as far as they ask for nothing that is new.
#[derive(Debug, Args)]
pub(crate) struct OldArgs {
    /// Branch or commit on which the work of the run is based [default: the current branch]
    #[arg(long, value_name = "BRANCH", help_heading = "Branches")]
    base_branch: Option<String>,
    /// Do not run on branches with these names, separated by commas, such as `main,release/*`
    #[arg(long, value_name = "BRANCHES", help_heading = "Branches")]
    protected_branches: Option<String>,
    /// Run on a protected branch nevertheless
    #[arg(long, help_heading = "Branches")]
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
    /// Refuses what cannot be done.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.agents.is_empty() {
            return Err(Failure::usage("--agents: agent catalogs are not supported yet")
                .hint("write `worker`, `model` and `instructions` into the steps"));
        }
        Ok(())
    }

    /// What these options, or else variables, say of branches.
    pub(super) fn branches(&self) -> Result<BranchOptions, Failure> {
        let variable = |name: &str| match env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
        };
        let given =
            |option: &Option<String>, name: &str| -> Result<(Option<String>, BranchSource), Failure> {
                Ok(match (option, variable(name)?) {
                    (Some(option), _) => (Some(option.clone()), BranchSource::Cli),
                    (None, Some(value)) => (Some(value), BranchSource::Env),
                    (None, None) => (None, BranchSource::Unsaid),
                })
            };
        let (base, base_source) = given(&self.base_branch, BASE)?;
        let (protected, protected_source) = given(&self.protected_branches, PROTECTED)?;
        Ok(BranchOptions {
            base,
            base_source,
            protected: protected.as_deref().map(patterns),
            protected_source,
            allow_protected: self.allow_protected_branch || env_flag(ALLOW) == Some(true),
        })
    }

    /// How long lines may be silent, when that is asked for.
    pub(super) const fn heartbeat(&self) -> Option<Duration> {
        if self.no_keepalive { Some(Duration::ZERO) } else { self.keepalive_interval }
    }
}
