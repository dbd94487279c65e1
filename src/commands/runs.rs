//! `roboppi runs`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{LocalRun, RunSummary, Statistics};
use roboppi_record::{Kept, Reason, RecordError, Retention, StateRoot};
use roboppi_report::runs::{self, Pruned};

use crate::commands::completion;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::values::size;

mod list;
mod rm;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    #[command(flatten)]
    pub(crate) list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Remove runs by name; never a live one
    Rm(rm::RmArgs),
    /// Remove runs that are too old, too many, or too large together; never a live or a pinned one
    Prune(PruneArgs),
    /// Pin a run, so that it is never removed automatically
    Pin {
        /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
        #[arg(allow_hyphen_values = true, add = ArgValueCompleter::new(completion::runs))]
        run: String,
    },
    /// Unpin a run, so that it may be removed automatically
    Unpin {
        /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
        #[arg(allow_hyphen_values = true, add = ArgValueCompleter::new(completion::runs))]
        run: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Print the runs that would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Number of days to keep a run
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(crate) days: u32,
    /// Number of runs to keep
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) count: usize,
    /// Total size of all runs
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = size)]
    pub(crate) size: u64,
}

pub(crate) fn run(args: &RunsArgs) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    match &args.command {
        None => list::list(&root, &args.list),
        Some(RunsCommand::Rm(rm_args)) => rm::remove(&root, rm_args),
        Some(RunsCommand::Prune(prune_args)) => prune(&root, prune_args),
        Some(RunsCommand::Pin { run }) => pin(&root, run, true),
        Some(RunsCommand::Unpin { run }) => pin(&root, run, false),
    }
}

fn prune(root: &StateRoot, args: &PruneArgs) -> Result<ExitCode, Failure> {
    let day = Duration::from_secs(24 * 60 * 60);
    let retention = Retention { age: day.saturating_mul(args.days), count: args.count, bytes: args.size };
    let Expired { runs, of_others } = expired(root, &retention).map_err(Failure::own)?;
    let mut pruned = Pruned { of_others, dry_run: args.dry_run, ..Pruned::default() };
    let mut failed = None;
    for (run, reason) in runs {
        let removed = if args.dry_run { Ok(()) } else { root.remove(&run.id) };
        match removed {
            Ok(()) => {
                pruned.removed.0 += 1;
                pruned.removed.1 += run.bytes;
            }
            Err(error) => drop(failed.get_or_insert(error)),
        }
        pruned.expired.push((run, reason));
    }
    forget(root);
    out::print(&runs::pruned(&pruned))?;
    failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(Failure::own(error)))
}

/// Removes what statistics remember of runs that are gone.
pub(crate) fn forget(root: &StateRoot) {
    if root.is_of_this_user() {
        // The next statistics do it otherwise.
        let _ = Statistics::forget_removed(root);
    }
}

/// What [`expired`] found.
pub(crate) struct Expired {
    /// The runs that go, and why.
    pub(crate) runs: Vec<(Kept, Reason)>,
    /// Runs of other users, which neither go nor count.
    pub(crate) of_others: usize,
}

/// The runs of this user that go.
pub(crate) fn expired(root: &StateRoot, retention: &Retention) -> Result<Expired, RecordError> {
    let now = record::now();
    let (own, others): (Vec<_>, Vec<_>) =
        RunSummary::all(root, now)?.into_iter().partition(|run| run.local.run_dir().is_of_this_user());
    let kept = own.into_iter().map(|run| Kept {
        began: run.manifest.as_ref().map_or(now, |manifest| manifest.started_at),
        bytes: run.local.run_dir().on_disk().unwrap_or_default(),
        stays: run.pinned || run.liveness.may_live(),
        id: run.id,
        needs: run.origins,
    });
    Ok(Expired { runs: retention.expired(now, kept.collect()), of_others: others.len() })
}

fn pin(root: &StateRoot, text: &str, pinned: bool) -> Result<ExitCode, Failure> {
    let id = root.resolve(text).map_err(Failure::usage)?;
    root.open_run(&id).and_then(|run| run.pin(pinned)).map_err(Failure::own)?;
    let verb = if pinned { "is kept for good" } else { "may be removed when its time comes" };
    out::print(&format!(
        "{} {verb}\n",
        LocalRun::open(root, &id).map_or_else(|_| id.to_string(), |run| run.name())
    ))
}
