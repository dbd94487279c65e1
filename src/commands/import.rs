//! `roboppi import`

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use roboppi_record::ImportLimits;
use roboppi_run::RunId;

use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::values::size;
use crate::options::zone;
use crate::stdio;
use crate::terminal::plain;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// An archive of `roboppi export`; - reads stdin
    pub(crate) file: PathBuf,
    /// Id of the imported run [default: its original id]
    #[arg(long = "as", value_name = "ID")]
    pub(crate) as_id: Option<String>,
    /// Maximum unpacked size
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = size)]
    pub(crate) max_size: u64,
}

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
    let (id, imported, notes) = taken.map_err(Failure::import)?;
    record::warn(&notes);
    let (host, when) = (plain(&imported.from.host), zone(false).format(imported.from.exported_at));
    let live = if imported.from.live { ", when it was going on" } else { "" };
    let name = imported.handle.map_or_else(String::new, |handle| format!("{handle}: "));
    out::print(&format!("{name}{id} from {host}, as it was at {when}{live}\n"))
}
