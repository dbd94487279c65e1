//! `roboppi workflow list`

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use roboppi_attach::{RunSummary, SameFile};
use roboppi_report::workflows::{self, Listed};
use roboppi_workflow::{MAX_BYTES, Severity, WorkerKinds, document, parse_with};

use crate::commands::workflow_file::{is_workflow_name, use_colour};
use crate::commands::{out, record};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::Color;

/// Directories below the one that is listed, in the order of the list.
const PLACES: [&str; 4] = ["", "workflows", ".roboppi", ".roboppi/workflows"];

/// Files of a directory that are read.
const MOST: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Directory to look in, and in its workflows/, .roboppi/ and .roboppi/workflows/
    #[arg(value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

pub(crate) fn run(args: &ListArgs) -> Result<ExitCode, Failure> {
    let unreadable = |error: io::Error| {
        Failure::usage(format!("the directory {} cannot be read: {error}", args.dir.display()))
    };
    fs::read_dir(&args.dir).map_err(unreadable)?;
    let kinds = Cores::for_validation()?.kinds_for_validation();
    let now = record::now();
    let runs = record::state_root().and_then(|root| RunSummary::all(&root, now).ok()).unwrap_or_default();
    let files = PLACES.iter().flat_map(|place| files_in(&args.dir, place));
    let listed: Vec<Listed<'_>> = files.filter_map(|file| listed(file, &kinds, &runs)).collect();
    if args.json {
        return out::print(&workflows::array(&listed));
    }
    if listed.is_empty() {
        let dir = crate::terminal::plain(&args.dir.display().to_string());
        return out::print(&format!(
            "No workflow file in {dir}, its workflows/ or its .roboppi/. `roboppi init` writes a first one.\n"
        ));
    }
    out::print(&workflows::list(&listed, now, use_colour(args.color, io::stdout().is_terminal())))
}

/// The files of one place that have the name of a workflow, by their names.
fn files_in(dir: &Path, place: &str) -> Vec<PathBuf> {
    let is_here = dir == Path::new(".");
    let shown = if is_here { PathBuf::from(place) } else { dir.join(place) };
    let Ok(entries) = fs::read_dir(dir.join(place)) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut names: Vec<_> = names.filter(|name| name.to_str().is_some_and(is_workflow_name)).collect();
    names.sort_unstable();
    names.into_iter().take(MOST).map(|name| shown.join(name)).collect()
}

/// What of a file is listed; `None` when it is no workflow.
fn listed<'r>(file: PathBuf, kinds: &WorkerKinds, runs: &'r [RunSummary]) -> Option<Listed<'r>> {
    // A pipe may have no other end.
    let found = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let text = fs::read_to_string(&file).ok().filter(|_| found.len() <= MAX_BYTES as u64)?;
    let parsed = parse_with(&text, kinds);
    let content = match &parsed.workflow {
        Some(workflow) => Ok((workflow.name.clone(), workflow.steps.len())),
        None if is_meant_as_workflow(&text) => {
            let errors = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
            Err(errors + parsed.omitted)
        }
        None => return None,
    };
    let same = SameFile::as_file(&std::path::absolute(&file).unwrap_or_else(|_| file.clone()));
    let is_of_it =
        |run: &&RunSummary| run.manifest.as_ref().is_some_and(|manifest| same.is(&manifest.workflow_path()));
    Some(Listed { last: runs.iter().find(is_of_it), file, content })
}

/// Whether a file that is not valid is a workflow all the same: it has a map of steps, or could not be read and has the keys of one.
fn is_meant_as_workflow(text: &str) -> bool {
    match document(text) {
        Some(document) => document["steps"].is_object(),
        None => ["steps:", "version:"].iter().all(|key| text.lines().any(|line| line.starts_with(key))),
    }
}
