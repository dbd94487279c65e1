//! `roboppi workflow validate`

use std::process::ExitCode;

use crate::cli::ValidateArgs;
use crate::commands::{out, workflow_file};
use crate::exit::Failure;
use crate::terminal::plain;

pub(crate) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let file = workflow_file::read(&args.file, args.strict, args.color)?;
    let count = file.workflow.steps.len();
    let steps = if count == 1 { "step" } else { "steps" };
    // That nobody reads it does not make the file wrong; that it cannot be written is an error of its own.
    out::print(&format!("{}: ok, {count} {steps}\n", plain(&args.file.display().to_string())))
}
