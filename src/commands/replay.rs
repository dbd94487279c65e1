//! `roboppi replay`: a run that is over, told once more.

use std::process::ExitCode;
use std::sync::Arc;

use roboppi_attach::{AtEnd, Liveness, ReplaySource, RunFollower};
use roboppi_tui::Role;

use crate::cli::ReplayArgs;
use crate::commands::attach::{Watched, show, title};
use crate::commands::record;
use crate::exit::Failure;
use crate::terminal::{self, View};

pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let title = title(&run, &args.run);
    let liveness = RunFollower::of_journal(run.clone()).liveness();
    if liveness == Liveness::Live {
        return Err(Failure::refused(format!(
            "the run is still going on\nhint: roboppi attach {title} shows it"
        )));
    }
    // On a screen one may want to see something again.
    let view = terminal::choose_view(&args.watch.view)?;
    let at_end = match view {
        View::Tui => AtEnd::Stay,
        View::Plain | View::Json => AtEnd::Close,
    };
    let dir = run.clone();
    let source = ReplaySource::open(run, args.speed, at_end).map_err(Failure::own)?;
    let elsewhere = record::elsewhere(&dir, liveness);
    let problems = elsewhere.iter().chain(source.problems()).cloned().collect();
    let elsewhere = elsewhere.is_some();
    show(
        &Watched { source: Arc::new(source), role: Role::Replay, title, elsewhere, problems },
        &args.watch,
        view,
    )
}
