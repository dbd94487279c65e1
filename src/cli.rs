//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use roboppi_attach::Speed;
use roboppi_ipc::{OutputStream, UtcMillis};
use roboppi_workflow::parse_duration;

use crate::completion::{runs, runs_or_steps, steps};

mod agent;
mod answer;
mod meant;
mod old_start;
mod portable;
mod resume;

pub(crate) use agent::{AgentArgs, WorkersArgs};
pub(crate) use meant::is_workflow_name;
use old_start::{OLD_START, OldCoreArgs};
pub(crate) use portable::{ExportArgs, ExportFormat, ImportArgs};
pub(crate) use resume::ResumeArgs;

/// Runs coding agents and commands as steps of a workflow, shows what they do, stops them for good, and
/// keeps the record.
#[derive(Debug, Parser)]
#[command(name = "roboppi", version, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "Examples:
  roboppi workflow run build.yaml             run a workflow, with a live screen in a terminal
  roboppi workflow run build.yaml --no-tui    the same in a CI job
  roboppi workflow validate build.yaml        show every mistake in a workflow
  roboppi run --worker claude-code \"…\"        have an agent do one thing, and print its answer
  roboppi logs                                output of the last run")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run or check a workflow
    #[command(visible_alias = "wf", arg_required_else_help = true)]
    Workflow {
        #[command(subcommand)]
        command: WorkflowCommand,
    },
    /// Have an agent do one thing, and print its answer
    #[command(visible_alias = "agent")]
    Run(Box<AgentArgs>),
    /// List the kinds of workers: which are found, where, in which version, and what to do about the others
    Workers(WorkersArgs),
    /// Watch a run, live or over, as it is seen where it was started
    Attach(AttachArgs),
    /// Watch a run that is over as it went on, faster or slower
    Replay(ReplayArgs),
    /// End a run, or one of its steps
    Cancel(CancelArgs),
    /// Try a step of a live run again that failed
    Retry(StepArgs),
    /// Leave out a step of a live run that has not started; the steps after it go on
    Skip(StepArgs),
    /// Print what the steps of a run wrote
    Logs(LogsArgs),
    /// Show one page about a run: what failed and why, its steps, times and files
    Show(ShowArgs),
    /// Print what happened to a run and its steps, one event a line
    Events(EventsArgs),
    /// List the runs, newest first, and keep them in order
    #[command(visible_alias = "ls")]
    Runs(RunsArgs),
    /// Mask a value from stdin, from now on and everywhere in the run; for use in steps
    Mask(MaskArgs),
    /// Write a run into one file, or what a step of it wrote, or a trace
    Export(ExportArgs),
    /// Take in a run that was exported on another machine
    Import(ImportArgs),
    /// Print a script that lets a shell complete commands, runs and steps
    Completions(CompletionsArgs),
    /// Be the core of a supervisor: JSON lines on stdin and stdout
    Core(CoreArgs),
    /// Guard another program as a core of ours guards itself
    #[command(hide = true)]
    Guard(GuardArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  printf %s \"$TOKEN\" | roboppi mask
  roboppi mask < key.pem")]
pub(crate) struct MaskArgs {
    /// Taken so that it can be refused without being repeated
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    pub(crate) value: Option<Vec<OsString>>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Remove runs that are too old, too many, or too large together; never a live or a pinned one
    Prune(PruneArgs),
    /// Keep a run for good
    Pin {
        /// Its id, the beginning of it, or -1 for the last run
        #[arg(allow_hyphen_values = true, add = ArgValueCompleter::new(runs))]
        run: String,
    },
    /// Let a run that was pinned be removed when its time comes
    Unpin {
        /// Its id, the beginning of it, or -1 for the last run
        #[arg(allow_hyphen_values = true, add = ArgValueCompleter::new(runs))]
        run: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Days a run is kept
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(crate) days: u32,
    /// Runs that are kept
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) count: usize,
    /// What all runs may take together
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = size)]
    pub(crate) size: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Run a workflow (`roboppi workflow FILE` is short for it)
    Run(Box<RunArgs>),
    /// Show every mistake in a workflow file and run nothing
    Validate(ValidateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// Treat warnings about the workflow file as errors
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) resume: ResumeArgs,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

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

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// Time what is left has between being asked to end and being killed
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time for what is still to be read after that
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct CoreArgs {
    /// Workers at a time
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,
    /// Agent workers that may start within a second; plain commands are bounded by --concurrency alone
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) rps: u32,
    /// What agent workers may cost in all, in US dollars [default: no bound]
    #[arg(long, value_name = "USD", value_parser = non_negative)]
    pub(crate) max_cost: Option<f64>,
    /// Load from which permits are refused; 1 is full
    #[arg(long, value_name = "LOAD", default_value_t = 1.0, value_parser = non_negative)]
    pub(crate) bp_reject: f64,
    /// Load from which permits are put off
    #[arg(long, value_name = "LOAD", default_value_t = 0.75, value_parser = non_negative)]
    pub(crate) bp_defer: f64,
    /// Load from which a permit grants half of the cost its job asks for
    #[arg(long, value_name = "LOAD", default_value_t = 0.5, value_parser = non_negative)]
    pub(crate) bp_degrade: f64,
    /// Failures in a row after which workers of a kind get no permits
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) cb_threshold: u32,
    /// Milliseconds until one of them is tried again
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub(crate) cb_reset_ms: u64,
    /// Tries that may fail before they get no permits again
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) cb_half_open: u32,
    /// Time a worker has between being asked to end and being killed, unless its job says otherwise
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time the pipes of an ended worker may stay open
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Say hello only after the supervisor did, as when it was started without `core`
    #[arg(long, hide = true)]
    pub(crate) await_hello: bool,
    #[command(flatten)]
    pub(crate) old: OldCoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// `source <(roboppi completions bash)` in `~/.bashrc`
    Bash,
    /// `source <(roboppi completions zsh)` in `~/.zshrc`
    Zsh,
    /// `roboppi completions fish | source` in `~/.config/fish/config.fish`
    Fish,
}

