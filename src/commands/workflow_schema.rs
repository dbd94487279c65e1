//! `roboppi workflow schema`

use std::process::ExitCode;

use clap::Args;

use crate::commands::out;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  roboppi workflow schema > workflow.schema.json
  # yaml-language-server: $schema=workflow.schema.json     first line of a workflow, for editors")]
pub(crate) struct SchemaArgs {}

pub(crate) fn run(_: &SchemaArgs) -> Result<ExitCode, Failure> {
    out::print(&format!("{:#}\n", roboppi_workflow::schema()))
}
