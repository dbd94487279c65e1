//! The command line of Gemini CLI.

use roboppi_ipc::{Capability, WorkerTask};

use crate::agent::Arguments;
use crate::{CommandSpec, LineFilter, PlanError, ReportFiles, StdinPlan, StreamPlan};

/// What Gemini CLI reads of its standard input; it leaves out the rest with a warning nobody sees.
const LONGEST_PROMPT: usize = 8 * 1024 * 1024;

/// Commands that run tests.
const TEST_COMMANDS: [&str; 5] = ["npm test", "bun test", "jest", "pytest", "cargo test"];

/// Options of users that decide what may be done; ours would change what they mean.
const APPROVAL_OPTIONS: [&str; 5] = ["--approval-mode", "--yolo", "-y", "--policy", "--allowed-tools"];

/// Options with which it does something else than the task.
const DIVERSIONS: [&str; 8] = [
    "--acp",
    "--experimental-acp",
    "--list-extensions",
    "-l",
    "--list-sessions",
    "--help",
    "-h",
    "--version",
];

pub(super) fn plan(task: &WorkerTask) -> Result<CommandSpec, PlanError> {
    let length = task.instructions.len();
    if task.instructions.trim().is_empty() {
        return Err(PlanError::new("its instructions are empty, and Gemini CLI does nothing without any"));
    }
    if length > LONGEST_PROMPT {
        return Err(PlanError::new(format!(
            "its instructions have {length} bytes, and Gemini CLI reads no more than {LONGEST_PROMPT}; put them into a \
             file of the workspace and name it"
        )));
    }
    let mut spec = CommandSpec::new(["gemini"]);
    let mut given = Arguments::new(&task.default_args);
    drop_old(&mut given, &mut spec.warnings);
    // Without `--skip-trust` it does nothing in a directory that nobody has trusted at its own prompt.
    given.take_flag(&["--skip-trust"]);
    let mut ours = vec!["--output-format".to_owned(), "stream-json".to_owned(), "--skip-trust".to_owned()];
    let session = task.roboppi.as_ref().and_then(|options| options.resume.as_deref());
    for (names, value) in [(&["--model", "-m"][..], task.model.as_deref()), (&["--resume", "-r"], session)] {
        if let Some(value) = value {
            given.take_value(names);
            ours.extend([names[0].to_owned(), value.to_owned()]);
        }
    }
    if session.is_some() {
        given.take_value(&["--session-id"]);
    }
    if let Some(setup) = task.agent_setup() {
        // A comma would divide one into two.
        if let Some(dir) = setup.add_dirs.iter().find(|dir| dir.contains(',')) {
            return Err(PlanError::new(format!(
                "Gemini CLI takes no directory with a comma in its name: {dir}"
            )));
        }
        ours.extend(setup.add_dirs.iter().flat_map(|dir| ["--include-directories".to_owned(), dir.clone()]));
    }
    if task.variant.is_some() {
        spec.warnings.push("`variant` is left out: Gemini CLI has no option for it".to_owned());
    }
    if task.budget.max_command_time_ms.is_some() {
        spec.warnings.push("`max_command_time` is left out: Gemini CLI has no option for it".to_owned());
    }
    if !task.capabilities.is_empty() && !given.has(&APPROVAL_OPTIONS) {
        ours.extend(approval(&task.capabilities));
    }
    spec = spec.args(given.into_vec()).args(ours);
    // It would start itself a second time only to have more memory, and one more process to end.
    spec.env.insert("GEMINI_CLI_NO_RELAUNCH".to_owned(), "true".to_owned());
    spec.stdin = StdinPlan::Piped;
    spec.stdout = StreamPlan::FOR_SESSION;
    // What a failed request was, and what it was answered.
    spec.reports.push(ReportFiles::new("gemini-client-error-", ".json"));
    // Chatter for people; the session needs what it says about requests that are made again.
    spec.stderr = StreamPlan::for_people_and_session(LineFilter::starting_with(super::translator::ATTEMPT));
    Ok(spec)
}

/// Takes out what is ours to say, or would keep it from working unattended.
fn drop_old(given: &mut Arguments, warnings: &mut Vec<String>) {
    if let Some(format) = given.take_value(&["--output-format", "-o"])
        && format != "stream-json"
    {
        warnings.push(format!(
            "`--output-format {format}` is left out: Gemini CLI is always run with stream-json, and shown readably"
        ));
    }
    given.take_diversions(&DIVERSIONS, "Gemini CLI", warnings);
    for names in [&["--prompt", "-p"], &["--prompt-interactive", "-i"]] {
        if given.take_value(names).is_some_and(|prompt| !prompt.is_empty()) {
            warnings.push(format!("`{}` is left out: the prompt is the step's instructions", names[0]));
        }
    }
}

/// What needs no question. A question cannot be asked, so a tool that would need one is not there at all. Without
/// capabilities nothing is said, and the user's own settings stand alone.
fn approval(capabilities: &[Capability]) -> Vec<String> {
    let has = |capability| capabilities.contains(&capability);
    let mode = match (has(Capability::RunCommands), has(Capability::Edit)) {
        (true, true) => "yolo",
        (false, true) => "auto_edit",
        (_, false) => "default",
    };
    let mut commands: Vec<&str> = Vec::new();
    if has(Capability::RunTests) {
        commands.extend(TEST_COMMANDS);
    }
    if has(Capability::Mailbox) || has(Capability::Tasks) {
        commands.push("roboppi agents");
    }
    let mut options = vec!["--approval-mode".to_owned(), mode.to_owned()];
    let mut allow = |tool: String| options.extend(["--allowed-tools".to_owned(), tool]);
    match (has(Capability::RunCommands), has(Capability::Edit)) {
        (true, true) => {}
        (true, false) => allow("run_shell_command".to_owned()),
        (false, _) => commands.iter().for_each(|command| allow(format!("run_shell_command({command})"))),
    }
    options
}
