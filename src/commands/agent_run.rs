//! `roboppi run`

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_ipc::{Capability, WorkerKind};
use roboppi_run::shell_word;
use roboppi_supervisor::WorkflowFile;
use roboppi_workflow::{OnLimit, WorkerKinds, parse_within};
use serde_json::{Map, Value, json};

use crate::commands::workflow_file::is_workflow_name;
use crate::commands::workflow_run::{self, Begun, EarlyCore, Purpose};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::stdio;
use crate::terminal;
use crate::view;

mod args;
mod setup;

pub(crate) use args::AgentArgs;

/// Longest instructions that are read.
const LONGEST: u64 = 4 * 1024 * 1024;

/// How long stdin may be silent before that is said.
const SILENCE: Duration = Duration::from_secs(1);

/// Name of the only step.
const STEP: &str = "agent";

pub(crate) fn run(args: &AgentArgs) -> Result<ExitCode, Failure> {
    let view = view::choose_view_of_run(&args.how)?;
    let (kind, cores) = (args.worker, Cores::for_run(&args.how)?);
    cores.check(kind)?;
    let legacy = [("--timeout", Some(args.timeout)), ("--idle", args.idle)];
    for warning in legacy.into_iter().filter_map(|(option, time)| time?.warning(option)) {
        terminal::note(&warning);
    }
    if kind == WorkerKind::CODEX_CLI && args.resume.is_some() && args.setup.max_tokens.is_some() {
        let message = "--max-tokens cannot be kept with --resume: Codex reports the tokens of a session, not those of a turn";
        return Err(Failure::usage(message).hint("leave one of them out"));
    }
    let setup = setup::keys(&args.setup, kind)?;
    let early = match EarlyCore::fork(&args.how, &cores) {
        Begun::Core(ended) => return ended,
        Begun::Supervisor(early) => early,
    };
    let instructions = instructions(args)?;
    let title = format!("{} {}", kind.name(), first_line(&instructions));
    // A single step has no artifacts; what a run writes beside its record is not for the workspace of the person.
    let context = tempfile::Builder::new().prefix("roboppi-run-").tempdir();
    let context =
        context.map_err(|error| Failure::infrastructure(format!("no temporary directory: {error}")))?;
    let file = workflow(args, setup, &instructions, context.path())?;
    let purpose = Purpose { title, answer: true, worker: Some(kind), heartbeat: None };
    workflow_run::execute(&args.how, &cores, file, early, view, &purpose)
}

/// What was typed, then what stdin says when it is no terminal.
fn instructions(args: &AgentArgs) -> Result<String, Failure> {
    let mut text = args.instructions.join(" ");
    if is_workflow_name(&text) && Path::new(&text).is_file() {
        return Err(Failure::usage(format!(
            "{text} is a file, and its name alone is no instruction\nhint: to run a workflow: roboppi workflow run {}",
            shell_word(&text)
        )));
    }
    if !io::stdin().is_terminal() {
        let bytes = read_stdin().map_err(|error| Failure::usage(format!("stdin cannot be read: {error}")))?;
        if bytes.len() as u64 > LONGEST {
            return Err(Failure::usage(format!("stdin has more than {LONGEST} bytes of instructions")));
        }
        let given = text_of(bytes);
        if !given.trim().is_empty() {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(&given);
        }
    }
    if text.trim().is_empty() {
        return Err(Failure::usage(
            "no instructions were given\nhint: `roboppi run --worker claude-code \"what to do\"`, or give them on stdin",
        ));
    }
    Ok(text)
}

/// Instructions are text. What of them is not UTF-8, such as a line of a file in another encoding within a diff, is replaced,
/// and that is said.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let replaced = text.matches('\u{fffd}').count();
        terminal::note(&format!(
            "roboppi: stdin is not all UTF-8; {replaced} parts that are not were replaced by \u{fffd}"
        ));
        text
    })
}

/// All of stdin, and a byte more than is allowed. When that takes a while the reason is said: a pipe that nobody closes
/// looks as if the agent hung.
fn read_stdin() -> io::Result<Vec<u8>> {
    let mut stdin = stdio::stdin().take(LONGEST + 1);
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut hint_at = Some(Instant::now() + SILENCE);
    loop {
        if let Some(time) = hint_at
            && !stdio::has_input_within(time.saturating_duration_since(Instant::now()))
        {
            hint_at = None;
            terminal::note(
                "roboppi: waiting for the end of standard input, which is part of the instructions; \
                 if there is none, start with `< /dev/null`",
            );
        }
        match stdin.read(&mut buffer)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim_end().to_owned()
}

/// The workflow of one step that does it. Its text is for the record: JSON is YAML.
fn workflow(
    args: &AgentArgs,
    setup: Map<String, Value>,
    instructions: &str,
    context: &Path,
) -> Result<WorkflowFile, Failure> {
    let millis = |time: std::time::Duration| format!("{}ms", time.as_millis().max(1));
    let mut step = json!({
        "worker": args.worker.name(),
        "capabilities": args.capabilities.iter().map(Capability::name).collect::<Vec<_>>(),
        "timeout": millis(args.timeout.time),
        "instructions": instructions,
    });
    for (key, value) in [
        ("model", args.model.as_ref().map(|model| json!(model))),
        ("variant", args.variant.as_ref().map(|variant| json!(variant))),
        ("max_steps", args.max_steps.map(|steps| json!(steps))),
        ("idle", args.idle.map(|idle| json!(millis(idle.time)))),
    ] {
        if let Some(value) = value {
            step[key] = value;
        }
    }
    if let Some(step) = step.as_object_mut() {
        step.extend(setup);
    }
    let limit_wait = match workflow_run::on_limit(&args.how) {
        OnLimit::Wait => args.how.limit_wait,
        OnLimit::Fail => Duration::ZERO,
    };
    let mut environment = json!({ "block": args.env_block });
    if let Some(pass) = &args.env_pass {
        environment["pass"] = json!(pass);
    }
    let times = [args.how.grace, args.how.drain, limit_wait, Duration::from_secs(60)];
    let whole_time = times.into_iter().fold(args.timeout.time, Duration::saturating_add);
    let whole = json!({
        "name": first_line(instructions),
        "version": "1",
        // The time of the step is what counts; its end takes a while, and so does a limit that it waits for.
        "timeout": millis(whole_time),
        "context_dir": context.to_string_lossy(),
        "environment": environment,
        "steps": { STEP: step },
    });
    let text = serde_json::to_string_pretty(&whole).map_err(Failure::own)?;
    // Its kind was checked.
    let parsed = parse_within(&text, text.len(), &WorkerKinds::any());
    let Some(mut workflow) = parsed.workflow else {
        return Err(Failure::usage(parsed.render("roboppi run", &text, false)));
    };
    for step in workflow.steps.values_mut() {
        Arc::make_mut(&mut Arc::make_mut(step).agent).resume.clone_from(&args.resume);
    }
    Ok(WorkflowFile { path: PathBuf::new(), most_bytes: text.len(), text, workflow })
}
