//! `roboppi workflow validate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::commands::out;
use crate::commands::workflow_file::{self, ReadArgs};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::Color;
use crate::terminal::plain;

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

pub(crate) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let kinds = Cores::for_validation()?.kinds_for_validation();
    let file = workflow_file::read(&args.file, &args.reading, args.color, &kinds)?;
    let count = file.workflow.steps.len();
    let steps = if count == 1 { "step" } else { "steps" };
    // That nobody reads it does not make the file wrong; that it cannot be written is an error of its own.
    out::print(&format!("{}: ok, {count} {steps}\n", plain(&args.file.display().to_string())))
}
