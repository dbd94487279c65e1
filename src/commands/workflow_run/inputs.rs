//! The inputs of a workflow, from the command line and from the run that is resumed.

use std::collections::BTreeMap;

use roboppi_redact::MARKER;
use roboppi_workflow::Workflow;

use super::RunArgs;
use super::resume::EarlierRun;
use crate::exit::Failure;
use crate::terminal::plain;

/// Gives a workflow the values of the options, and those of the run that is resumed for the others.
pub(super) fn set(
    args: &RunArgs,
    workflow: &mut Workflow,
    earlier: Option<&EarlierRun>,
) -> Result<(), Failure> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in &args.input {
        if values.insert(name.clone(), value.clone()).is_some() {
            problems.push(format!("--input: `{}` is given twice", plain(name)));
        }
    }
    for (name, value) in earlier.into_iter().flat_map(EarlierRun::inputs) {
        // One that the workflow does not have any more is of no use.
        if !workflow.inputs.contains_key(name) || values.contains_key(name) {
            continue;
        }
        if value.contains(MARKER) {
            let run = earlier.map(EarlierRun::name).unwrap_or_default();
            problems.push(format!(
                "the input `{}` is masked in the record of run {run}: give it again with `--input {}=…`",
                plain(name),
                plain(name)
            ));
        } else {
            values.insert(name.clone(), value.clone());
        }
    }
    if problems.is_empty()
        && let Err(errors) = workflow.give(&values)
    {
        problems.extend(errors.iter().map(|error| plain(&error.to_string())));
    }
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::usage(one.clone())),
        [first, others @ ..] => {
            let lines = others.iter().map(|line| format!("\n       {line}")).collect::<String>();
            Err(Failure::usage(format!("{first}{lines}")))
        }
    }
}
