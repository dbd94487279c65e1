//! `roboppi logs`

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use regex::bytes::Regex;
use roboppi_attach::{Liveness, RunFollower};
use roboppi_ipc::UtcMillis;
use roboppi_record::{JournalFold, LogPiece, LogReader, RecordError, RunDir, StateRoot};
use roboppi_run::{AttemptView, RunView, StepId, StepView};

use crate::cli::{Color, LogsArgs, Since};
use crate::commands::workflow_file::use_colour;
use crate::commands::{out, record};
use crate::exit::{self, Failure};
use crate::stdio;
use crate::terminal;

mod lines;
mod missing;
mod printer;

use lines::Filter;
pub(crate) use lines::LONGEST;
use missing::Missing;
use printer::{Printer, Settings, Which};

/// Bytes read from a log at a time.
const PIECE: usize = 256 * 1024;

/// What is done about a run that is elsewhere.
pub(crate) const STILL_FOLLOWED: &str = "its output is shown until its record ends, or until Ctrl-C";

pub(crate) fn run(args: &LogsArgs) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    let filter = filter(args)?;
    let Target { mut run, step } = find(&root, args)?;
    if let Some(name) = &step {
        run = origin(&root, run, name)?;
    }
    let chosen = args.follow || args.all || args.tail.is_some() || !filter.is_plain();
    if chosen && !args.path {
        print_chosen(args, filter, run, step)
    } else {
        print_last(args, &run, step.as_deref())
    }
}