impl Shell {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(default_value = "-1", allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
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

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(default_value = "-1", allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// How fast: so many times as it went, as `4x` or `0.5x`, or `max`
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    pub(crate) speed: Speed,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// The step [default: the whole run]
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: Option<String>,
    /// Kill its workers at once
    #[arg(long, conflicts_with = "step")]
    pub(crate) force: bool,
    /// Wait until the run is over
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// The step
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(default_value = "-1", allow_negative_numbers = true, add = ArgValueCompleter::new(runs_or_steps))]
    pub(crate) run: String,
    /// The step [default: every step that wrote something]
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: Option<String>,
    /// The attempt, from 1 [default: the last one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Print where the log is instead of what is in it
    #[arg(long, conflicts_with_all = ["follow", "all", "since", "tail", "stream", "timestamps", "grep"])]
    pub(crate) path: bool,
    /// Go on until the run is over, through every attempt that is still to come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Every attempt, not only the last one
    #[arg(long, conflicts_with = "attempt")]
    pub(crate) all: bool,
    /// Only lines as new as this: so long ago, as `10m`, or a time, as `2026-01-31` or `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Begin with the last N lines of each log
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<usize>,
    /// Only lines of this stream
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<Stream>,
    /// Begin each line with the time it came
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "PATTERN")]
    pub(crate) grep: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(default_value = "-1", allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The run: its id, the beginning of it, or -1 for the last one, -2 for the one before
    #[arg(default_value = "-1", allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// Go on until the run is over
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only events of this kind, as `step_changed`; may be given several times
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Only events with a greater number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
    /// What the workers did too: tool calls, usage, patches. They are numbered for each attempt
    #[arg(long, conflicts_with = "after")]
    pub(crate) workers: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Ago(Duration),
    At(UtcMillis),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = parse_duration(text) {
        return Ok(Since::Ago(time));
    }
    let time: Timestamp =
        match text.parse() {
            Ok(time) => time,
            // A date, and a time without a zone, are those of the clock on the wall here.
            Err(_) => text
                .parse::<DateTime>()
                .ok()
                .and_then(|time| time.to_zoned(TimeZone::system()).ok())
                .map(|zoned| zoned.timestamp())
                .ok_or("neither so long ago, as `10m`, nor a time, as `2026-01-31`, `2026-01-31T12:00` or `2026-01-31T12:00:00Z`")?,
        };
    Ok(Since::At(UtcMillis(u64::try_from(time.as_millisecond()).unwrap_or_default())))
}

/// What a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl From<Stream> for OutputStream {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => Self::Stdout,
            Stream::Stderr => Self::Stderr,
        }
    }
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

