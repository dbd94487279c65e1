//! The roboppi command line: arguments become settings, settings become calls, results become exit codes.

use std::process::ExitCode;

mod cli;
mod clock;
mod commands;
mod config;
mod cores;
mod diagnostics;
mod exit;
mod http;
mod notify;
mod options;
mod programs;
mod runtime;
mod stdio;
mod telemetry;
mod terminal;
mod view;

use clap::CommandFactory as _;

use cli::Cli;

/// No runtime and no thread exists before a command makes one.
fn main() -> ExitCode {
    roboppi_process::inherited::settle();
    commands::completion::answer_shell(Cli::command);
    let invocation = match Cli::from_process() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    exit::code_of(|| invocation.command.run())
}
