//! `roboppi workflow validate`

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::ValidateArgs;
use crate::commands::workflow_file;
use crate::exit::Failure;
use crate::terminal::plain;

pub(crate) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let file = workflow_file::read(&args.file, args.strict, args.color)?;
    let count = file.workflow.steps.len();
    let steps = if count == 1 { "step" } else { "steps" };
    // That nobody reads it does not make the file wrong.
    let _ = writeln!(io::stdout().lock(), "{}: ok, {count} {steps}", plain(&args.file.display().to_string()));
    Ok(ExitCode::SUCCESS)
}
