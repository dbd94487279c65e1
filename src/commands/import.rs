//! `roboppi import`

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use roboppi_record::{ImportLimits, RecordError};
use roboppi_report::units::time;
use roboppi_run::RunId;

use crate::cli::ImportArgs;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::stdio;
use crate::terminal::plain;

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    let as_id = args.as_id.as_deref().map(RunId::parse).transpose().map_err(Failure::usage)?;
    let from: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(stdio::stdin())
    } else {
        let file = File::open(&args.file)
            .map_err(|error| Failure::usage(format!("cannot open {}: {error}", args.file.display())))?;
        Box::new(file)
    };
    let limits = ImportLimits { bytes: args.max_size, ..ImportLimits::default() };
    let taken = root.import(from, &args.file, as_id.as_ref(), record::now(), limits);
    let (id, imported, notes) = taken.map_err(|error| match error {
        RecordError::BadExport { .. } | RecordError::RunExists { .. } => Failure::usage(error),
        _ => Failure::own(error),
    })?;
    record::warn(&notes);
    let (host, when) = (plain(&imported.from.host), time(imported.from.exported_at));
    let live = if imported.from.live { ", when it was going on" } else { "" };
    out::print(&format!("{id} from {host}, as it was at {when}{live}\n"))
}
