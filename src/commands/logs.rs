//! `roboppi logs`

use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use regex::bytes::Regex;
use roboppi_attach::{LocalRun, RunFollower};
use roboppi_ipc::OutputStream;
use roboppi_record::StateRoot;
use roboppi_report::logs::{self, LineFilter, LogSettings, Which};
use roboppi_report::{ReportError, select};
use roboppi_run::{AttemptFilter, RunView, StepPath};

use crate::commands::completion::{runs_or_steps, steps};
use crate::commands::workflow_file::use_colour;
use crate::commands::{out, record};
use crate::exit::{self, Failure};
use crate::options::moment::{Moment, moment};
use crate::options::{Color, zone};
use crate::stdio;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs_or_steps))]
    pub(crate) run: String,
    /// The steps, or attempts of them, as `build/i2/check/a1`; without a run, those of the last one [default: all steps with
    /// output]
    #[arg(value_name = "STEP", add = ArgValueCompleter::new(steps))]
    pub(crate) steps: Vec<String>,
    /// The attempt, from 1 [default: the last one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Print the path of the log instead of its content
    #[arg(long, conflicts_with_all = ["follow", "all", "since", "tail", "stream", "timestamps", "grep"])]
    pub(crate) path: bool,
    /// Follow the log through all further attempts until the run ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print all attempts, not only the last one
    #[arg(long, conflicts_with = "attempt")]
    pub(crate) all: bool,
    /// Only lines since a duration ago, such as `10m`, or a time, such as `2026-01-31` or
    /// `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Start with the last N lines of each log
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) tail: Option<usize>,
    /// Only lines of this stream
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<Stream>,
    /// Prefix each line with its time
    #[arg(short = 't', long)]
    pub(crate) timestamps: bool,
    /// Print times in UTC, and not in the local time zone
    #[arg(long, requires = "timestamps")]
    pub(crate) utc: bool,
    /// Only lines that match this regular expression
    #[arg(long, value_name = "PATTERN")]
    pub(crate) grep: Option<String>,
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

pub(crate) fn run(args: &LogsArgs) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    let filter = filter(args)?;
    let Target { run, steps } = find(&root, args)?;
    let view = record::view_of(&run).0;
    may_be_printed(args, &view, &steps)?;
    // What several steps wrote is followed together, and otherwise printed step by step: each may be in a run of its own.
    let parts: Vec<&[String]> =
        if args.follow || steps.is_empty() { vec![&steps] } else { steps.chunks(1).collect() };
    let mut is_damaged = false;
    for part in &parts {
        let kept = match part {
            [step] => kept_from(&root, &view, step)?,
            _ => None,
        };
        let printed = match kept {
            Some(run) => print(args, &run, &record::view_of(&run).0, filter.clone(), part, parts.len() > 1),
            None => print(args, &run, &view, filter.clone(), part, parts.len() > 1),
        };
        match printed {
            Ok(damaged) => is_damaged |= damaged,
            Err(error) => return out::unfinished(error),
        }
    }
    Ok(if is_damaged { ExitCode::from(exit::INFRASTRUCTURE) } else { ExitCode::SUCCESS })
}

/// Checks several names before anything is printed.
fn may_be_printed(args: &LogsArgs, view: &RunView, steps: &[String]) -> Result<(), Failure> {
    // A run that has only begun has no steps yet.
    if steps.len() < 2 || view.head.is_none() {
        return Ok(());
    }
    for name in steps {
        let (step, found) = select::reference(view, name, args.attempt).map_err(Failure::usage)?;
        if args.follow && args.attempt.is_none() && !found.is_empty() {
            let message =
                format!("`{}` is one attempt, and several steps are followed", terminal::plain(name));
            return Err(Failure::usage(message).hint("follow it alone, or name the step"));
        }
        if let Some(kept) = step.kept.as_ref().filter(|_| args.follow) {
            let name = terminal::plain(name);
            let message =
                format!("`{name}` was done by run {} and kept, so there is nothing to follow", kept.run);
            return Err(
                Failure::usage(message).hint(&format!("`roboppi logs {} {name}` prints it", kept.run))
            );
        }
    }
    Ok(())
}

/// Prints what these steps of a run wrote. With `headed` each log is named.
fn print(
    args: &LogsArgs,
    run: &LocalRun,
    view: &RunView,
    filter: LineFilter,
    steps: &[String],
    headed: bool,
) -> Result<bool, ReportError> {
    let chosen = args.follow || args.all || args.tail.is_some() || !filter.is_plain();
    if chosen && !args.path {
        let settings = LogSettings { headed, ..settings(args, view, filter, steps) };
        let out = BufWriter::with_capacity(64 * 1024, stdio::stdout());
        return logs::print(run, settings, out, out::audience());
    }
    print_last(args, run, view, steps.first().map(String::as_str), headed)
}

