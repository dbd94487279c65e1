//! `roboppi cancel`, `retry` and `skip`: what is requested of a run that another process owns.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{Answer, AskError, LocalRun, RunFollower, ask};
use roboppi_report::select;
use roboppi_run::RunCommand;

use crate::commands::completion::{runs, steps};
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its id, a unique prefix of it, or -1 for the last one, -2 for the one before
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
    /// The run: its id, a unique prefix of it, or -1 for the last one, -2 for the one before
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(runs))]
    pub(crate) run: String,
    /// The step
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: String,
}

pub(crate) fn cancel(args: &CancelArgs) -> Result<ExitCode, Failure> {
    let run = record::find(&args.run)?;
    let command = match &args.step {
        Some(step) => RunCommand::CancelStep(step.as_str().into()),
        None => RunCommand::CancelRun { force: args.force },
    };
    bring(&run, command)?;
    if args.wait {
        let mut follower = RunFollower::of_journal(&run);
        let mut noted = false;
        loop {
            let liveness = follower.liveness();
            if !liveness.may_live() {
                break;
            }
            if let Some(elsewhere) = record::elsewhere(&run, liveness).filter(|_| !noted) {
                noted = true;
                terminal::note(&format!("roboppi: {elsewhere}; this waits until its record ends"));
            }
            follower.wait(Duration::MAX);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn retry(args: &StepArgs) -> Result<ExitCode, Failure> {
    bring(&record::find(&args.run)?, RunCommand::RetryStep(args.step.as_str().into()))
}

pub(crate) fn skip(args: &StepArgs) -> Result<ExitCode, Failure> {
    bring(&record::find(&args.run)?, RunCommand::SkipStep(args.step.as_str().into()))
}

fn bring(run: &LocalRun, command: RunCommand) -> Result<ExitCode, Failure> {
    let (view, _) = record::view_of(run);
    if let RunCommand::CancelStep(step) | RunCommand::RetryStep(step) | RunCommand::SkipStep(step) = &command
        && view.head.is_some()
    {
        select::step(&view, step.as_str())?;
    }
    let words = command.in_words();
    match ask(run, command) {
        Ok(Answer::Granted) => out::print(&format!("requested {} to {words}\n", run.name())),
        Ok(Answer::Unknown(other)) => Err(Failure::infrastructure(format!(
            "asked to {words}, and the owner of the run answers `{}`, which this version does not know: watch the run for the outcome",
            other.tag
        ))),
        Ok(Answer::Refused { why }) => Err(Failure::refused(format!("cannot {words}: {why}"))),
        Err(error @ (AskError::Over(_) | AskError::Elsewhere { .. } | AskError::NoSocket { .. })) => {
            Err(Failure::refused(format!("cannot {words}: {error}")))
        }
        Err(error) => Err(Failure::infrastructure(format!("cannot {words}: {error}"))),
    }
}
