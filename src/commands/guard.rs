//! `roboppi guard`: runs a core of somebody else, of which nothing may be left either.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Args;
use roboppi_process::guard::{self, GuardKind, GuardSettings, Role};
use roboppi_process::inherited;

use crate::exit::Failure;
use crate::options::values::duration;

#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// Time between SIGTERM and SIGKILL for remaining processes
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time to read remaining output after that
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

pub(crate) fn run(args: &GuardArgs) -> Result<ExitCode, Failure> {
    let settings = GuardSettings { grace: args.grace, drain: args.drain, kind: GuardKind::Core };
    match guard::fork(settings).map_err(|error| Failure::infrastructure(format!("the guard: {error}")))? {
        Role::Guard(code) => Ok(ExitCode::from(code)),
        Role::Guarded(_) => {
            // It does not know that it would have to reap orphans; its guard does.
            guard::leave_orphans_to_the_guard();
            let (program, arguments) =
                args.command.split_first().ok_or_else(|| Failure::usage("no program"))?;
            let mut command = Command::new(program);
            inherited::give_back(command.args(arguments));
            let error = command.exec();
            Err(Failure::infrastructure(format!("{} cannot be started: {error}", program.display())))
        }
    }
}
