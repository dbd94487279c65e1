//! `roboppi show`

use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_report::page::{Page, log_damage};
use roboppi_run::{History, Progress, StepView};

use crate::commands::completion::runs;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::zone;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// Print times in UTC, and not in the local time zone
    #[arg(long)]
    pub(crate) utc: bool,
    /// Print a JSON object
    #[arg(long, conflicts_with = "utc")]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let (mut view, mut liveness) = record::view_of(&run);
    if view.steps().any(StepView::is_agent) {
        (view, liveness) = record::whole_view_of(&run);
    }
    record::warn(&log_damage(run.record().as_ref(), &view));
    let id = run.id().map_or_else(|| args.run.clone(), |id| id.to_string());
    let record = run.record();
    let (now, zone) = (record::now(), zone(args.utc));
    let history = if liveness.may_live() { run.history() } else { History::default() };
    let progress = Progress::of(&view, &history, now);
    let page = Page { id, record: record.as_ref(), view: &view, liveness, progress, now, zone };
    out::print(&if args.json { page.object() } else { page.text() })
}
