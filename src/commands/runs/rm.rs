//! `roboppi runs rm`: removes runs by name.

use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::RunSummary;
use roboppi_record::StateRoot;
use roboppi_report::units::bytes;

use crate::commands::runs::forget;
use crate::commands::{completion, out, record};
use crate::exit::Failure;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The runs: handles such as r17, ids, or unique prefixes of them
    #[arg(required = true, value_name = "RUN", add = ArgValueCompleter::new(completion::runs))]
    runs: Vec<String>,
    /// Remove a run although it is pinned, or later runs have the logs of their kept steps in it
    #[arg(long)]
    force: bool,
}

/// Removes them all, or none when one must stay.
pub(super) fn remove(root: &StateRoot, args: &RmArgs) -> Result<ExitCode, Failure> {
    let all = RunSummary::all(root, record::now()).map_err(Failure::own)?;
    let mut gone: Vec<&RunSummary> = Vec::new();
    for text in &args.runs {
        let id = root.resolve(text).map_err(|error| record::unknown(root, &error))?;
        let found = all.iter().find(|run| run.id == id);
        let run = found.ok_or_else(|| Failure::usage(format!("the run {text} is gone")))?;
        if !gone.iter().any(|other| other.id == id) {
            gone.push(run);
        }
    }
    for run in &gone {
        may_go(run, &gone, &all, args.force)?;
    }
    let mut text = String::new();
    for run in gone {
        let size = run.local.run_dir().on_disk().unwrap_or_default();
        let removed = root.remove(&run.id);
        if let Err(error) = removed {
            let _ = out::print(&text);
            return Err(Failure::own(error));
        }
        text.push_str(&format!("removed {} ({})\n", named(run), bytes(size)));
    }
    forget(root);
    out::print(&text)
}

fn may_go(run: &RunSummary, gone: &[&RunSummary], all: &[RunSummary], force: bool) -> Result<(), Failure> {
    let name = named(run);
    if run.liveness.may_live() {
        return Err(Failure::refused(format!(
            "{name} is {}, and a live run is not removed\nhint: `roboppi cancel {} --wait` ends it",
            run.liveness.name(),
            run.short_name()
        )));
    }
    if !run.local.run_dir().is_of_this_user() {
        return Err(Failure::refused(format!("{name} belongs to another user")));
    }
    if force {
        return Ok(());
    }
    if run.pinned {
        return Err(Failure::refused(format!(
            "{name} is pinned\nhint: `roboppi runs unpin {}`, or --force",
            run.short_name()
        )));
    }
    let needs = |other: &&RunSummary| {
        other.origins.contains(&run.id) && !gone.iter().any(|going| going.id == other.id)
    };
    if let Some(later) = all.iter().find(needs) {
        return Err(Failure::refused(format!(
            "{name} has the logs of steps that {} kept\nhint: name both, or use --force",
            named(later)
        )));
    }
    Ok(())
}

/// A run by its handle and its workflow.
fn named(run: &RunSummary) -> String {
    let workflow = run.manifest.as_ref().map(|manifest| terminal::plain(&manifest.name)).unwrap_or_default();
    if workflow.is_empty() { run.short_name() } else { format!("{} {workflow}", run.short_name()) }
}