fn filter(args: &LogsArgs) -> Result<Filter, Failure> {
    let pattern =
        |text: &String| Regex::new(text).map_err(|error| Failure::usage(format!("--grep: {error}")));
    Ok(Filter {
        since: args.since.map(|since| match since {
            Since::Ago(time) => {
                UtcMillis(record::now().0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
            }
            Since::At(time) => time,
        }),
        stream: args.stream.map(Into::into),
        grep: args.grep.as_ref().map(pattern).transpose()?,
        timestamps: args.timestamps,
        terminal: io::stdout().is_terminal().then(|| use_colour(Color::Auto, true)),
    })
}

/// Prints some lines, or goes on printing until the run is over.
fn print_chosen(
    args: &LogsArgs,
    filter: Filter,
    run: RunDir,
    step: Option<String>,
) -> Result<ExitCode, Failure> {
    let which = match args.attempt {
        Some(number) => Which::Number(number),
        None if args.all => Which::All,
        None => Which::Last,
    };
    let step = step.map(StepId::new);
    let settings = Settings { step: step.clone(), which, filter, tail: args.tail, follow: args.follow };
    let mut follower = RunFollower::of_journal(run.clone());
    let dir = run.clone();
    let mut said_elsewhere = false;
    let mut printer = Printer::new(run, settings, BufWriter::new(stdio::stdout()));
    let mut view = follower.begin();
    let mut warned = 0;
    loop {
        let liveness = follower.read(|record| view.apply(&record));
        let problems = follower.problems();
        record::warn(&problems[warned.min(problems.len())..]);
        warned = problems.len();
        let over = !liveness.may_live() || !args.follow;
        if let Some(name) = &step
            && (over || view.head.is_some())
        {
            let step = find_step(&view, name.as_str())?;
            let has_it = |number| step.attempts.iter().any(|attempt| attempt.of.attempt == number);
            if over && (step.attempts.is_empty() || args.attempt.is_some_and(|number| !has_it(number))) {
                return Err(no_attempt(step, args.attempt));
            }
        }
        if let Some(number) = args.attempt
            && over
            && !view.steps.iter().flat_map(|step| &step.attempts).any(|attempt| attempt.of.attempt == number)
        {
            return Err(no_such_attempt(number));
        }
        match printer.advance(&view, over) {
            Ok(()) => {}
            Err(Print::Out(error)) => return out::ended(Err(error)),
            Err(Print::Record(error)) => return Err(Failure::record(error)),
        }
        if over {
            let code = printer.finish();
            if args.follow && liveness == Liveness::Lost {
                terminal::say("roboppi: the run is lost: its owner is gone and recorded no end");
            }
            return Ok(code);
        }
        if out::is_deserted() {
            return Ok(ExitCode::SUCCESS);
        }
        if !said_elsewhere && let Some(elsewhere) = record::elsewhere(&dir, liveness) {
            said_elsewhere = true;
            terminal::say(&format!("roboppi: {elsewhere}; {STILL_FOLLOWED}"));
        }
        follower.wait(printer.patience().unwrap_or(Duration::MAX));
    }
}

/// Prints the last attempt, or the one that was asked for, byte for byte: not to a terminal.
fn print_last(args: &LogsArgs, run: &RunDir, step: Option<&str>) -> Result<ExitCode, Failure> {
    let (view, _) = record::view_of(run);
    let attempts: Vec<&AttemptView> = match step {
        Some(name) => {
            let step = find_step(&view, name)?;
            let attempt = match args.attempt {
                Some(number) => step.attempts.iter().rev().find(|attempt| attempt.of.attempt == number),
                None => step.attempts.last(),
            };
            vec![attempt.ok_or_else(|| no_attempt(step, args.attempt))?]
        }
        None => {
            let chosen = |step: &'_ StepView| match args.attempt {
                Some(number) => step.attempts.iter().rposition(|attempt| attempt.of.attempt == number),
                None => step.attempts.len().checked_sub(1),
            };
            let steps = view.steps.iter();
            steps.filter_map(|step| step.attempts.get(chosen(step)?)).collect()
        }
    };
    if let Some(number) = args.attempt
        && attempts.is_empty()
    {
        return Err(no_such_attempt(number));
    }
    let several = step.is_none() && attempts.len() > 1;
    let mut out = stdio::stdout();
    let mut code = ExitCode::SUCCESS;
    for attempt in attempts {
        let printed = if args.path {
            run.log(&attempt.base)
                .map_err(Print::Record)
                .and_then(|log| writeln!(out, "{}", log.path().display()).map_err(Print::Out))
                .map(|()| false)
        } else {
            print(run, attempt, several, &mut out)
        };
        match printed {
            Ok(false) => {}
            Ok(true) => code = ExitCode::from(exit::INFRASTRUCTURE),
            Err(Print::Out(error)) => return out::ended(Err(error)),
            // The logs of other steps can still be read.
            Err(Print::Record(error)) => {
                terminal::say(&format!("error: {error}"));
                code = ExitCode::from(exit::INFRASTRUCTURE);
            }
        }
    }
    Ok(code)
}

/// The log of an attempt, which is compared with what the journal says when the attempt has ended.
pub(crate) fn open_log(run: &RunDir, attempt: &AttemptView) -> Result<LogReader, RecordError> {
    match record::recorded_files(attempt) {
        Some(files) => run.finished_log(&attempt.base, files),
        None => run.log(&attempt.base),
    }
}

enum Print {
    Out(io::Error),
    Record(RecordError),
}

/// What is meant: which run, and which step of it.
struct Target {
    run: RunDir,
    step: Option<String>,
}

/// Finds what is meant. The run may be left out: `roboppi logs build` is the step `build` of the last run.
fn find(root: &StateRoot, args: &LogsArgs) -> Result<Target, Failure> {
    let open = |text: &str| root.resolve(text).and_then(|id| root.open_run(&id));
    match open(&args.run) {
        Ok(run) => Ok(Target { run, step: args.step.clone() }),
        Err(error) if args.step.is_none() => {
            let last = open("-1").map_err(|_| record::unknown(root, &error))?;
            let mut follower = RunFollower::of_journal(last.clone());
            let mut view = follower.begin();
            follower.read(|record| view.apply(&record));
            match view.step(&args.run.as_str().into()) {
                Some(_) => Ok(Target { run: last, step: Some(args.run.clone()) }),
                None => Err(Failure::usage(format!(
                    "{error}, and the last run has no step of that name\nhint: {}, and `roboppi runs` lists the runs",
                    steps_of(&view)
                ))),
            }
        }
        Err(error) => Err(record::unknown(root, &error)),
    }
}

