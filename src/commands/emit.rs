//! `roboppi emit`: a program records itself.

use std::env;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{Beginning, EmitError, EmittedRun, LocalRun};
use roboppi_ingest::{EMITTED, Emission, Ending, Figures, StepUpdate, claude, codex};
use roboppi_ipc::WorkerKind;
use roboppi_record::StateRoot;
use serde_json::Value;

use crate::commands::{completion, out, record};
use crate::exit::{Failure, REFUSED};
use crate::options::values::duration;
use crate::terminal;

mod lines;

/// The variable that names the run of all calls.
const RUN: &str = "ROBOPPI_EMIT_RUN";

/// Bytes of the input of a hook.
const LONGEST_HOOK: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(subcommand_required = false, arg_required_else_help = true)]
#[command(after_help = "Examples:
  export ROBOPPI_EMIT_RUN=$(roboppi emit start deploy)
  roboppi emit step upload && rsync … && roboppi emit step upload ok
  roboppi emit complete

  my-program | roboppi emit --stdin --name my-program")]
pub(crate) struct EmitArgs {
    /// The run to report to: its handle such as r17, its id, or a unique prefix of it [default: ROBOPPI_EMIT_RUN]
    #[arg(long, global = true, value_name = "RUN", allow_hyphen_values = true, add = ArgValueCompleter::new(completion::runs))]
    run: Option<String>,
    /// Report to the run that has this key, and begin one when there is none or it is over
    #[arg(long, global = true, value_name = "KEY", conflicts_with = "run")]
    key: Option<String>,
    /// The step that a report belongs to [default: the one that began last, or `main`]
    #[arg(long, global = true, value_name = "STEP")]
    step: Option<String>,
    /// The kind of worker of steps that begin, such as CLAUDE_CODE
    #[arg(long, global = true, value_name = "KIND", value_parser = kind)]
    worker: Option<WorkerKind>,
    /// Time without a report after which a run that begins now is lost
    #[arg(long, global = true, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    silent_after: Duration,
    /// Read reports from stdin, one JSON object per line, as long as the program lives
    #[arg(long)]
    stdin: bool,
    /// Name of a run that begins with --stdin or --key [default: the name of the current directory]
    #[arg(long, global = true, value_name = "NAME")]
    name: Option<String>,
    #[command(subcommand)]
    command: Option<EmitCommand>,
}

fn kind(text: &str) -> Result<WorkerKind, String> {
    WorkerKind::new(text).map_err(|error| error.to_string())
}

fn ending(text: &str) -> Result<Ending, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| "one of succeeded (ok), failed (error), cancelled, skipped, timed_out, lost".to_owned())
}

