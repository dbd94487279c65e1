//! Reads a workflow file and says what is wrong with it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use clap::Args;
use roboppi_supervisor::WorkflowFile;
use roboppi_workflow::{WorkerKinds, parse_within};

use crate::exit::Failure;
use crate::options::Color;
use crate::options::values::size;
use crate::terminal;

/// How a workflow file is read.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Treat warnings about the workflow file as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// Maximum size of the workflow file
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size)]
    pub(crate) max_file_size: u64,
}

/// Reads a workflow that may name these kinds of workers; every mistake and warning goes to stderr.
pub(crate) fn read(
    path: &Path,
    how: &ReadArgs,
    color: Color,
    kinds: &WorkerKinds,
) -> Result<WorkflowFile, Failure> {
    if path.as_os_str() == "-" {
        return Err(Failure::usage(
            "a workflow is read from a file\nhint: `/dev/stdin` is the standard input".to_owned(),
        ));
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the workflow file {} cannot be read: {error}", path.display()))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err(unreadable(&"it is a directory"));
    }
    // A pipe or a device does not say how much there is.
    let mut bytes = Vec::new();
    let most = how.max_file_size;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > most {
        let too_long = unreadable(&format!("it has more than the {most} bytes that are allowed"));
        return Err(too_long.hint("--max-file-size allows more"));
    }
    let most_bytes = usize::try_from(most).unwrap_or(usize::MAX);
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(&format!("line {line} is not UTF-8"))
    })?;
    let absolute = std::path::absolute(path).map_err(|error| unreadable(&error))?;

    let mut parsed = parse_within(&text, most_bytes, kinds);
    if how.strict {
        parsed = parsed.deny_warnings();
    }
    if !parsed.diagnostics.is_empty() {
        let colour = use_colour(color, io::stderr().is_terminal());
        terminal::print_rendered(parsed.render(&path.display().to_string(), &text, colour));
    }
    match parsed.workflow {
        Some(workflow) => Ok(WorkflowFile { path: absolute, text, most_bytes, workflow }),
        None => Err(Failure::usage(format!("{} is not a workflow that can run", path.display()))),
    }
}

/// Whether a word looks like the name of a workflow file.
pub(crate) fn is_workflow_name(word: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
}

/// Whether to use colours on a stream.
pub(crate) fn use_colour(color: Color, is_terminal: bool) -> bool {
    use roboppi_report::style::{self, ColourChoice, ColourVariables};

    let choice = match color {
        Color::Auto => ColourChoice::Auto,
        Color::Always => ColourChoice::Always,
        Color::Never => ColourChoice::Never,
    };
    let variables = ColourVariables::read(|name| std::env::var(name).ok());
    style::use_colour(choice, &variables, is_terminal)
}
