//! Reads a workflow file and says what is wrong with it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;
use nix::sys::stat::{SFlag, fstat};
use roboppi_report::style::{self, ColourChoice, ColourVariables, StreamKind};
use roboppi_supervisor::WorkflowFile;
use roboppi_workflow::{Parsed, Severity, Sources, WorkerKinds, parse_within};

use crate::exit::Failure;
use crate::options::Color;
use crate::options::values::size;
use crate::terminal;

mod sources;

/// The file that is run when none is named.
pub(crate) const DEFAULT: &str = "roboppi.yaml";

/// The file to run: the one that is named, or else `roboppi.yaml` or `roboppi.yml` in the current directory.
pub(crate) fn named_or_default(file: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file.to_owned());
    }
    let found = [DEFAULT, "roboppi.yml"].into_iter().map(PathBuf::from).find(|file| file.exists());
    found.ok_or_else(|| {
        Failure::usage("no workflow file is named, and there is no roboppi.yaml here")
            .hint("`roboppi init` writes a first one")
    })
}

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

/// A file that may be a workflow.
pub(crate) struct Loaded {
    /// What to call it.
    pub(crate) name: String,
    path: PathBuf,
    text: String,
    most_bytes: usize,
}

impl Loaded {
    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Checks it as a workflow that may name these kinds of workers.
    pub(crate) fn parse(&self, how: &ReadArgs, kinds: &WorkerKinds) -> Checked {
        let (parsed, sources) = sources::parse(&self.name, &self.path, &self.text, self.most_bytes, kinds);
        Checked { parsed: judged(parsed, how), sources }
    }

    /// The same without the files it names.
    pub(crate) fn parse_alone(&self, how: &ReadArgs, kinds: &WorkerKinds) -> Checked {
        let parsed = judged(parse_within(&self.text, self.most_bytes, kinds), how);
        Checked { parsed, sources: Sources::new(self.name.as_str(), self.text.as_str()) }
    }

    /// Prints what is wrong with it on stderr, and how much that is.
    pub(crate) fn print_problems(&self, Checked { parsed, sources }: &Checked, color: Color) {
        if parsed.diagnostics.is_empty() {
            return;
        }
        let colour = use_colour_of_run(color, &io::stderr());
        terminal::print_rendered(parsed.render_sources(sources, colour));
        terminal::note(&format!("{}: {}", self.name, counted(parsed)));
    }
}

/// A file that was checked, with those it names.
pub(crate) struct Checked {
    pub(crate) parsed: Parsed,
    pub(crate) sources: Sources,
}

fn judged(parsed: Parsed, how: &ReadArgs) -> Parsed {
    if how.strict { parsed.deny_warnings() } else { parsed }
}

/// How many errors and warnings there are: `2 errors, 1 warning`.
pub(crate) fn counted(parsed: &Parsed) -> String {
    let count = |severity, noun: &str| {
        let count = parsed.diagnostics.iter().filter(|problem| problem.severity == severity).count();
        let ending = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {noun}{ending}"))
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
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
    let loaded = load(path, how)?;
    let checked = loaded.parse(how, kinds);
    loaded.print_problems(&checked, color);
    let Loaded { name, path, text, most_bytes } = loaded;
    match checked.parsed.workflow {
        Some(workflow) => Ok(WorkflowFile { path, text, most_bytes, workflow }),
        None => Err(Failure::usage(format!("{name} is not a workflow that can run"))),
    }
}

/// Reads a file, or the standard input for `-`, up to the size that is allowed.
pub(crate) fn load(path: &Path, how: &ReadArgs) -> Result<Loaded, Failure> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the workflow file {name} cannot be read: {error}"))
    };
    let path = if is_stdin { Path::new("/dev/stdin") } else { path };
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
    let path = std::path::absolute(path).map_err(|error| unreadable(&error))?;
    Ok(Loaded { name, path, text, most_bytes })
}

/// Whether a word looks like the name of a workflow file.
pub(crate) fn is_workflow_name(word: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
}

/// Whether to use colours on a stream.
pub(crate) fn use_colour(color: Color, is_terminal: bool) -> bool {
    colour_on(color, is_terminal.into())
}

/// The same of a stream that tells about a run as it goes on: the log of a CI system may have colours, too. A file has none.
pub(crate) fn use_colour_of_run<S: IsTerminal + AsFd>(color: Color, stream: &S) -> bool {
    let is_file = fstat(stream)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
    let in_ci = || style::ci_shows_colour(|name| std::env::var(name).ok());
    let kind = if stream.is_terminal() {
        StreamKind::Terminal
    } else if !is_file && in_ci() {
        StreamKind::CiLog
    } else {
        StreamKind::Other
    };
    colour_on(color, kind)
}

fn colour_on(color: Color, stream: StreamKind) -> bool {
    let choice = match color {
        Color::Auto => ColourChoice::Auto,
        Color::Always => ColourChoice::Always,
        Color::Never => ColourChoice::Never,
    };
    let variables = ColourVariables::read(|name| std::env::var(name).ok());
    style::use_colour(choice, &variables, stream)
}
