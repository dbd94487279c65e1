//! `roboppi workflow graph`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use roboppi_report::graph;
use roboppi_workflow::expand;

use crate::commands::out;
use crate::commands::workflow_file::{self, ReadArgs};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::Color;
use crate::terminal;

/// Columns of the text, when stdout is no terminal.
const WIDTH: usize = 100;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  roboppi workflow graph build.yaml
  roboppi workflow graph build.yaml --format dot | dot -Tsvg > build.svg
  roboppi workflow graph build.yaml --format mermaid      for a ```mermaid block of Markdown")]
pub(crate) struct GraphArgs {
    /// The workflow file [default: roboppi.yaml]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    /// Format of the graph
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    format: GraphFormat,
    /// When to use colours in messages about the file
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// Stages below one another, each with its steps and what they wait for
    Text,
    /// A digraph for Graphviz
    Dot,
    /// A flowchart for Mermaid
    Mermaid,
    /// An object with the steps and the edges
    Json,
}

pub(crate) fn run(args: &GraphArgs) -> Result<ExitCode, Failure> {
    let kinds = Cores::for_validation()?.kinds_for_validation();
    let file = workflow_file::named_or_default(args.file.as_deref())?;
    let workflow = workflow_file::read(&file, &args.reading, args.color, &kinds)?.workflow;
    let plan = expand(&workflow);
    let name = &workflow.name;
    out::print(&match args.format {
        GraphFormat::Text => graph::text(name, &plan, terminal::width().unwrap_or(WIDTH)),
        GraphFormat::Dot => graph::dot(name, &plan),
        GraphFormat::Mermaid => graph::mermaid(&plan),
        GraphFormat::Json => graph::object(name, &plan),
    })
}
