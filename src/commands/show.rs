//! `roboppi show`

use std::process::ExitCode;

use roboppi_report::page::{Page, log_damage};

use crate::cli::ShowArgs;
use crate::commands::{out, record};
use crate::exit::Failure;

pub(crate) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let (mut view, mut liveness) = record::view_of(&run);
    if view.steps.iter().any(|step| step.plan.worker.is_agent()) {
        (view, liveness) = record::whole_view_of(&run);
    }
    record::warn(&log_damage(&run, &view));
    let id = run.id().map_or_else(|| args.run.clone(), |id| id.to_string());
    let page = Page { id, run: &run, view: &view, liveness, now: record::now() };
    out::print(&page.text())
}
