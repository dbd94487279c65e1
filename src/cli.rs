//! What can be typed: a table of contents. The arguments of a command stand beside it, in [`commands`](crate::commands).

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Args as _, FromArgMatches as _, Parser, Subcommand};
use nix::sys::stat::{SFlag, fstat};

use crate::commands::record;
use crate::commands::{
    agent_run, artifacts, attach, completions, control, core, dashboard, diff, doctor, emit, events, export,
    guard, host, hosts, import, init, logs, man, mask, on, replay, runs, serve, show, stats, watch, workers,
    workflow_fmt, workflow_graph, workflow_list, workflow_run, workflow_schema, workflow_validate,
};
use crate::exit::Failure;
use crate::terminal::note;
use crate::view;

mod answer;
mod meant;
mod normalise;

use normalise::normalised;

/// Runs coding agents and commands as steps of a workflow, shows what they do, terminates them reliably, and
/// records everything.
#[derive(Debug, Parser)]
#[command(name = "roboppi", version, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "Examples:
  roboppi workflow run build.yaml             run a workflow, with a live screen in a terminal
  roboppi workflow run build.yaml --no-tui    the same in a CI job
  roboppi workflow validate build.yaml        show all errors of a workflow
  roboppi run --worker claude-code \"…\"        run an agent on a single task, and print its answer
  roboppi dashboard                           all runs on one screen; also `roboppi` alone while runs are live
  roboppi logs                                output of the last run")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first workflow for the project in the current directory
    Init(init::InitArgs),
    /// Run, check, list, draw or format workflows
    #[command(visible_alias = "wf", arg_required_else_help = true)]
    Workflow {
        #[command(subcommand)]
        command: WorkflowCommand,
    },
    /// Run an agent on a single task, and print its answer
    #[command(visible_alias = "agent")]
    Run(Box<agent_run::AgentArgs>),
    /// Run a command on other hosts, all at once, with its live output
    On(Box<on::OnArgs>),
    /// List the hosts of the configuration file: state, version, latency, clock and what runs there
    Hosts(hosts::HostsArgs),
    /// Check the state directory, the workers, the terminal and the configuration
    Doctor(doctor::DoctorArgs),
    /// List the kinds of workers: path and version of those that are installed, how to install the others, and other cores
    Workers(workers::WorkersArgs),
    /// Show all runs on one screen: what they do, what failed, and what waits for you
    Dashboard(dashboard::DashboardArgs),
    /// Attach to a run, live or finished, with the view of its own terminal
    Attach(attach::AttachArgs),
    /// Replay a finished run, at any speed
    Replay(replay::ReplayArgs),
    /// Cancel a run, or one of its steps
    Cancel(control::CancelArgs),
    /// Retry a failed step of a live run
    Retry(control::StepArgs),
    /// Skip a step of a live run that has not started; dependent steps continue
    Skip(control::StepArgs),
    /// Print the logs of a run
    Logs(logs::LogsArgs),
    /// List the artifacts of a run: size, path, and whether they are unchanged; or copy them
    Artifacts(artifacts::ArtifactsArgs),
    /// Show a summary of a run: failures with their reasons, steps, times and files
    Show(show::ShowArgs),
    /// Print which files the agents of a run changed, and how
    Diff(diff::DiffArgs),
    /// Print the events of a run and its steps, one per line
    Events(events::EventsArgs),
    /// List runs, newest first, and manage them
    #[command(visible_alias = "ls")]
    Runs(runs::RunsArgs),
    /// Count runs, steps, agents and tools: successes, failures, times and rates
    Stats(Box<stats::StatsArgs>),
    /// Serve the runs to browsers and programs: a page, an API, live events
    Serve(Box<serve::ServeArgs>),
    /// Report to a run from any program, which records itself: steps, tool calls, progress, errors
    Emit(Box<emit::EmitArgs>),
    /// Follow files of other programs, such as logs, into runs
    Watch(Box<watch::WatchArgs>),
    /// Mask a value from stdin, from now on and everywhere in the run; for use in steps
    Mask(mask::MaskArgs),
    /// Export a run as an archive, a report or a trace, or the log of a step
    Export(export::ExportArgs),
    /// Import a run that was exported on another machine
    Import(import::ImportArgs),
    /// Print the completion script for a shell, which completes commands, runs and steps
    Completions(completions::CompletionsArgs),
    /// Print the manual page of a command, for `man -l -`
    #[command(hide = true)]
    Man(man::ManArgs),
    /// Run as the core of a supervisor: JSON lines on stdin and stdout
    Core(core::CoreArgs),
    /// Keep what a run does on this host: frames on stdin and stdout, as a carrier starts it
    #[command(hide = true)]
    Host(host::HostArgs),
    /// Run another program under a guard, like a core
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Run a workflow (`roboppi workflow FILE` is short for it)
    Run(Box<workflow_run::RunArgs>),
    /// Show all errors of a workflow file, and run nothing
    Validate(workflow_validate::ValidateArgs),
    /// List the workflow files of a directory, each with its last run
    List(workflow_list::ListArgs),
    /// Print the plan of a workflow as a graph: for a terminal, Graphviz, Mermaid or a program
    Graph(workflow_graph::GraphArgs),
    /// Format workflow files: order of keys, indentation, quotation marks; comments stay
    Fmt(workflow_fmt::FmtArgs),
    /// Print the JSON Schema of workflow files, for editors
    Schema(workflow_schema::SchemaArgs),
}

