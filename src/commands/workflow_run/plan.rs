//! The part of a workflow that runs, and its limits, from the command line.

use std::process::ExitCode;

use roboppi_report::plan;
use roboppi_workflow::{Workflow, expand};

use super::RunArgs;
use super::resume::selected;
use crate::commands::out;
use crate::exit::Failure;
use crate::options::Output;

/// Puts what the options say in place of what the file says, and leaves out the steps that are not asked for.
pub(super) fn set(args: &RunArgs, workflow: &mut Workflow) -> Result<(), Failure> {
    if let Some(concurrency) = args.plan.concurrency {
        workflow.concurrency = Some(concurrency);
    }
    if let Some(timeout) = args.plan.timeout {
        workflow.timeout = timeout;
    }
    if !args.plan.only.is_empty() {
        let steps = selected("--only", &args.plan.only, workflow)?;
        workflow.keep_only(&steps);
    }
    Ok(())
}

/// Prints what a run would do that begins with nothing.
pub(super) fn print(args: &RunArgs, workflow: &Workflow) -> Result<ExitCode, Failure> {
    let plan = expand(workflow);
    out::print(&match args.how.view.output() {
        Output::Json => plan::object(&workflow.name, &plan),
        Output::Text => plan::render(&workflow.name, &plan),
    })
}
