//! `roboppi guard`: runs a core of somebody else, of which nothing may be left either.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use roboppi_process::guard::{self, GuardKind, GuardSettings, Role};
use roboppi_process::inherited;

use crate::cli::GuardArgs;
use crate::exit::Failure;

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