impl Cli {
    /// Reads the command line of this process. `Err` carries the exit code when there is nothing to do:
    /// help and version were printed, or what is wrong.
    pub(crate) fn from_process() -> Result<Self, ExitCode> {
        let args: Vec<OsString> = env::args_os().collect();
        let terminals = io::stdin().is_terminal() && io::stderr().is_terminal();
        let is_fed = !terminals && is_fed();
        if args.len() == 1 && is_fed {
            note(
                "roboppi: without a command this is a core, which reads messages; `roboppi --help` lists the commands",
            );
        }
        let mut meant = normalised(args.clone(), is_fed);
        if meant.len() == 1 && is_dashboard_wanted() {
            meant.push("dashboard".into());
        }
        if let Some(run) = Self::of_run(&meant) {
            return Ok(run);
        }
        Self::try_parse_from(meant).map_err(|error| answer::instead(&error, &args))
    }

    /// Reads `workflow run` without a description of all other commands, which takes longer than to read the arguments.
    /// `None` when it is another command, or there is something to be said instead.
    fn of_run(args: &[OsString]) -> Option<Self> {
        let [_, command, verb, rest @ ..] = args else { return None };
        if (command != "workflow" && command != "wf") || verb != "run" {
            return None;
        }
        let command = workflow_run::RunArgs::augment_args(clap::Command::new("run").no_binary_name(true));
        let run = workflow_run::RunArgs::from_arg_matches(&command.try_get_matches_from(rest).ok()?).ok()?;
        Some(Self { command: Command::Workflow { command: WorkflowCommand::Run(Box::new(run)) } })
    }
}

impl WorkflowCommand {
    fn run(&self) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(args) => workflow_run::run(args),
            Self::Validate(args) => workflow_validate::run(args),
            Self::List(args) => workflow_list::run(args),
            Self::Graph(args) => workflow_graph::run(args),
            Self::Fmt(args) => workflow_fmt::run(args),
            Self::Schema(args) => workflow_schema::run(args),
        }
    }
}

impl Command {
    /// Does what was typed.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        match self {
            Self::Init(args) => init::run(args),
            Self::Workflow { command } => command.run(),
            Self::Run(args) => agent_run::run(args),
            Self::On(args) => on::run(args),
            Self::Hosts(args) => hosts::run(args),
            Self::Doctor(args) => doctor::run(args),
            Self::Workers(args) => workers::run(args),
            Self::Dashboard(args) => dashboard::run(args),
            Self::Attach(args) => attach::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Cancel(args) => control::cancel(args),
            Self::Retry(args) => control::retry(args),
            Self::Skip(args) => control::skip(args),
            Self::Logs(args) => logs::run(args),
            Self::Artifacts(args) => artifacts::run(args),
            Self::Show(args) => show::run(args),
            Self::Diff(args) => diff::run(args),
            Self::Events(args) => events::run(args),
            Self::Runs(args) => runs::run(args),
            Self::Stats(args) => stats::run(args),
            Self::Serve(args) => serve::run(args),
            Self::Emit(args) => emit::run(args),
            Self::Watch(args) => watch::run(args),
            Self::Mask(args) => mask::run(args),
            Self::Export(args) => export::run(args),
            Self::Import(args) => import::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args, <Cli as clap::CommandFactory>::command()),
            Self::Core(args) => core::run(args),
            Self::Host(args) => host::run(args),
            Self::Guard(args) => guard::run(args),
        }
    }
}

/// Whether the program without a command shows all runs: in a terminal, when some are live.
fn is_dashboard_wanted() -> bool {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let terminal = terminal && !view::is_dumb() && !view::is_ci();
    terminal && record::state_root().is_some_and(|root| dashboard::any_live(&root))
}

/// Whether something may speak to this process as a supervisor does: an old one starts a core without arguments, and gives
/// it a pipe, or a pair of sockets, as standard input, or names a socket. What comes from a file or from nowhere is no supervisor.
fn is_fed() -> bool {
    let is_named = ["ROBOPPI_IPC_SOCKET_PATH", "ROBOPPI_IPC_SOCKET_PORT"];
    let kind = fstat(io::stdin()).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
    kind.is_ok_and(|kind| kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK)
        || is_named.iter().any(|name| env::var_os(name).is_some())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_verb_wins_over_a_file_of_that_name() {
        let cli = Cli::try_parse_from(["roboppi", "workflow", "validate", "run"]).unwrap();
        assert!(matches!(cli.command, Command::Workflow { command: WorkflowCommand::Validate(_) }));
    }

    #[test]
    fn a_run_is_read_in_the_same_way_alone() {
        let words = |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
        for line in [
            "",
            "a.yaml",
            "--no-tui a.yaml --direct --grace 300ms",
            "--output json --supervised -w here -- -a.yaml",
            "a.yaml --stream --color never --log-limit 2GiB --resume -1",
        ] {
            for start in ["roboppi workflow run", "roboppi wf run"] {
                let args = words(&format!("{start} {line}"));
                let alone = Cli::of_run(&args).unwrap();
                let among_all = Cli::try_parse_from(args).unwrap();
                assert_eq!(format!("{alone:?}"), format!("{among_all:?}"));
            }
        }
        for line in ["workflow run --help", "workflow run a b", "workflow validate a", "runs"] {
            assert!(Cli::of_run(&words(&format!("roboppi {line}"))).is_none(), "{line}");
        }
    }

    #[test]
    fn unknown_flags_are_errors() {
        let args = ["roboppi", "workflow", "run", "a.yaml", "--supervized"];
        let error = Cli::try_parse_from(args).unwrap_err().to_string();
        assert!(error.contains("--supervised"), "{error}");
    }
}
