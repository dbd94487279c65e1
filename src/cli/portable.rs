//! How a run leaves this machine, and how one comes in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::size;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(allow_negative_numbers = true)]
    pub(crate) run: String,
    /// The step whose output is wanted, with --format txt or json
    pub(crate) step: Option<String>,
    /// The file to write; one that is there is replaced [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What is written [default: archive, and txt for a step]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,
    /// The attempt of the step, from 1 [default: the last one]
    #[arg(long, value_name = "N", requires = "step", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Room that must stay free on the disk of FILE; 0 for no limit
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) min_free: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The whole run, for `roboppi import` on another machine: tar, packed with zstd
    Archive,
    /// What a step wrote, each line with its time, between what was started and how it ended
    Txt,
    /// The same as one JSON object
    Json,
    /// When everything happened, as a trace for ui.perfetto.dev or chrome://tracing
    Perfetto,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What `roboppi export` wrote; - reads stdin
    pub(crate) file: PathBuf,
    /// Another id for it [default: the one it had]
    #[arg(long = "as", value_name = "ID")]
    pub(crate) as_id: Option<String>,
    /// How much it may unpack to
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = size)]
    pub(crate) max_size: u64,
}
