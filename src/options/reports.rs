//! Files about a run that are written at its end.

use std::path::PathBuf;

use clap::Args;

/// What is written at the end of a run, beside what is shown.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct ReportArgs {
    /// Write a JUnit XML report of the steps at the end of the run, however it ends; an existing file is replaced
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    /// Write a summary of the run as JSON at its end, however it ends; an existing file is replaced
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) summary_file: Option<PathBuf>,
    /// Append id, handle, outcome and the states of the steps to the file that GITHUB_OUTPUT names, as outputs of the step of
    /// GitHub Actions
    #[arg(long)]
    pub(crate) github_output: bool,
}
