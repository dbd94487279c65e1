//! The command line of Claude Code.

use roboppi_ipc::{Capability, WorkerTask};

use crate::agent::Arguments;
use crate::{CommandSpec, LineFilter, PlanError, StdinPlan, StreamPlan};

/// Options of users that decide what may be done; ours would change what they mean.
const PERMISSION_OPTIONS: [&str; 3] =
    ["--permission-mode", "--dangerously-skip-permissions", "--allow-dangerously-skip-permissions"];

/// Options with which it does something else than the task, or does it elsewhere.
const DIVERSIONS: [&str; 8] =
    ["--background", "--bg", "--cloud", "--desktop", "--help", "-h", "--version", "-v"];

/// Whether the task goes on with an earlier conversation.
pub(super) fn is_resumed(task: &WorkerTask) -> bool {
    resumed_session(task).is_some()
        || Arguments::new(&task.default_args).has(&["--resume", "-r", "--continue", "-c"])
}

fn resumed_session(task: &WorkerTask) -> Option<&str> {
    task.roboppi.as_ref()?.resume.as_deref()
}

pub(super) fn plan(task: &WorkerTask) -> Result<CommandSpec, PlanError> {
    if task.instructions.trim().is_empty() {
        return Err(PlanError::new("its instructions are empty, and Claude Code does nothing without any"));
    }
    let mut spec = CommandSpec::new(["claude"]);
    let mut given = Arguments::new(&task.default_args);
    drop_old(&mut given, &mut spec.warnings);
    let mut ours =
        vec!["--print", "--output-format", "stream-json", "--verbose", "--include-partial-messages"];
    let (model, effort, session) = (task.model.as_deref(), task.variant.as_deref(), resumed_session(task));
    for (names, value) in [(&["--model"][..], model), (&["--effort"], effort), (&["--resume", "-r"], session)]
    {
        if let Some(value) = value {
            given.take_value(names);
            ours.extend([names[0], value]);
        }
    }
    if session.is_some() {
        given.take_flag(&["--continue", "-c"]);
    }
    if let Some(setup) = task.agent_setup() {
        // They are read one after the other; those of `defaultArgs` count as well.
        ours.extend(setup.mcp_config.iter().flat_map(|file| ["--mcp-config", file]));
        ours.extend(setup.add_dirs.iter().flat_map(|dir| ["--add-dir", dir]));
        if let Some(text) = &setup.append_system_prompt {
            given.take_value(&["--append-system-prompt"]);
            ours.extend(["--append-system-prompt", text]);
        }
    }
    let turns = task.budget.max_steps.map(|steps| format!("{}", steps.max(1.0).floor()));
    if let Some(turns) = &turns {
        given.take_value(&["--max-turns"]);
        ours.extend(["--max-turns", turns]);
    }
    // It says what it costs at its end only, so it has to keep the limit itself.
    let cost = task.budget.max_cost_usd.map(|cost| cost.to_string());
    if let Some(cost) = &cost {
        given.take_value(&["--max-budget-usd"]);
        ours.extend(["--max-budget-usd", cost]);
    }
    let (allowed, forbidden) = tools(&task.capabilities);
    if !allowed.is_empty() {
        ours.extend(["--allowedTools", &allowed]);
    }
    if !forbidden.is_empty() {
        ours.extend(["--disallowedTools", forbidden]);
    }
    if task.capabilities.contains(&Capability::Edit) && !given.has(&PERMISSION_OPTIONS) {
        ours.extend(["--permission-mode", "acceptEdits"]);
    }
    spec = spec.args(given.into_vec()).args(ours);
    if let Some(limit) = task.budget.max_command_time_ms {
        let limit = format!("{}", limit.max(1.0).floor());
        spec.env.extend(
            ["BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS"].map(|name| (name.to_owned(), limit.clone())),
        );
    }
    // A program that replaces itself while it works is another one at the next step.
    spec.env.insert("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned());
    // It would end work in the background after 10 minutes and report success. The limits of the step are enough.
    spec.env.insert("CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS".to_owned(), "0".to_owned());
    spec.stdin = StdinPlan::Piped;
    spec.stdout = StreamPlan::FOR_SESSION;
    // What it says there about trust in the workspace is a warning of the step.
    spec.stderr = StreamPlan::for_people_and_session(LineFilter::All);
    Ok(spec)
}

/// Takes out what is ours to say, or is said no more.
fn drop_old(given: &mut Arguments, warnings: &mut Vec<String>) {
    if let Some(format) = given.take_value(&["--output-format"])
        && format != "stream-json"
    {
        warnings.push(format!(
            "`--output-format {format}` is left out: Claude Code is always run with stream-json, and shown readably"
        ));
    }
    if given.take_value(&["--input-format"]).is_some_and(|format| format != "text") {
        warnings.push("`--input-format` is left out: the instructions go to Claude Code as text".to_owned());
    }
    given.take_flag(&["--print", "-p", "--verbose", "--include-partial-messages"]);
    given.take_diversions(&DIVERSIONS, "Claude Code", warnings);
}

/// Tools that need no question, and tools that are not there at all.
fn tools(capabilities: &[Capability]) -> (String, &'static str) {
    let mut allowed: Vec<&str> = Vec::new();
    for capability in capabilities {
        let tools: &[&str] = match capability {
            // A rule without a path allows it on the whole disk. That of `Edit` holds for every tool that writes files.
            Capability::Read => &["Read(./**)", "Glob(./**)", "Grep(./**)"],
            Capability::Edit => &["Edit(./**)"],
            Capability::RunTests => &[
                "Bash(npm test:*)",
                "Bash(bun test:*)",
                "Bash(jest:*)",
                "Bash(pytest:*)",
                "Bash(cargo test:*)",
            ],
            Capability::RunCommands => &["Bash"],
            Capability::Mailbox | Capability::Tasks => &["Bash(roboppi agents:*)"],
            // What is not known allows nothing.
            Capability::Unknown(_) => &[],
        };
        for tool in tools {
            if !allowed.contains(tool) {
                allowed.push(tool);
            }
        }
    }
    let may_edit = capabilities.is_empty() || capabilities.contains(&Capability::Edit);
    (allowed.join(","), if may_edit { "" } else { "Edit,Write,NotebookEdit" })
}
