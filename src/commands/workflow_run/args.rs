//! What `roboppi workflow run` is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::old::OldArgs;
use crate::commands::completion::{runs, workflow_steps};
use crate::commands::workflow_file::ReadArgs;
use crate::options::HowArgs;
use crate::options::values::{assignment, dollars, duration};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow file [default: roboppi.yaml]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// Value of an input of the workflow, such as `version=1.2`. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) input: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Budget of the run in US dollars, such as `20`: agents are terminated when it is spent [default: `max_cost` of the file]
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true, help_heading = "Limits")]
    pub(crate) max_cost: Option<f64>,
    /// Budget of the run in tokens: agents are terminated when it is spent [default: `max_tokens` of the file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub(crate) max_tokens: Option<u32>,
    #[command(flatten)]
    pub(crate) resume: ResumeArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    #[command(flatten)]
    pub(crate) old: OldArgs,
}

/// What of the workflow runs, and when the run ends.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Run only this step and the steps it depends on; with --resume, the step again and those of its dependencies that the
    /// earlier run cannot provide. May be repeated
    #[arg(long, value_name = "STEP", conflicts_with_all = ["from", "rerun_failed"], add = ArgValueCompleter::new(workflow_steps))]
    pub(crate) only: Vec<String>,
    /// Print the plan and run nothing: order, dependencies, workers and limits of the steps, or with --resume which would
    /// be kept
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Number of steps that run at the same time [default: `concurrency` of the file]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: Option<u32>,
    /// Time limit of the run, such as `30m` [default: `timeout` of the file]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Limits")]
    pub(crate) timeout: Option<Duration>,
    /// End the run with the first failure that is not allowed: running steps are terminated, and no other one starts
    #[arg(long, overrides_with = "keep_going")]
    pub(crate) fail_fast: bool,
    /// Run every step that does not depend on a failed one (the default)
    #[arg(long, overrides_with = "fail_fast")]
    pub(crate) keep_going: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Resuming")]
pub(crate) struct ResumeArgs {
    /// Resume a run: keep its unchanged successful steps, and run the others. Its handle such as r17, its id,
    /// a unique prefix of it, or -1 for the last run
    #[arg(long, value_name = "RUN", allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) resume: Option<String>,
    /// Resume the last run of this workflow: run the steps that did not succeed, and their dependents
    #[arg(long, conflicts_with = "resume")]
    pub(crate) rerun_failed: bool,
    /// Run this step and its dependents, whatever their state; of the last run of this workflow unless
    /// --resume names another. May be repeated
    #[arg(long, value_name = "STEP", add = ArgValueCompleter::new(workflow_steps))]
    pub(crate) from: Vec<String>,
    /// Run successful steps again that have changed
    #[arg(long)]
    pub(crate) accept_changes: bool,
    /// Resume a run whose liveness cannot be determined here. If it is alive, both runs write the same
    /// context directory, and steps are executed twice
    #[arg(long)]
    pub(crate) force: bool,
}

impl ResumeArgs {
    /// Whether there is an earlier run to go on with.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.resume.is_some() || self.rerun_failed || !self.from.is_empty()
    }
}