/// A number of bytes: `65536`, `64KiB`, `64k`, `1.5G`. Units are powers of 1024, those that end in `B` without an `i`
/// powers of 1000.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write for example 512MiB or 2G");
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (base, power) = match unit.as_str() {
        "" | "b" => (1_u64, 0),
        "k" | "kib" => (1024, 1),
        "m" | "mib" => (1024, 2),
        "g" | "gib" => (1024, 3),
        "t" | "tib" => (1024, 4),
        "kb" => (1000, 1),
        "mb" => (1000, 2),
        "gb" => (1000, 3),
        "tb" => (1000, 4),
        _ => return Err(wrong()),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a size is not exact to the byte, and one too large is the largest there is"
    )]
    Ok((number * base.pow(power) as f64) as u64)
}

fn non_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        Ok(_) | Err(_) => Err("a number, not below 0".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .map_err(|error| format!("{error}; write numbers with the units ms, s, m, h: `90s`, `1h30m`"))
}

impl Cli {
    /// Reads the command line of this process. `Err` carries the exit code when there is nothing to do:
    /// help and version were printed, or what is wrong.
    pub(crate) fn from_process() -> Result<Self, ExitCode> {
        let args: Vec<OsString> = std::env::args_os().collect();
        let terminals = io::stdin().is_terminal() && io::stderr().is_terminal();
        Self::try_parse_from(normalised(args.clone(), terminals))
            .map_err(|error| answer::instead(&error, &args))
    }
}

/// Understands what old runners and lazy people type: nothing at all, only flags, or `server` starts a core, the first
/// unless a person is there; `workflow FILE` runs the file. A core that is started so waits for a hello: an old runner does
/// not know it.
fn normalised(mut args: Vec<OsString>, terminals: bool) -> Vec<OsString> {
    let is = |arg: Option<&OsString>, words: &[&str]| {
        arg.and_then(|arg| arg.to_str()).is_some_and(|arg| words.contains(&arg))
    };
    let help = ["--help", "-h"];
    match args.get(1) {
        None if terminals => {}
        None => args.extend(OLD_START.map(OsString::from)),
        first if is(first, &["server"]) => drop(args.splice(1..2, OLD_START.map(OsString::from))),
        first if is(first, &help) || is(first, &["--version", "-V"]) => {}
        first if is(first, &["-v"]) => args[1] = "--version".into(),
        Some(first) if is_flag(first) => drop(args.splice(1..1, OLD_START.map(OsString::from))),
        first if is(first, &["workflow", "wf"]) => {
            let verb = args.get(2);
            if verb.is_some() && !is(verb, &["run", "validate"]) && !is(verb, &help) {
                args.insert(2, "run".into());
            }
        }
        Some(_) => {}
    }
    args
}

fn is_flag(arg: &OsStr) -> bool {
    arg.to_str().is_some_and(|arg| arg.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &str, terminals: bool) -> String {
        let args = std::iter::once("roboppi").chain(line.split_whitespace()).map(OsString::from).collect();
        let args: Vec<String> =
            normalised(args, terminals).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        args[1..].join(" ")
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn short_forms_are_understood() {
        assert_eq!(read("", true), "");
        assert_eq!(read("", false), "core --await-hello");
        assert_eq!(read("--concurrency 3", false), "core --await-hello --concurrency 3");
        assert_eq!(read("server --no-tui", false), "core --await-hello --no-tui");
        assert_eq!(read("core --concurrency 3", false), "core --concurrency 3");
        assert_eq!(read("-v", true), "--version");
        assert_eq!(read("--help", false), "--help");
        assert_eq!(read("workflow a.yaml --tui", true), "workflow run a.yaml --tui");
        assert_eq!(read("workflow --tui a.yaml", true), "workflow run --tui a.yaml");
        assert_eq!(read("workflow validate a.yaml", true), "workflow validate a.yaml");
        assert_eq!(read("workflow run", true), "workflow run");
        assert_eq!(read("workflow --help", true), "workflow --help");
    }

    #[test]
    fn a_verb_wins_over_a_file_of_that_name() {
        let cli = Cli::try_parse_from(["roboppi", "workflow", "validate", "run"]).unwrap();
        assert!(matches!(cli.command, Command::Workflow { command: WorkflowCommand::Validate(_) }));
    }

    #[test]
    fn unknown_flags_are_errors() {
        let args = ["roboppi", "workflow", "run", "a.yaml", "--supervized"];
        let error = Cli::try_parse_from(args).unwrap_err().to_string();
        assert!(error.contains("--supervised"), "{error}");
    }
}
