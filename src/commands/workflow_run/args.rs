//! What `roboppi workflow run` is told.

use std::path::PathBuf;

use clap::Args;

use crate::options::HowArgs;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// Treat warnings about the workflow file as errors
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) resume: ResumeArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Go on with a run: keep steps that succeeded and are still what they were, run the others. Its id, the beginning of it, or
    /// -1 for the last run
    #[arg(long, value_name = "RUN", allow_negative_numbers = true)]
    pub(crate) resume: Option<String>,
    /// Go on with the last run of this workflow: run what did not succeed, and what depends on it
    #[arg(long, conflicts_with = "resume")]
    pub(crate) rerun_failed: bool,
    /// Run this step and what depends on it, whatever their state; of the last run of this workflow unless --resume says
    /// which. May be given several times
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Vec<String>,
    /// Run steps again that had succeeded and are not what they were
    #[arg(long)]
    pub(crate) accept_changes: bool,
    /// Go on with a run of which it cannot be told from here whether it still lives. If it does, both runs write the same context
    /// directory, and steps are done twice
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
