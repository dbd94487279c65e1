//! What `roboppi workflow run` is told.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::commands::completion::{runs, workflow_steps};
use crate::commands::workflow_file::ReadArgs;
use crate::options::HowArgs;
use crate::options::values::dollars;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow file [default: roboppi.yaml]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Budget of the run in US dollars, such as `20`: agents are terminated when it is spent [default: `max_cost` of the file]
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true)]
    pub(crate) max_cost: Option<f64>,
    /// Budget of the run in tokens: agents are terminated when it is spent [default: `max_tokens` of the file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    #[command(flatten)]
    pub(crate) resume: ResumeArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

#[derive(Debug, Args)]
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
    /// Print which steps would be kept and which would run, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl ResumeArgs {
    /// Whether there is an earlier run to go on with.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.resume.is_some() || self.rerun_failed || !self.from.is_empty()
    }
}
