//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use roboppi_report::plain::{FailureOutput, PlainSettings};
use roboppi_report::units::Zone;

use reports::ReportArgs;
use values::{duration, duration_or_zero, size};

pub(crate) mod moment;
mod reader;
pub(crate) mod reports;
pub(crate) mod values;

pub(crate) use reader::{CiChoice, Extent, ReaderArgs};

/// Options of a run.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Directory the steps work in; created if missing [default: the current one]
    #[arg(short, long, short_alias = 'C', value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Start workers from a separate core process (the default)
    #[arg(long, conflicts_with = "direct", help_heading = "Core")]
    pub(crate) supervised: bool,
    /// Start workers from this process
    #[arg(long, alias = "no-supervised", help_heading = "Core")]
    pub(crate) direct: bool,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    #[command(flatten)]
    pub(crate) reader: ReaderArgs,
    /// Whether to show stdout and stderr of workers live [default: on, or ROBOPPI_TUI_STREAM_STDIO]
    #[arg(long, value_name = "WHEN", help_heading = "View")]
    pub(crate) stream_stdio: Option<Switch>,
    /// Show more details: starts and phases of attempts, processes, permits
    #[arg(short, long, help_heading = "View")]
    pub(crate) verbose: bool,
    /// Grace period: time between SIGTERM and SIGKILL for a worker, unless its step has its own
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Limits")]
    pub(crate) grace: Duration,
    /// Time the pipes of an ended worker may stay open
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, help_heading = "Limits")]
    pub(crate) drain: Duration,
    /// Maximum size of the log of a step, such as `512MiB` or `2G`
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size, help_heading = "Limits")]
    pub(crate) log_limit: u64,
    /// Maximum total size of all logs of the run
    #[arg(long, value_name = "SIZE", default_value = "5GiB", value_parser = size, help_heading = "Limits")]
    pub(crate) run_log_limit: u64,
    /// What to do with a log above its limit: keep its beginning and end, keep all of it, or terminate its
    /// worker
    #[arg(long, value_name = "POLICY", default_value = "truncate", help_heading = "Limits")]
    pub(crate) log_over: Over,
    /// Disk space that logs and artifacts leave free
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size, help_heading = "Limits")]
    pub(crate) min_free: u64,
    /// What a step does that comes up against a usage limit of its agent and has no `on_limit` of its own: wait until the limit is
    /// over, or fail, with exit code 75 [default: wait in a terminal, fail elsewhere and with CI set]
    #[arg(long, value_name = "WHAT", help_heading = "Limits")]
    pub(crate) on_limit: Option<LimitChoice>,
    /// Longest time a step waits for usage limits, all its waits together
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration, help_heading = "Limits")]
    pub(crate) limit_wait: Duration,
    /// Program or script to use as the core [default: ROBOPPI_CORE_ENTRYPOINT, or the core that the configuration file names
    /// for a worker kind of the workflow, or this program]
    #[arg(
        long,
        alias = "core-entrypoint",
        value_name = "PATH",
        conflicts_with = "direct",
        help_heading = "Core"
    )]
    pub(crate) core: Option<PathBuf>,
    /// Time limit for a reply of the core [default: 2m, or ROBOPPI_IPC_REQUEST_TIMEOUT]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Core")]
    pub(crate) ipc_request_timeout: Option<Duration>,
    /// Time between two heartbeats of the core
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, hide = true, help_heading = "Core")]
    pub(crate) heartbeat: Duration,
    /// Silence after which the core counts as hung
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration, hide = true, help_heading = "Core")]
    pub(crate) heartbeat_limit: Duration,
    #[command(flatten)]
    pub(crate) reports: ReportArgs,
}

/// Options of a view.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "View")]
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
    /// Print failures, warnings and the outcome only; implies --no-tui
    #[arg(short, long, conflicts_with_all = ["tui", "verbose", "stream"])]
    pub(crate) quiet: bool,
    /// When lines have the output of a failed step: when it fails, at the end of the run, both, or never
    #[arg(long, value_name = "WHEN", default_value = "immediate")]
    pub(crate) failure_output: FailureWhen,
    /// Time after which lines report a running step as slow; 0s for never
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration_or_zero)]
    pub(crate) slow_after: Duration,
    /// Format of the output on stdout
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Background of the terminal [default: ROBOPPI_THEME, or as COLORFGBG indicates, or dark]
    #[arg(long, value_name = "THEME")]
    pub(crate) theme: Option<Theme>,
    /// When the full screen stays after the end of the run, until `q`: `failure` also stays where a key was pressed, and leaves
    /// after a minute where none was [default: ROBOPPI_HOLD, or failure; `always` for attach and replay, `never` for `roboppi run`]
    #[arg(long, value_name = "WHEN")]
    pub(crate) hold: Option<HoldChoice>,
    /// Send a terminal notification when a run on the full screen ends that took at least this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) notify_after: Duration,
    /// Send no notification, neither of the terminal nor of the configuration file (also ROBOPPI_NOTIFY=off)
    #[arg(long)]
    pub(crate) no_notify: bool,
}

impl ViewArgs {
    /// The format that is asked for.
    pub(crate) const fn output(&self) -> Output {
        if self.json { Output::Json } else { self.output }
    }

    /// How lines are printed on a stream, with colours or without.
    pub(crate) fn lines(&self, verbose: bool, colour: bool) -> PlainSettings {
        PlainSettings {
            colour,
            stream: self.stream,
            verbose,
            quiet: self.quiet,
            failure_output: self.failure_output.into(),
            slow: self.slow_after,
            ..PlainSettings::default()
        }
    }
}

/// When the output of a failed step is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailureWhen {
    /// When the step fails
    Immediate,
    /// At the end of the run
    Final,
    /// When the step fails, and at the end of the run
    ImmediateFinal,
    /// Never
    Never,
}

impl From<FailureWhen> for FailureOutput {
    fn from(when: FailureWhen) -> Self {
        match when {
            FailureWhen::Immediate => Self::Immediate,
            FailureWhen::Final => Self::Final,
            FailureWhen::ImmediateFinal => Self::ImmediateFinal,
            FailureWhen::Never => Self::Never,
        }
    }
}

/// How a run of another process is shown.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    /// Show more details: starts and phases of attempts, processes, permits
    #[arg(short, long, help_heading = "View")]
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

/// The zone in which times are printed.
pub(crate) fn zone(utc: bool) -> Zone {
    if utc { Zone::utc() } else { Zone::local() }
}

/// When a full screen stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HoldChoice {
    /// Until it is left
    Always,
    /// If the run did not succeed, or a key was pressed
    Failure,
    /// Never
    Never,
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
