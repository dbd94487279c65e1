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

/// The command that does what another word, which is no command, asks for.
pub(super) fn command(error: &clap::Error, args: &[OsString]) -> Option<&'static str> {
    if error.kind() != clap::error::ErrorKind::InvalidSubcommand {
        return None;
    }
    Some(match args.get(1)?.to_str()? {
        "validate" | "check" | "lint" => "to validate a workflow: roboppi workflow validate",
        "status" => "the live runs: roboppi ps; the state of one: roboppi show",
        "stop" | "kill" => "to end a run: roboppi cancel",
        "rerun" | "resume" => "to resume a run: roboppi workflow run FILE --resume RUN",
        "rm" => "to remove a run: roboppi runs rm",
        _ => return None,
    })
}
