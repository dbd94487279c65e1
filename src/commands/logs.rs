//! `roboppi logs`

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use roboppi_journal::{LogPiece, RecordError, RunDir, StateRoot};
use roboppi_run::{RunRecord, RunView, StepView};

use crate::cli::LogsArgs;
use crate::exit::Failure;

/// Bytes read from a log at a time.
const PIECE: usize = 256 * 1024;

pub(crate) fn run(args: &LogsArgs) -> Result<ExitCode, Failure> {
    let root = StateRoot::locate(|name| env::var_os(name)).ok_or_else(|| {
        Failure::usage("there is no HOME and no ROBOPPI_STATE_DIR, so there are no runs to find")
    })?;
    let Target { run, step } = find(&root, args)?;
    let view = view_of(&run).map_err(Failure::own)?;
    let attempts: Vec<&roboppi_run::AttemptView> = match &step {
        Some(name) => {
            let step = find_step(&view, name)?;
            let attempt = match args.attempt {
                Some(number) => step.attempts.iter().rev().find(|attempt| attempt.of.attempt == number),
                None => step.attempts.last(),
            };
            vec![attempt.ok_or_else(|| no_attempt(step, args.attempt))?]
        }
        None => view.steps.iter().filter_map(|step| step.attempts.last()).collect(),
    };
    let several = step.is_none() && attempts.len() > 1;
    let mut out = io::stdout().lock();
    for attempt in attempts {
        let printed = if args.path {
            let path = run.path().join(format!("{}.log", attempt.base));
            writeln!(out, "{}", path.display()).map_err(Print::Out)
        } else {
            print(&run, attempt, several, &mut out)
        };
        match printed {
            Ok(()) => {}
            // Whoever read it has seen enough.
            Err(Print::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(Print::Out(error)) => return Err(Failure::own(format!("stdout: {error}"))),
            Err(Print::Record(error)) => return Err(Failure::own(error)),
        }
    }
    Ok(ExitCode::SUCCESS)
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
            let last = open("-1").map_err(Failure::usage)?;
            let view = view_of(&last).map_err(Failure::own)?;
            match view.step(&args.run.as_str().into()) {
                Some(_) => Ok(Target { run: last, step: Some(args.run.clone()) }),
                None => Err(Failure::usage(error)),
            }
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

fn view_of(run: &RunDir) -> Result<RunView, RecordError> {
    let mut view = RunView::default();
    for record in run.journal()? {
        view.apply(&RunRecord::Journal(record?));
    }
    Ok(view)
}

fn find_step<'a>(view: &'a RunView, name: &str) -> Result<&'a StepView, Failure> {
    view.step(&name.into()).ok_or_else(|| {
        let names: Vec<&str> = view.steps.iter().map(|step| step.plan.step.as_str()).collect();
        Failure::usage(format!("the run has no step `{name}`\nhint: it has {}", names.join(", ")))
    })
}

fn no_attempt(step: &StepView, number: Option<u32>) -> Failure {
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

/// Prints a log, byte for byte. A stretch the record has lost is said on stderr.
fn print(
    run: &RunDir,
    attempt: &roboppi_run::AttemptView,
    headed: bool,
    out: &mut impl Write,
) -> Result<(), Print> {
    let mut log = run.log(&attempt.base).map_err(Print::Record)?;
    log.refresh().map_err(Print::Record)?;
    if log.is_empty() {
        return Ok(());
    }
    if headed {
        writeln!(out, "==> {} <==", attempt.of).map_err(Print::Out)?;
    }
    let mut offset = 0;
    let mut ends_line = true;
    while offset < log.len() {
        match log.read(offset, PIECE).map_err(Print::Record)? {
            LogPiece::Bytes(bytes) if bytes.is_empty() => break,
            LogPiece::Bytes(bytes) => {
                out.write_all(&bytes).map_err(Print::Out)?;
                ends_line = bytes.ends_with(b"\n");
                offset += bytes.len() as u64;
            }
            LogPiece::Lost { len } => {
                crate::terminal::say(&format!("roboppi: {len} bytes of {} were not recorded", attempt.of));
                offset += len;
            }
        }
    }
    if headed && !ends_line {
        writeln!(out).map_err(Print::Out)?;
    }
    out.flush().map_err(Print::Out)
}
