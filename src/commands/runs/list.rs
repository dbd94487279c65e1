//! `roboppi runs`: which runs are listed, and how.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use roboppi_attach::{Forecasts, Liveness, RunSummary, SameFile};
use roboppi_record::StateRoot;
use roboppi_report::runs::{self, FlakySteps, ListStyle};
use roboppi_run::RunOutcome;

use crate::commands::workflow_file::use_colour;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::Color;
use crate::options::moment::{Moment, moment};
use crate::terminal;

/// Rows of the table, unless another number is asked for.
const ROWS: usize = 20;

/// Runs that are read for --flaky, unless another number is asked for.
const READ: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Maximum number of runs; 0 for all [default: 20, and all with --json]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Only runs in this state. May be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<State>,
    /// Only runs of this workflow: its name, or its file
    #[arg(long, value_name = "NAME|FILE")]
    workflow: Option<String>,
    /// Only runs in this workspace
    #[arg(short = 'w', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    workspace: Option<PathBuf>,
    /// Only runs that began since a duration ago, such as `7d`, or a time, such as `2026-01-31`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only runs that began before a duration ago, such as `30d`, or a time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<Moment>,
    /// List the steps of these runs that succeeded on a retry only, and how often; of the last 200 unless --limit has
    /// another number
    #[arg(long, conflicts_with = "long")]
    flaky: bool,
    /// Print full run ids and workspaces, whatever the width of the terminal
    #[arg(short = 'l', long)]
    long: bool,
    /// Print a JSON array
    #[arg(long, conflicts_with = "long")]
    json: bool,
}

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Running,
    Succeeded,
    Failed,
    Cancelled,
    #[value(name = "timed_out", alias = "timed-out")]
    TimedOut,
    Lost,
    Elsewhere,
}

impl State {
    fn is(self, liveness: Liveness) -> bool {
        match self {
            Self::Running => liveness == Liveness::Live,
            Self::Succeeded => liveness == Liveness::Finished(RunOutcome::Succeeded),
            Self::Failed => liveness == Liveness::Finished(RunOutcome::Failed),
            Self::Cancelled => liveness == Liveness::Finished(RunOutcome::Cancelled),
            Self::TimedOut => liveness == Liveness::Finished(RunOutcome::TimedOut),
            Self::Lost => matches!(liveness, Liveness::Lost | Liveness::Finished(RunOutcome::Lost)),
            Self::Elsewhere => matches!(liveness, Liveness::Elsewhere { .. }),
        }
    }
}

pub(super) fn list(root: &StateRoot, args: &ListArgs) -> Result<ExitCode, Failure> {
    let now = record::now();
    let mut runs = RunSummary::all(root, now).map_err(Failure::own)?;
    let any = !runs.is_empty();
    let filter = Filter::of(args);
    runs.retain(|run| filter.takes(run));
    if args.flaky {
        return flaky(&runs, args);
    }
    let limit = args.limit.unwrap_or(if args.json { 0 } else { ROWS });
    let all = runs.len();
    if limit > 0 {
        runs.truncate(limit);
    }
    if args.json {
        let mut forecasts = Forecasts::of(root.clone());
        let with_progress = |run: RunSummary| {
            let progress = run.progress(&mut forecasts, now);
            (run, progress)
        };
        let runs: Vec<_> = runs.into_iter().map(with_progress).collect();
        return out::print(&runs::array(&runs, now));
    }
    if runs.is_empty() && any {
        return out::print("No run matches.\n");
    }
    let on_terminal = io::stdout().is_terminal();
    let style = ListStyle {
        colour: use_colour(Color::Auto, on_terminal),
        width: if args.long { None } else { terminal::width() },
        home: env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute() && !args.long),
        long: args.long,
        hidden: all - runs.len(),
    };
    out::print(&runs::list(&runs, now, &style))
}

/// Prints the flaky steps of runs.
fn flaky(runs: &[RunSummary], args: &ListArgs) -> Result<ExitCode, Failure> {
    let limit = Some(args.limit.unwrap_or(READ)).filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let mut steps = FlakySteps::default();
    for run in runs.iter().take(limit) {
        // What is wrong with a run that cannot be read, the list of runs reports.
        if let Ok(view) = run.local.record().view() {
            steps.add(run, &view);
        }
    }
    out::print(&if args.json { steps.array() } else { steps.list(record::now()) })
}

/// Which runs are listed.
struct Filter<'a> {
    args: &'a ListArgs,
    file: Option<SameFile>,
    workspace: Option<SameFile>,
}

impl<'a> Filter<'a> {
    fn of(args: &'a ListArgs) -> Self {
        Self {
            args,
            file: args.workflow.as_ref().map(|name| SameFile::as_file(Path::new(name))),
            workspace: args.workspace.as_deref().map(SameFile::as_file),
        }
    }

    fn takes(&self, run: &RunSummary) -> bool {
        let Self { args, file, workspace } = self;
        let manifest = run.manifest.as_ref();
        let is = |takes: &dyn Fn(&roboppi_run::Manifest) -> bool| manifest.is_some_and(takes);
        let now = record::now();
        let named = |name: &String| {
            let same_file = |path: &Path| file.as_ref().is_some_and(|file| file.is(path));
            is(&|manifest| manifest.name == *name || same_file(&manifest.workflow_path()))
        };
        (args.state.is_empty() || args.state.iter().any(|state| state.is(run.liveness)))
            && args.workflow.as_ref().is_none_or(named)
            && workspace.as_ref().is_none_or(|place| is(&|manifest| place.is(&manifest.workspace_path())))
            && args.since.is_none_or(|since| is(&|manifest| manifest.started_at >= since.before(now)))
            && args.before.is_none_or(|before| is(&|manifest| manifest.started_at < before.before(now)))
    }
}