/// The run that has the log of a step: an earlier one when that did it and this one kept it.
pub(crate) fn origin(root: &StateRoot, run: RunDir, step: &str) -> Result<RunDir, Failure> {
    // What of the record is damaged is said by whoever reads it next.
    let view = run.view().map(JournalFold::into_view).unwrap_or_default();
    let Some(kept) = view.step(&step.into()).and_then(|step| step.kept.as_ref()) else { return Ok(run) };
    let origin = root.open_run(&kept.run).map_err(|error| {
        Failure::usage(format!("`{step}` was done by run {}, and its log was there: {error}", kept.run))
    })?;
    terminal::say(&format!("roboppi: {} was done by run {} and kept", terminal::plain(step), kept.run));
    Ok(origin)
}

/// A step of a run by its name.
pub(crate) fn find_step<'a>(view: &'a RunView, name: &str) -> Result<&'a StepView, Failure> {
    view.step(&name.into())
        .ok_or_else(|| Failure::usage(format!("the run has no step `{name}`\nhint: {}", steps_of(view))))
}

fn steps_of(view: &RunView) -> String {
    let names: Vec<&str> = view.steps.iter().map(|step| step.plan.step.as_str()).collect();
    format!("it has {}", if names.is_empty() { "none that is recorded".to_owned() } else { names.join(", ") })
}

fn no_such_attempt(number: u32) -> Failure {
    Failure::usage(format!("no step of the run has an attempt {number}"))
}

/// Says that there is no such attempt.
pub(crate) fn no_attempt(step: &StepView, number: Option<u32>) -> Failure {
    let name = &step.plan.step;
    match number {
        Some(number) => {
            Failure::usage(format!("`{name}` has no attempt {number}\nhint: it had {}", step.attempts.len()))
        }
        None => {
            Failure::usage(format!("`{name}` never started, so it wrote nothing ({})", step.state.name()))
        }
    }
}

/// Prints a log, byte for byte. What the record has lost is said on stderr, and so is damage, of which it is returned
/// whether there is any.
fn print(run: &RunDir, attempt: &AttemptView, headed: bool, out: &mut impl Write) -> Result<bool, Print> {
    let mut log = open_log(run, attempt).map_err(Print::Record)?;
    let mut missing = Missing::default();
    if headed && !log.is_empty() {
        writeln!(out, "==> {} <==", terminal::plain(&attempt.of.to_string())).map_err(Print::Out)?;
    }
    let mut offset = 0;
    let mut ends_line = true;
    let mut unread = false;
    while offset < log.len() {
        let part = log.part_end(offset);
        let most = part.and_then(|end| usize::try_from(end - offset).ok()).unwrap_or(PIECE);
        let piece = match (log.read(offset, most), part) {
            (Err(error), Some(end)) if error.is_damage() => {
                let of = terminal::plain(&attempt.of.to_string());
                terminal::say(&format!("error: bytes {offset} to {end} of the log of {of}: {error}"));
                (offset, unread) = (end, true);
                continue;
            }
            (piece, _) => piece.map_err(Print::Record)?,
        };
        match piece {
            LogPiece::Bytes(bytes) if bytes.is_empty() => break,
            LogPiece::Bytes(bytes) => {
                out.write_all(&bytes).map_err(Print::Out)?;
                ends_line = bytes.ends_with(b"\n");
                offset += bytes.len() as u64;
            }
            LogPiece::Lost { len } => {
                missing.add(&attempt.of, len, terminal::say);
                offset += len;
            }
        }
    }
    if headed && !ends_line {
        writeln!(out).map_err(Print::Out)?;
    }
    out.flush().map_err(Print::Out)?;
    missing.finish(&attempt.of, terminal::say);
    let damage = log.damage().map_err(Print::Record)?;
    missing::say_damage(&attempt.of, &damage);
    Ok(unread || !damage.is_empty())
}