fn json(text: &str) -> Result<Value, String> {
    // What is no JSON is a text.
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

#[derive(Debug, Subcommand)]
enum EmitCommand {
    /// Begin a run, and print its handle
    Start {
        /// Its name [default: the name of the current directory]
        #[arg(id = "title", value_name = "NAME")]
        name: Option<String>,
        /// A step that it is going to do. May be repeated
        #[arg(long, value_name = "STEP")]
        plan: Vec<String>,
    },
    /// Report what is being done; without a text, leave a sign of life
    Activity {
        /// The text
        text: Option<String>,
    },
    /// Report that a tool is called, and print the id of the call
    ToolCall {
        /// The tool
        tool: String,
        /// The id of the call [default: a new one]
        #[arg(long)]
        id: Option<String>,
        /// What the tool is given, as JSON or as a text
        #[arg(long, value_name = "JSON", value_parser = json)]
        input: Option<Value>,
        /// The call has succeeded already
        #[arg(long, conflicts_with = "failed")]
        ok: bool,
        /// The call has failed already
        #[arg(long)]
        failed: bool,
        /// Time it took
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// Report the result of a tool call
    ToolResult {
        /// The id of the call
        id: String,
        /// The call has failed
        #[arg(long)]
        failed: bool,
        /// The result
        #[arg(long, default_value = "")]
        text: String,
        /// Time it took [default: the time since the call]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// Report that a step begins or, with a state, that it has ended
    Step {
        /// The step
        #[arg(id = "named", value_name = "STEP")]
        step: String,
        /// How it ended: succeeded (ok), failed (error), cancelled, skipped, timed_out, lost
        #[arg(value_parser = ending)]
        state: Option<Ending>,
        /// The reason, for people
        #[arg(long)]
        detail: Option<String>,
        /// Time it took [default: the time since its beginning]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// Report progress
    Progress {
        /// The message
        message: String,
        /// 0 to 100
        #[arg(long)]
        percent: Option<f64>,
    },
    /// Report a measured value
    Metric {
        /// The name
        #[arg(id = "metric", value_name = "NAME")]
        name: String,
        /// The value
        #[arg(allow_negative_numbers = true)]
        value: f64,
        /// The unit
        #[arg(long, default_value = "")]
        unit: String,
    },
    /// Report the tokens and the cost so far, in total
    Usage {
        /// Tokens read by the model
        #[arg(long, default_value_t = 0)]
        input_tokens: u64,
        /// Tokens written by the model
        #[arg(long, default_value_t = 0)]
        output_tokens: u64,
        /// Tokens read from the cache
        #[arg(long, default_value_t = 0)]
        cache_read_tokens: u64,
        /// Cost in US dollars
        #[arg(long)]
        cost_usd: Option<f64>,
    },
    /// Report an error that does not end the run
    Error {
        /// The message
        message: String,
    },
    /// End the run
    Complete {
        /// How it ended: succeeded (ok), failed (error), cancelled, timed_out, lost
        #[arg(default_value = "succeeded", value_parser = ending)]
        outcome: Ending,
        /// The reason, for people
        #[arg(long)]
        detail: Option<String>,
    },
    /// Read the input of a Claude Code hook from stdin: the hooks of a session are one run
    ClaudeHook,
    /// Read a notification of Codex: a turn is one run
    CodexNotify {
        /// The notification
        notification: String,
    },
}

pub(crate) fn run(args: &EmitArgs) -> Result<ExitCode, Failure> {
    if args.stdin {
        if args.command.is_some() {
            return Err(Failure::usage(
                "--stdin and a report exclude each other: reports are read from stdin",
            ));
        }
        return lines::record(args);
    }
    match &args.command {
        None => Err(Failure::usage("there is nothing to report; `roboppi emit --help` lists the reports")),
        Some(EmitCommand::Start { name, plan }) => start(args, name.as_ref(), plan),
        // A program must not be held up by the exit code of its hook: 2 would forbid what it is about to do.
        Some(EmitCommand::ClaudeHook) => Ok(quietly(claude_hook(args))),
        Some(EmitCommand::CodexNotify { notification }) => Ok(quietly(codex_notify(args, notification))),
        Some(command) => report(args, command),
    }
}

/// Reports a failure, and gives an exit code that stops no agent.
fn quietly(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = failure.report();
            ExitCode::from(REFUSED)
        }
    }
}

impl EmitArgs {
    fn beginning(&self, name: Option<&String>, workspace: Option<PathBuf>, silent: bool) -> Beginning {
        let workspace = workspace.or_else(|| env::current_dir().ok()).unwrap_or_default();
        let base = || workspace.file_name().map(|name| name.to_string_lossy().into_owned());
        Beginning {
            name: name.or(self.name.as_ref()).cloned().or_else(base).unwrap_or_else(|| "emitted".to_owned()),
            arguments: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            silent_after: silent.then_some(self.silent_after),
            workspace,
        }
    }

    fn worker(&self) -> WorkerKind {
        self.worker.unwrap_or(EMITTED)
    }

    /// The run that a report is for.
    fn find(&self) -> Result<EmittedRun, Failure> {
        let root = record::root()?;
        if let Some(key) = &self.key {
            return join(&root, key, &self.beginning(None, None, true));
        }
        let text = self.run.clone().or_else(|| env::var(RUN).ok().filter(|run| !run.is_empty()));
        let Some(text) = text else {
            return Err(Failure::usage(format!(
                "no run is named: give --run RUN or --key KEY, or set {RUN}"
            ))
            .hint(&format!("export {RUN}=$(roboppi emit start NAME) begins a run for all calls")));
        };
        let run = LocalRun::find(&root, &text).map_err(|error| record::unknown(&root, &error))?;
        EmittedRun::open(&run).map_err(failure)
    }
}

fn join(root: &StateRoot, key: &str, beginning: &Beginning) -> Result<EmittedRun, Failure> {
    EmittedRun::join(root, key, beginning, record::now()).map_err(failure)
}

fn failure(error: EmitError) -> Failure {
    match error {
        EmitError::Record(error) => Failure::infrastructure(error),
        EmitError::NotEmitted(_) => Failure::usage(error),
        EmitError::Refused { .. } => Failure::refused(error),
    }
}

fn start(args: &EmitArgs, name: Option<&String>, plan: &[String]) -> Result<ExitCode, Failure> {
    let root = record::root()?;
    let beginning = args.beginning(name, None, true);
    let mut run = match &args.key {
        Some(key) => join(&root, key, &beginning)?,
        None => EmittedRun::begin(&root, &beginning, record::now()).map_err(failure)?,
    };
    let emission = Emission::Start { name: None, steps: plan.to_vec() };
    run.report(args.worker(), record::now(), [emission]).map_err(failure)?;
    out::print(&format!("{}\n", run.name()))
}

fn report(args: &EmitArgs, command: &EmitCommand) -> Result<ExitCode, Failure> {
    let mut run = args.find()?;
    let (emissions, printed) = emissions(command, args.step.as_ref());
    run.report(args.worker(), record::now(), emissions).map_err(failure)?;
    out::print(&printed)
}

fn millis(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The reports of a command, and what it prints.
fn emissions(command: &EmitCommand, step: Option<&String>) -> (Vec<Emission>, String) {
    let step = step.cloned();
    let emission = match command {
        EmitCommand::Activity { text } => Emission::Activity { text: text.clone().unwrap_or_default(), step },
        EmitCommand::ToolCall { tool, id, input, ok, failed, duration } => {
            let new = || uuid::Uuid::now_v7().simple().to_string();
            let id = id.clone().unwrap_or_else(new);
            let call = Emission::ToolCall {
                id: id.clone(),
                tool: tool.clone(),
                input: input.clone().unwrap_or_default(),
                parent: None,
                step: step.clone(),
            };
            let printed = format!("{}\n", terminal::plain(&id));
            let duration_ms = millis(*duration);
            let result = Emission::ToolResult { id, ok: *ok, text: String::new(), duration_ms, step };
            let is_over = *ok || *failed;
            return (std::iter::once(call).chain(is_over.then_some(result)).collect(), printed);
        }
        EmitCommand::ToolResult { id, failed, text, duration } => Emission::ToolResult {
            id: id.clone(),
            ok: !failed,
            text: text.clone(),
            duration_ms: millis(*duration),
            step,
        },
        EmitCommand::Step { step, state, detail, duration } => Emission::Step(StepUpdate {
            step: step.clone(),
            state: *state,
            detail: detail.clone(),
            duration_ms: millis(*duration),
        }),
        EmitCommand::Progress { message, percent } => {
            Emission::Progress { message: message.clone(), percent: *percent, phase: None, step }
        }
        EmitCommand::Metric { name, value, unit } => {
            Emission::Metric { name: name.clone(), value: *value, unit: unit.clone(), step }
        }
        EmitCommand::Usage { input_tokens, output_tokens, cache_read_tokens, cost_usd } => {
            Emission::Usage(Figures {
                input_tokens: *input_tokens,
                output_tokens: *output_tokens,
                cache_read_tokens: *cache_read_tokens,
                cost_usd: *cost_usd,
            })
        }
        EmitCommand::Error { message } => Emission::Error { message: message.clone(), step },
        EmitCommand::Complete { outcome, detail } => {
            Emission::Complete { outcome: *outcome, detail: detail.clone() }
        }
        EmitCommand::Start { .. } | EmitCommand::ClaudeHook | EmitCommand::CodexNotify { .. } => {
            return (Vec::new(), String::new());
        }
    };
    (vec![emission], String::new())
}

fn claude_hook(args: &EmitArgs) -> Result<(), Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST_HOOK).read_to_string(&mut text);
    read.map_err(|error| Failure::infrastructure(format!("stdin: {error}")))?;
    let hook = claude::hook(&text).map_err(Failure::usage)?;
    let root = record::root()?;
    let beginning = args.beginning(args.name.as_ref(), hook.cwd.map(PathBuf::from), true);
    let mut run = match &args.run {
        Some(_) => args.find()?,
        None => join(&root, &format!("claude:{}", hook.session), &beginning)?,
    };
    run.report(args.worker.unwrap_or(claude::WORKER), record::now(), hook.emissions).map_err(failure)
}

fn codex_notify(args: &EmitArgs, notification: &str) -> Result<(), Failure> {
    let Some(turn) = codex::turn(notification).map_err(Failure::usage)? else { return Ok(()) };
    let root = record::root()?;
    let beginning = args.beginning(args.name.as_ref(), turn.cwd.map(PathBuf::from), true);
    let mut run = EmittedRun::begin(&root, &beginning, record::now()).map_err(failure)?;
    run.report(args.worker.unwrap_or(codex::WORKER), record::now(), turn.emissions).map_err(failure)
}
