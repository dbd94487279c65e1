//! `roboppi diff`

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_record::AttemptChanges;
use roboppi_report::changes::{NamedChanges, array, diffs, list};
use roboppi_report::select;
use roboppi_run::AttemptView;

use crate::commands::completion::{runs, steps};
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::terminal::{note, plain};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    run: String,
    /// The step, or an attempt of it such as build#2 [default: the last attempt of each agent]
    #[arg(add = ArgValueCompleter::new(steps))]
    step: Option<String>,
    /// Print one line per file, and not its diff
    #[arg(long, conflicts_with = "json")]
    stat: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let (view, liveness) = record::view_of(&run);
    let attempts: Vec<&AttemptView> = match &args.step {
        Some(name) => {
            let (step, filter) = select::reference(&view, name, None)?;
            let mut meant = step.attempts.iter().filter(|attempt| filter.matches(&attempt.of));
            meant.next_back().into_iter().collect()
        }
        None => {
            let last = view
                .steps()
                .filter_map(|step| step.attempts.iter().rfind(|attempt| step.is_agent_in(&attempt.of)));
            last.collect()
        }
    };
    let store = run.record();
    let mut found = Vec::new();
    for attempt in attempts {
        let changes = AttemptChanges::read(store.as_ref(), attempt, liveness.may_live());
        let changes = changes.map_err(|error| Failure::usage(error.to_string()))?;
        let name = attempt.of.to_string();
        if let Some(missed) = changes.missed.as_ref().filter(|_| !args.json) {
            note(&format!("warning: changes of {} are not complete: {}", plain(&name), plain(missed)));
        }
        if changes.shared && !args.json {
            note(&format!("note: another step had the files of {} at the same time", plain(&name)));
        }
        found.push(NamedChanges { name, changes });
    }
    if args.json {
        return out::print(&array(&found));
    }
    if found.is_empty() {
        note("no agent has worked in this run; name a step for others");
    }
    out::print(&if args.stat { list(&found) } else { diffs(&found, io::stdout().is_terminal()) })
}
