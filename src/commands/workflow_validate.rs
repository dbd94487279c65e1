//! `roboppi workflow validate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use roboppi_report::problems;
use roboppi_workflow::WorkerKinds;
use serde_json::Value;

use crate::commands::out;
use crate::commands::workflow_file::{self, Checked, ReadArgs};
use crate::cores::Cores;
use crate::exit::{self, Failure};
use crate::options::{Color, Output};
use crate::terminal::plain;

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The workflow files; - is stdin [default: roboppi.yaml]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Format of the output on stdout: text, or a JSON array with one object per file
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

pub(crate) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let kinds = Cores::for_validation()?.kinds_for_validation();
    let files =
        if args.files.is_empty() { vec![workflow_file::named_or_default(None)?] } else { args.files.clone() };
    match args.output {
        Output::Json => in_json(&files, args, &kinds),
        Output::Text => in_text(&files, args, &kinds),
    }
}

fn in_text(files: &[PathBuf], args: &ValidateArgs, kinds: &WorkerKinds) -> Result<ExitCode, Failure> {
    // A single file that cannot run is the failure of the command.
    if let [file] = files
        && file.as_os_str() != "-"
    {
        let read = workflow_file::read(file, &args.reading, args.color, kinds)?;
        return out::print(&fine(&file.display().to_string(), read.workflow.steps.len()));
    }
    let mut wrong = 0;
    for file in files {
        let loaded = match workflow_file::load(file, &args.reading) {
            Ok(loaded) => loaded,
            Err(failure) => {
                wrong += 1;
                let _ = failure.report();
                continue;
            }
        };
        let checked = loaded.parse(&args.reading, kinds);
        loaded.print_problems(&checked, args.color);
        match &checked.parsed.workflow {
            // That nobody reads it does not make the file wrong; that it cannot be written is an error of its own.
            Some(workflow) => drop(out::print(&fine(&loaded.name, workflow.steps.len()))?),
            None => wrong += 1,
        }
    }
    match (wrong, files.len()) {
        (0, _) => Ok(ExitCode::SUCCESS),
        (_, 1) => Err(Failure::usage("stdin is not a workflow that can run")),
        (wrong, all) => Err(Failure::usage(format!("{wrong} of {all} files are not workflows that can run"))),
    }
}

fn fine(name: &str, steps: usize) -> String {
    let noun = if steps == 1 { "step" } else { "steps" };
    format!("{}: ok, {steps} {noun}\n", plain(name))
}

/// Everything goes to stdout, as one document.
fn in_json(files: &[PathBuf], args: &ValidateArgs, kinds: &WorkerKinds) -> Result<ExitCode, Failure> {
    let files: Vec<Value> = files
        .iter()
        .map(|file| match workflow_file::load(file, &args.reading) {
            Ok(loaded) => {
                let Checked { parsed, sources } = loaded.parse(&args.reading, kinds);
                problems::object(&loaded.name, &parsed, &sources)
            }
            Err(failure) => problems::unreadable(&file.display().to_string(), &failure.message()),
        })
        .collect();
    let wrong = files.iter().any(|file| file["ok"] == false);
    let printed = out::print(&problems::array(files))?;
    Ok(if wrong { ExitCode::from(exit::USAGE) } else { printed })
}
