//! What is printed instead of doing a command.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use roboppi_run::shell_word;

use crate::cli::meant;
use crate::commands::out;
use crate::commands::workflow_file::use_colour;
use crate::exit::{Failure, USAGE};
use crate::options::Color;
use crate::stdio;
use crate::terminal;

/// Prints what comes instead of a command: help and version that were asked for, or what is wrong.
pub(super) fn instead(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
    let is_terminal =
        if error.use_stderr() { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
    let text = error.render();
    let text = if use_colour(Color::Auto, is_terminal) { text.ansi().to_string() } else { text.to_string() };
    if !error.use_stderr() {
        return out::print(&text).unwrap_or_else(Failure::report);
    }
    // Who reads no errors has the exit code.
    let _ = stdio::stderr().write_all(text.as_bytes());
    if error.kind() == ErrorKind::InvalidUtf8 {
        for arg in args.iter().filter(|arg| arg.to_str().is_none()) {
            terminal::note(&format!("note: `{}` is not UTF-8", arg.as_encoded_bytes().escape_ascii()));
        }
    }
    if let Some(file) = meant::workflow(error, args) {
        terminal::note(&format!("hint: to run a workflow: roboppi workflow run {}", shell_word(&file)));
    }
    if let Some(hint) = meant::command(error, args) {
        terminal::note(&format!("hint: {hint}"));
    }
    ExitCode::from(code)
}
