//! `roboppi replay`: a run that is over, told once more.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{AtEnd, Liveness, ReplaySource, RunFollower, Speed};
use roboppi_tui::Role;

use crate::commands::attach::{Watched, show, title};
use crate::commands::completion::runs;
use crate::commands::record;
use crate::exit::Failure;
use crate::options::WatchArgs;
use crate::view::{self, View};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// Speed relative to the original, such as `4x` or `0.5x`, or `max`
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    pub(crate) speed: Speed,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let title = title(&run, &args.run);
    let liveness = RunFollower::of_journal(&run).liveness();
    if liveness == Liveness::Live {
        return Err(Failure::refused(format!(
            "the run is still going on\nhint: roboppi attach {title} shows it"
        )));
    }
    // On a screen one may want to see something again.
    let view = view::choose_view(&args.watch.view)?;
    let at_end = match view {
        View::Tui => AtEnd::Stay,
        View::Plain | View::Json => AtEnd::Close,
    };
    let source = ReplaySource::open(&run, args.speed, at_end).map_err(Failure::own)?;
    let elsewhere = record::elsewhere(&run, liveness);
    let problems = elsewhere.iter().chain(source.problems()).cloned().collect();
    let elsewhere = elsewhere.is_some();
    show(
        &Watched { source: Arc::new(source), role: Role::Replay, title, elsewhere, problems },
        &args.watch,
        view,
    )
}
