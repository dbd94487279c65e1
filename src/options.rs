//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use values::{duration, size};

pub(crate) mod moment;
pub(crate) mod values;

/// Options of a run.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Directory the steps work in; created if missing [default: the current one]
    #[arg(short, long, short_alias = 'C', value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Start workers from a separate core process (the default)
    #[arg(long, conflicts_with = "direct")]
    pub(crate) supervised: bool,
    /// Start workers from this process
    #[arg(long, alias = "no-supervised")]
    pub(crate) direct: bool,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// Whether to show stdout and stderr of workers live [default: on, or ROBOPPI_TUI_STREAM_STDIO]
    #[arg(long, value_name = "WHEN")]
    pub(crate) stream_stdio: Option<Switch>,
    /// Show more details: phases of attempts, processes, permits
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Grace period: time between SIGTERM and SIGKILL for a worker, unless its step has its own
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time the pipes of an ended worker may stay open
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Maximum size of the log of a step, such as `512MiB` or `2G`
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) log_limit: u64,
    /// Maximum total size of all logs of the run
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size)]
    pub(crate) run_log_limit: u64,
    /// What to do with a log above its limit: keep its beginning and end, keep all of it, or terminate its
    /// worker
    #[arg(long, value_name = "POLICY", default_value = "truncate")]
    pub(crate) log_over: Over,
    /// Disk space that logs and artifacts leave free
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) min_free: u64,
    /// What a step does that comes up against a usage limit of its agent and has no `on_limit` of its own: wait until the limit is
    /// over, or fail, with exit code 75 [default: wait in a terminal, fail elsewhere and with CI set]
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_limit: Option<LimitChoice>,
    /// Longest time a step waits for usage limits, all its waits together
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration)]
    pub(crate) limit_wait: Duration,
    /// Program or script to use as the core [default: ROBOPPI_CORE_ENTRYPOINT, or the core that the configuration file names
    /// for a worker kind of the workflow, or this program]
    #[arg(long, alias = "core-entrypoint", value_name = "PATH", conflicts_with = "direct")]
    pub(crate) core: Option<PathBuf>,
    /// Time limit for a reply of the core [default: 2m, or ROBOPPI_IPC_REQUEST_TIMEOUT]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ipc_request_timeout: Option<Duration>,
    /// Time between two heartbeats of the core
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, hide = true)]
    pub(crate) heartbeat: Duration,
    /// Silence after which the core counts as hung
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration, hide = true)]
    pub(crate) heartbeat_limit: Duration,
}

/// Options of a view.
#[derive(Clone, Debug, Args)]
pub(crate) struct ViewArgs {
    /// Show a full screen (the default in a terminal)
    #[arg(long, conflicts_with = "no_tui")]
    pub(crate) tui: bool,
    /// Print lines of text (the default elsewhere and with CI set)
    #[arg(long, alias = "plain")]
    pub(crate) no_tui: bool,
    /// Print worker output line by line as it is written; implies --no-tui
    #[arg(long, conflicts_with = "tui")]
    pub(crate) stream: bool,
    /// Format of the output on stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Background of the terminal [default: ROBOPPI_THEME, or as COLORFGBG indicates, or dark]
    #[arg(long, value_name = "THEME")]
    pub(crate) theme: Option<Theme>,
    /// Send a terminal notification when a run on the full screen ends that took at least this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) notify_after: Duration,
    /// Send no terminal notification (also ROBOPPI_NOTIFY=off)
    #[arg(long)]
    pub(crate) no_notify: bool,
}

/// How a run of another process is shown.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// Show more details: phases of attempts, processes, permits
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Readable text
    Text,
    /// One event per line, and nothing else
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
    /// If the stream is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// What a usage limit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LimitChoice {
    /// Wait until it is over
    Wait,
    /// Fail at once
    Fail,
}

/// What happens to a log above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    Truncate,
    Warn,
    Kill,
}
