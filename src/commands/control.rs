//! `roboppi cancel`, `retry` and `skip`: what is requested of a run that another process owns.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{Answer, AskError, Liveness, LocalRun, RunFollower, RunSummary, ask};
use roboppi_report::runs::{self, ListStyle};
use roboppi_report::select;
use roboppi_run::RunCommand;

use crate::commands::completion::{self, steps};
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one [default: the live one]
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(completion::live_runs))]
    pub(crate) run: Option<String>,
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
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(completion::live_runs))]
    pub(crate) run: String,
    /// The step
    #[arg(add = ArgValueCompleter::new(steps))]
    pub(crate) step: String,
}

pub(crate) fn cancel(args: &CancelArgs) -> Result<ExitCode, Failure> {
    let run = meant(args.run.as_deref())?;
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
    bring(&meant(Some(&args.run))?, RunCommand::RetryStep(args.step.as_str().into()))
}

pub(crate) fn skip(args: &StepArgs) -> Result<ExitCode, Failure> {
    bring(&meant(Some(&args.run))?, RunCommand::SkipStep(args.step.as_str().into()))
}

/// The run that is to be changed. A number means the last run, and none means the one that is live: where several are
/// live, another one may have begun since the command was typed.
fn meant(text: Option<&str>) -> Result<LocalRun, Failure> {
    let by_number = |text: &str| text.strip_prefix('-').is_some_and(|digits| digits.parse::<usize>().is_ok());
    if let Some(text) = text.filter(|text| !by_number(text)) {
        return record::find(text);
    }
    let root = record::root()?;
    let mut live = RunSummary::all(&root, record::now()).map_err(Failure::own)?;
    live.retain(|run| run.liveness == Liveness::Live);
    match (live.as_slice(), text) {
        ([_, _, ..], _) => Err(Failure::usage(format!(
            "{} runs are live: name the one that is meant\n{}",
            live.len(),
            runs::list(&live, record::now(), &ListStyle::default()).trim_end()
        ))),
        (_, Some(text)) => record::find(text),
        ([run], None) => Ok(run.local.clone()),
        ([], None) => Err(Failure::usage("no run is live\nhint: `roboppi runs` lists the runs")),
    }
}

fn bring(run: &LocalRun, command: RunCommand) -> Result<ExitCode, Failure> {
    let (view, _) = record::view_of(run);
    if let RunCommand::CancelStep(step) | RunCommand::RetryStep(step) | RunCommand::SkipStep(step) = &command
        && view.head.is_some()
    {
        select::step(&view, step.as_str())?;
    }
    let words = command.in_words();
    let is_retry = matches!(command, RunCommand::RetryStep(_));
    match ask(run, command) {
        Ok(Answer::Granted) => {
            let workflow = view.head.as_ref().map(|head| format!(" ({})", terminal::plain(&head.name)));
            out::print(&format!("requested {}{} to {words}\n", run.name(), workflow.unwrap_or_default()))
        }
        Ok(Answer::Unknown(other)) => Err(Failure::infrastructure(format!(
            "asked to {words}, and the owner of the run answers `{}`, which this version does not know: watch the run for the outcome",
            other.tag
        ))),
        Ok(Answer::Refused { why }) => Err(Failure::refused(format!("cannot {words}: {why}"))),
        Err(error @ AskError::Over(_)) if is_retry => {
            let hint = view.resume_command().map(|command| format!("\nhint: to go on with it: {command}"));
            Err(Failure::refused(format!("cannot {words}: {error}{}", hint.unwrap_or_default())))
        }
        Err(error @ (AskError::Over(_) | AskError::Elsewhere { .. } | AskError::NoSocket { .. })) => {
            Err(Failure::refused(format!("cannot {words}: {error}")))
        }
        Err(error) => Err(Failure::infrastructure(format!("cannot {words}: {error}"))),
    }
}
