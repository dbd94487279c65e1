//! `roboppi events`

use std::io::BufWriter;
use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_report::events::{self, EventSettings};

use crate::commands::completion::runs;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::zone;
use crate::stdio;

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// Follow the run until it ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only events of this kind, such as `step_changed`; may be repeated
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Only events with a greater number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
    /// Include worker events: tool calls, usage, patches. They are numbered per attempt
    #[arg(long, conflicts_with = "after")]
    pub(crate) workers: bool,
    /// Print times in UTC, and not in the local time zone; JSON has UTC always
    #[arg(long)]
    pub(crate) utc: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &EventsArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let settings = EventSettings {
        kinds: args.kind.clone(),
        after: args.after,
        workers: args.workers,
        json: args.json,
        follow: args.follow,
        zone: zone(args.utc),
    };
    match events::print(&run, settings, BufWriter::new(stdio::stdout()), out::audience()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => out::unfinished(error),
    }
}
