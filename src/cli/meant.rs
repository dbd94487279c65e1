//! What a command line that is wrong was meant to be.

use std::ffi::OsString;

use crate::commands::workflow_file::is_workflow_name;

/// The workflow file that was given in the place of a command, or to `roboppi run`.
pub(super) fn workflow(error: &clap::Error, args: &[OsString]) -> Option<String> {
    use clap::error::ErrorKind::{InvalidSubcommand, MissingRequiredArgument, UnknownArgument};

    let first = args.get(1)?.to_str()?;
    match error.kind() {
        InvalidSubcommand => Some(first).filter(|word| is_workflow_name(word)),
        MissingRequiredArgument | UnknownArgument if first == "run" => {
            args[2..].iter().filter_map(|word| word.to_str()).find(|word| is_workflow_name(word))
        }
        _ => None,
    }
    .map(str::to_owned)
}
