//! `roboppi completions`

use std::process::ExitCode;

use crate::cli::CompletionsArgs;
use crate::commands::out;
use crate::completion;
use crate::exit::Failure;

pub(crate) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let script = completion::script(args.shell.name()).map_err(Failure::own)?;
    out::print(&String::from_utf8_lossy(&script))
}
