//! The roboppi command line: arguments become settings, settings become calls, results become exit codes.

use std::process::ExitCode;

mod cli;
mod commands;
mod completion;
mod exit;
mod programs;
mod runtime;
mod stdio;
mod terminal;

use cli::{Cli, Command, WorkflowCommand};

/// No runtime and no thread exists before a command makes one.
fn main() -> ExitCode {
    roboppi_process::inherited::settle();
    completion::answer_shell();
    let invocation = match Cli::from_process() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let result = match invocation.command {
        Command::Workflow { command: WorkflowCommand::Run(args) } => commands::workflow_run::run(&args),
        Command::Workflow { command: WorkflowCommand::Validate(args) } => {
            commands::workflow_validate::run(&args)
        }
        Command::Completions(args) => commands::completions::run(&args),
        Command::Run(args) => commands::agent_run::run(&args),
        Command::Workers(args) => commands::workers::run(&args),
        Command::Core(args) => commands::core::run(&args),
        Command::Guard(args) => commands::guard::run(&args),
        Command::Attach(args) => commands::attach::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Cancel(args) => commands::control::cancel(&args),
        Command::Retry(args) => commands::control::retry(&args),
        Command::Skip(args) => commands::control::skip(&args),
        Command::Logs(args) => commands::logs::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Events(args) => commands::events::run(&args),
        Command::Runs(args) => commands::runs::run(&args),
        Command::Mask(args) => commands::mask::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Import(args) => commands::import::run(&args),
    };
    result.unwrap_or_else(exit::Failure::report)
}
