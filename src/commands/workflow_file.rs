//! Reads a workflow file and says what is wrong with it.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use roboppi_supervisor::WorkflowFile;
use roboppi_workflow::{MAX_BYTES, parse};

use crate::cli::Color;
use crate::exit::Failure;
use crate::terminal;

/// Reads a workflow; every mistake and warning goes to stderr.
pub(crate) fn read(path: &Path, strict: bool, color: Color) -> Result<WorkflowFile, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the workflow file {} cannot be read: {error}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if size.is_dir() {
        return Err(unreadable(&"it is a directory"));
    }
    if size.len() > MAX_BYTES as u64 {
        return Err(unreadable(&format!("it has {} bytes, {MAX_BYTES} are allowed", size.len())));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(&format!("line {line} is not UTF-8"))
    })?;
    let absolute = std::path::absolute(path).map_err(|error| unreadable(&error))?;

    let mut parsed = parse(&text);
    if strict {
        parsed = parsed.deny_warnings();
    }
    if !parsed.diagnostics.is_empty() {
        let colour = use_colour(color, io::stderr().is_terminal());
        terminal::say_rendered(parsed.render(&path.display().to_string(), &text, colour));
    }
    match parsed.workflow {
        Some(workflow) => Ok(WorkflowFile { path: absolute, text, workflow }),
        None => Err(Failure::usage(format!("{} is not a workflow that can run", path.display()))),
    }
}

/// Whether to use colours on a stream.
pub(crate) fn use_colour(color: Color, is_terminal: bool) -> bool {
    use roboppi_supervisor::sinks::style::{self, ColourChoice, ColourVariables};

    let choice = match color {
        Color::Auto => ColourChoice::Auto,
        Color::Always => ColourChoice::Always,
        Color::Never => ColourChoice::Never,
    };
    let variables = ColourVariables::read(|name| std::env::var(name).ok());
    style::use_colour(choice, &variables, is_terminal)
}
