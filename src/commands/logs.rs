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
use roboppi_run::{AttemptFilter, StepPath};

use crate::commands::completion::{runs_or_steps, steps};
use crate::commands::workflow_file::use_colour;
use crate::commands::{out, record};
use crate::exit::{self, Failure};
use crate::options::Color;
use crate::options::moment::{Moment, moment};
use crate::stdio;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(default_value = roboppi_record::LAST, allow_negative_numbers = true, add = ArgValueCompleter::new(runs_or_steps))]
    pub(crate) run: String,
    /// The step, or attempts of it, as `build/i2/check/a1` [default: all steps with output]
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: Option<String>,
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
    let Target { mut run, step } = find(&root, args)?;
    if let Some(name) = &step {
        run = origin(&root, run, name)?;
    }
    let chosen = args.follow || args.all || args.tail.is_some() || !filter.is_plain();
    let printed = if chosen && !args.path {
        let settings = settings(args, &run, filter, step);
        logs::print(&run, settings, BufWriter::with_capacity(64 * 1024, stdio::stdout()), out::audience())
    } else {
        print_last(args, &run, step.as_deref())
    };
    match printed {
        Ok(false) => Ok(ExitCode::SUCCESS),
        Ok(true) => Ok(ExitCode::from(exit::INFRASTRUCTURE)),
        Err(error) => out::unfinished(error),
    }
}

fn filter(args: &LogsArgs) -> Result<LineFilter, Failure> {
    let pattern =
        |text: &String| Regex::new(text).map_err(|error| Failure::usage(format!("--grep: {error}")));
    Ok(LineFilter {
        since: args.since.map(|since| since.before(record::now())),
        stream: args.stream.map(Into::into),
        grep: args.grep.as_ref().map(pattern).transpose()?,
        timestamps: args.timestamps,
        terminal: io::stdout().is_terminal().then(|| use_colour(Color::Auto, true)),
    })
}

fn settings(args: &LogsArgs, run: &LocalRun, filter: LineFilter, step: Option<String>) -> LogSettings {
    let by_number = || AttemptFilter { attempt: args.attempt, ..AttemptFilter::default() };
    // A run that has only begun may not have the step yet; whether it comes is for the printer to find out.
    let (step, only) = match step {
        Some(name) => match select::reference(&record::view_of(run).0, &name, args.attempt) {
            Ok((step, only)) => (Some(step.plan.step.clone()), only),
            Err(_) => (Some(StepPath::new(name)), by_number()),
        },
        None => (None, by_number()),
    };
    let which = match only {
        only if !only.is_empty() => Which::Only(only),
        _ if args.all => Which::All,
        _ => Which::Last,
    };
    LogSettings { step, which, filter, tail: args.tail, follow: args.follow }
}

/// Prints the last attempt, or the one that was asked for, byte for byte: not to a terminal.
fn print_last(args: &LogsArgs, run: &LocalRun, step: Option<&str>) -> Result<bool, ReportError> {
    let (view, _) = record::view_of(run);
    let attempts = select::attempts(&view, step, args.attempt)?;
    if args.path {
        return logs::paths(run.record().as_ref(), &attempts, stdio::stdout(), out::audience());
    }
    let headed = step.is_none() && attempts.len() > 1;
    logs::copy(run.record().as_ref(), &attempts, headed, stdio::stdout(), out::audience())
}

/// What is meant: which run, and which step of it.
struct Target {
    run: LocalRun,
    step: Option<String>,
}

/// Finds what is meant. The run may be left out: `roboppi logs build` is the step `build` of the last run.
fn find(root: &StateRoot, args: &LogsArgs) -> Result<Target, Failure> {
    match LocalRun::find(root, &args.run) {
        Ok(run) => Ok(Target { run, step: args.step.clone() }),
        Err(error) if args.step.is_none() => {
            let last =
                LocalRun::find(root, roboppi_record::LAST).map_err(|_| record::unknown(root, &error))?;
            let mut follower = RunFollower::of_journal(&last);
            let mut view = follower.begin();
            follower.read(|record| view.apply(&record));
            match view.find_step(&args.run) {
                Some(_) => Ok(Target { run: last, step: Some(args.run.clone()) }),
                None => Err(Failure::usage(format!(
                    "{error}, and the last run has no step of that name\nhint: {}, and `roboppi runs` lists the runs",
                    select::steps_in_words(&view)
                ))),
            }
        }
        Err(error) => Err(record::unknown(root, &error)),
    }
}

/// The run that has the log of a step: an earlier one when that did it and this one kept it.
pub(crate) fn origin(root: &StateRoot, run: LocalRun, step: &str) -> Result<LocalRun, Failure> {
    // What of the record is damaged is said by whoever reads it next.
    let view = run.record().view().unwrap_or_default();
    let Some(kept) = view.find_step(step).and_then(|(step, _)| step.kept.as_ref()) else { return Ok(run) };
    let origin = LocalRun::open(root, &kept.run).map_err(|error| {
        Failure::usage(format!("`{step}` was executed by run {}, which has its log: {error}", kept.run))
    })?;
    terminal::note(&format!("roboppi: {} was done by run {} and kept", terminal::plain(step), kept.run));
    Ok(origin)
}
