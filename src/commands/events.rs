//! `roboppi events`

use std::io::BufWriter;
use std::process::ExitCode;

use roboppi_report::events::{self, EventSettings};

use crate::cli::EventsArgs;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::stdio;

pub(crate) fn run(args: &EventsArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let settings = EventSettings {
        kinds: args.kind.clone(),
        after: args.after,
        workers: args.workers,
        json: args.json,
        follow: args.follow,
    };
    match events::print(&run, settings, BufWriter::new(stdio::stdout()), out::audience()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => out::unfinished(error),
    }
}