fn filter(args: &LogsArgs) -> Result<LineFilter, Failure> {
    let pattern =
        |text: &String| Regex::new(text).map_err(|error| Failure::usage(format!("--grep: {error}")));
    Ok(LineFilter {
        since: args.since.map(|since| since.before(record::now())),
        stream: args.stream.map(Into::into),
        grep: args.grep.as_ref().map(pattern).transpose()?,
        timestamps: args.timestamps.then(|| zone(args.utc)),
        terminal: io::stdout().is_terminal().then(|| use_colour(Color::Auto, true)),
    })
}

fn settings(args: &LogsArgs, view: &RunView, filter: LineFilter, steps: &[String]) -> LogSettings {
    let by_number = || AttemptFilter { attempt: args.attempt, ..AttemptFilter::default() };
    let mut only = by_number();
    let mut paths = Vec::new();
    for name in steps {
        // A run that has only begun may not have the step yet; whether it comes is for the printer to find out.
        match select::reference(view, name, args.attempt) {
            Ok((step, found)) => {
                paths.push(step.plan.step.clone());
                only = if steps.len() == 1 { found } else { only };
            }
            Err(_) => paths.push(StepPath::new(name.as_str())),
        }
    }
    let which = match only {
        only if !only.is_empty() => Which::Only(only),
        _ if args.all => Which::All,
        _ => Which::Last,
    };
    LogSettings { steps: paths, which, filter, tail: args.tail, follow: args.follow, headed: false }
}

/// Prints the last attempt, or the one that was asked for, byte for byte: not to a terminal.
fn print_last(
    args: &LogsArgs,
    run: &LocalRun,
    view: &RunView,
    step: Option<&str>,
    headed: bool,
) -> Result<bool, ReportError> {
    let attempts = select::attempts(view, step, args.attempt)?;
    if args.path {
        return logs::paths(run.record().as_ref(), &attempts, stdio::stdout(), out::audience());
    }
    let headed = headed || step.is_none() && attempts.len() > 1;
    logs::copy(run.record().as_ref(), &attempts, headed, stdio::stdout(), out::audience())
}

/// What is meant: which run, and which steps of it.
struct Target {
    run: LocalRun,
    steps: Vec<String>,
}

/// Finds what is meant. The run may be left out: `roboppi logs build test` are two steps of the last run.
fn find(root: &StateRoot, args: &LogsArgs) -> Result<Target, Failure> {
    let error = match LocalRun::find(root, &args.run) {
        Ok(run) => return Ok(Target { run, steps: args.steps.clone() }),
        Err(error) => error,
    };
    let last = LocalRun::find(root, roboppi_record::LAST).map_err(|_| record::unknown(root, &error))?;
    let mut follower = RunFollower::of_journal(&last);
    let mut view = follower.begin();
    follower.read(|record| view.apply(&record));
    let steps: Vec<String> = std::iter::once(&args.run).chain(&args.steps).cloned().collect();
    if view.find_step(&args.run).is_some() {
        return Ok(Target { run: last, steps });
    }
    let has_others = args.steps.iter().any(|step| view.find_step(step).is_some());
    if !args.steps.is_empty() && !has_others {
        return Err(record::unknown(root, &error));
    }
    Err(Failure::usage(format!(
        "{error}, and the last run has no step of that name\nhint: {}, and `roboppi runs` lists the runs",
        select::steps_in_words(&view)
    )))
}

/// The run that has the log of a step: an earlier one when that did it and this one kept it.
pub(crate) fn origin(root: &StateRoot, run: LocalRun, step: &str) -> Result<LocalRun, Failure> {
    // What of the record is damaged is said by whoever reads it next.
    let view = run.record().view().unwrap_or_default();
    Ok(kept_from(root, &view, step)?.unwrap_or(run))
}

/// The earlier run that did a step, when this one kept it.
fn kept_from(root: &StateRoot, view: &RunView, step: &str) -> Result<Option<LocalRun>, Failure> {
    let Some(kept) = view.find_step(step).and_then(|(step, _)| step.kept.as_ref()) else { return Ok(None) };
    let origin = LocalRun::open(root, &kept.run).map_err(|error| {
        Failure::usage(format!("`{step}` was executed by run {}, which has its log: {error}", kept.run))
    })?;
    terminal::note(&format!("roboppi: {} was done by run {} and kept", terminal::plain(step), kept.run));
    Ok(Some(origin))
}
