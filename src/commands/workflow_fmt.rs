//! `roboppi workflow fmt`

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use roboppi_report::diff;
use roboppi_workflow::{WorkerKinds, format};
use tempfile::NamedTempFile;

use crate::commands::out;
use crate::commands::workflow_file::{self, ReadArgs, use_colour};
use crate::cores::Cores;
use crate::exit::{self, Failure};
use crate::options::Color;
use crate::terminal::{note, plain};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0; 1 with --check if a file would change; 2 if a file is invalid, and is left as it is"
)]
pub(crate) struct FmtArgs {
    /// The workflow files; - formats stdin to stdout [default: roboppi.yaml]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    /// Change nothing, and exit with 1 if a file would change
    #[arg(long)]
    check: bool,
    /// Change nothing, and print what would change as a unified diff
    #[arg(long)]
    diff: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Unchanged,
    Changed,
    Refused,
}

pub(crate) fn run(args: &FmtArgs) -> Result<ExitCode, Failure> {
    let kinds = Cores::for_validation()?.kinds_for_validation();
    let files =
        if args.files.is_empty() { vec![workflow_file::named_or_default(None)?] } else { args.files.clone() };
    let mut outcomes = Vec::new();
    for file in &files {
        outcomes.push(one(file, args, &kinds)?);
    }
    let count = |outcome: Outcome| outcomes.iter().filter(|found| **found == outcome).count();
    let refused = count(Outcome::Refused);
    if refused > 0 {
        let what = if files.len() == 1 { "the file was" } else { "files were" };
        let number = if files.len() == 1 { String::new() } else { format!("{refused} of {} ", files.len()) };
        return Err(Failure::usage(format!("{number}{what} not formatted")));
    }
    let differ = args.check && count(Outcome::Changed) > 0;
    Ok(if differ { ExitCode::from(exit::REFUSED) } else { ExitCode::SUCCESS })
}

fn one(file: &Path, args: &FmtArgs, kinds: &WorkerKinds) -> Result<Outcome, Failure> {
    let loaded = match workflow_file::load(file, &args.reading) {
        Ok(loaded) => loaded,
        Err(failure) => {
            let _ = failure.report();
            return Ok(Outcome::Refused);
        }
    };
    let checked = loaded.parse_alone(&args.reading, kinds);
    if checked.parsed.workflow.is_none() {
        loaded.print_problems(&checked, args.color);
        return Ok(Outcome::Refused);
    }
    let formatted = match format(loaded.text()) {
        Ok(formatted) => formatted,
        Err(error) => {
            note(&format!("{}: left as it is: {error}", loaded.name));
            return Ok(Outcome::Refused);
        }
    };
    let outcome = if formatted == loaded.text() { Outcome::Unchanged } else { Outcome::Changed };
    let is_stdin = file.as_os_str() == "-";
    if args.diff {
        let colour = use_colour(args.color, io::stdout().is_terminal());
        out::print(&diff::unified(&loaded.name, loaded.text(), &formatted, colour))?;
    } else if args.check {
        if outcome == Outcome::Changed {
            out::print(&format!("{}: would be formatted\n", plain(&loaded.name)))?;
        }
    } else if is_stdin {
        out::print(&formatted)?;
    } else if outcome == Outcome::Changed {
        replace(file, loaded.text(), &formatted)
            .map_err(|error| Failure::own(format!("{} cannot be written: {error}", loaded.name)))?;
        out::print(&format!("{}: formatted\n", plain(&loaded.name)))?;
    }
    Ok(outcome)
}

/// Puts a text in place of a file: the old one is there until the new one is whole. A link stays one, and mode and owner stay.
fn replace(file: &Path, read: &str, text: &str) -> io::Result<()> {
    let place = fs::canonicalize(file)?;
    let old = fs::metadata(&place)?;
    if !old.is_file() {
        return Err(io::Error::other("it is no regular file; `-` formats stdin to stdout"));
    }
    let dir = place.parent().unwrap_or_else(|| Path::new("/"));
    let mut made = NamedTempFile::new_in(dir)?;
    made.write_all(text.as_bytes())?;
    // Only root can give a file away; to its own user nobody has to.
    let ours = made.as_file().metadata()?;
    if (ours.uid(), ours.gid()) != (old.uid(), old.gid()) {
        chown(made.path(), Some(old.uid()), Some(old.gid()))?;
    }
    made.as_file().set_permissions(old.permissions())?;
    made.as_file().sync_all()?;
    if fs::read(&place)? != read.as_bytes() {
        return Err(io::Error::other("it was changed meanwhile; format it again"));
    }
    made.persist(&place).map(drop).map_err(|error| error.error)
}
