//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use values::{duration, size};

pub(crate) mod values;

/// How a run is run.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Directory the steps work in; made when it is not there [default: the current one]
    #[arg(short, long, short_alias = 'C', value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Start workers from a core process of their own (the default)
    #[arg(long, conflicts_with = "direct")]
    pub(crate) supervised: bool,
    /// Start workers from this process
    #[arg(long, alias = "no-supervised")]
    pub(crate) direct: bool,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// Whether stdout and stderr of workers are shown live [default: on, or ROBOPPI_TUI_STREAM_STDIO]
    #[arg(long, value_name = "WHEN")]
    pub(crate) stream_stdio: Option<Switch>,
    /// More about what happens: phases of attempts, processes, permits
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Time a worker has between being asked to end and being killed, unless its step says otherwise
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time the pipes of an ended worker may stay open
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// How large the log of a step may become, as `512MiB` or `2G`
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) log_limit: u64,
    /// How large all logs of the run may become together
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size)]
    pub(crate) run_log_limit: u64,
    /// What happens to a log above its limit: its beginning and end are kept, all of it is kept, or its worker is
    /// ended
    #[arg(long, value_name = "POLICY", default_value = "truncate")]
    pub(crate) log_over: Over,
    /// How much of the disk logs and artifacts leave free
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) min_free: u64,
    /// Another core to use, a program or a script [default: this one, or ROBOPPI_CORE_ENTRYPOINT]
    #[arg(long, alias = "core-entrypoint", value_name = "PATH", conflicts_with = "direct")]
    pub(crate) core: Option<PathBuf>,
    /// How long the core may take to answer [default: 2m, or ROBOPPI_IPC_REQUEST_TIMEOUT]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ipc_request_timeout: Option<Duration>,
    /// Time between two questions whether the core is alive
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, hide = true)]
    pub(crate) heartbeat: Duration,
    /// Silence after which the core counts as hung
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration, hide = true)]
    pub(crate) heartbeat_limit: Duration,
}

/// How a run is shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct ViewArgs {
    /// Show a full screen (the default in a terminal)
    #[arg(long, conflicts_with = "no_tui")]
    pub(crate) tui: bool,
    /// Print lines of text (the default elsewhere and with CI set)
    #[arg(long, alias = "plain")]
    pub(crate) no_tui: bool,
    /// Print what workers write, line by line, as they write it; implies --no-tui
    #[arg(long, conflicts_with = "tui")]
    pub(crate) stream: bool,
    /// What goes to stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// The background the full screen is read on [default: what COLORFGBG says, else dark, or ROBOPPI_THEME]
    #[arg(long, value_name = "THEME")]
    pub(crate) theme: Option<Theme>,
    /// Have the terminal tell of the end of a run on the full screen that took this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) notify_after: Duration,
    /// Do not have the terminal tell of the end of a run, or ROBOPPI_NOTIFY=off
    #[arg(long)]
    pub(crate) no_notify: bool,
}

/// How a run of another process is shown.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// More about what happens: phases of attempts, processes, permits
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// One event a line, and nothing else
    #[value(alias = "ndjson")]
    Json,
}

/// What colours are read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    /// Light text on dark
    Dark,
    /// Dark text on light
    Light,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// Where the stream is a terminal
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// What happens to a log above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    Truncate,
    Warn,
    Kill,
}
