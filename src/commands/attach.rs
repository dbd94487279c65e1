//! `roboppi attach`: a run in the views it has where it was started, from any process.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{FileSource, Liveness, LocalRun, RunFollower, RunSource};
use roboppi_report::{jsonl, plain};
use roboppi_run::RunStatus;
use roboppi_tui::{Colours, HoldPolicy, Role, TuiSettings};

use crate::commands::completion::runs;
use crate::commands::workflow_file::use_colour_of_run;
use crate::commands::{record, screen};
use crate::exit::{self, Failure};
use crate::options::WatchArgs;
use crate::stdio;
use crate::view::{self, View};

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// Exit with the exit code of the run, or with 3 if it is lost [default: 0, whatever the outcome]
    #[arg(long)]
    pub(crate) exit_status: bool,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

pub(crate) fn run(args: &AttachArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let title = title(&run, &args.run);
    let source = FileSource::open(&run).map_err(Failure::own)?;
    let elsewhere = record::elsewhere(&run, source.liveness());
    let problems = elsewhere.iter().chain(source.problems()).cloned().collect();
    let source = Arc::new(source);
    let elsewhere = elsewhere.is_some();
    let view = view::choose_view(&args.watch.view)?;
    let watched: Arc<dyn RunSource> = Arc::<FileSource>::clone(&source);
    let shown = show(&Watched { source, role: Role::Viewer, title, elsewhere, problems }, &args.watch, view)?;
    if !args.exit_status || shown != ExitCode::SUCCESS {
        return Ok(shown);
    }
    match watched.follow().view.status {
        RunStatus::Finished { exit_code, .. } => Ok(ExitCode::from(exit_code)),
        _ if RunFollower::of_journal(&run).liveness() == Liveness::Lost => {
            Ok(ExitCode::from(exit::INFRASTRUCTURE))
        }
        // The viewer left, and the run goes on.
        _ => Ok(shown),
    }
}

/// A run, and who watches it.
pub(super) struct Watched {
    pub(super) source: Arc<dyn RunSource>,
    pub(super) role: Role,
    pub(super) title: String,
    /// Whether it goes on cannot be told from here.
    pub(super) elsewhere: bool,
    /// What of it could not be read.
    pub(super) problems: Vec<String>,
}

/// The name of a run until it says its own.
pub(super) fn title(run: &LocalRun, typed: &str) -> String {
    run.id().map_or_else(|| typed.to_owned(), |id| id.to_string())
}

/// How the screen of a run looks that this process does not own.
pub(super) fn settings(watched: &Watched, colours: Colours) -> TuiSettings {
    TuiSettings {
        colours,
        ascii: view::ascii_only(),
        role: watched.role,
        mouse: view::mouse(),
        hold: HoldPolicy::Always,
        notify: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: watched.title.clone(),
        nested: false,
        elsewhere: watched.elsewhere,
    }
}

/// Shows a run in a view, until it is over or the person leaves.
pub(super) fn show(watched: &Watched, args: &WatchArgs, view: View) -> Result<ExitCode, Failure> {
    let colour = use_colour_of_run(args.view.color, &io::stdout());
    let in_lines = args.view.lines(args.verbose, colour);
    let source = Arc::clone(&watched.source);
    if view == View::Tui {
        let settings = TuiSettings {
            hold: view::hold(&args.view, HoldPolicy::Always),
            notify: view::notify(&args.view),
            ..settings(watched, view::colours(&args.view, colour))
        };
        let code = screen::show(source, settings, &in_lines)?;
        record::warn(&watched.problems);
        return Ok(code);
    }
    record::warn(&watched.problems);
    let shown = match view {
        View::Json => jsonl::run(source, stdio::stdout()),
        View::Plain | View::Tui => plain::run(source, in_lines, stdio::stdout()),
    };
    shown.map(|()| ExitCode::SUCCESS).map_err(|error| Failure::own(format!("stdout: {error}")))
}
