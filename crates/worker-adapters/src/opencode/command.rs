//! The command line of opencode.

use roboppi_ipc::{Capability, WorkerTask};
use serde_json::{Value, json};

use crate::agent::Arguments;
use crate::{CommandSpec, PlanError, StdinPlan, StreamPlan};

/// Commands that run tests, as patterns of opencode.
const TEST_COMMANDS: [&str; 5] = ["npm test*", "bun test*", "jest*", "pytest*", "cargo test*"];

pub(super) fn plan(task: &WorkerTask) -> Result<CommandSpec, PlanError> {
    if task.instructions.trim().is_empty() {
        return Err(PlanError::new("its instructions are empty, and opencode does nothing without any"));
    }
    let mut spec = CommandSpec::new(["opencode"]).args(["run", "--format", "json"]);
    let mut given = Arguments::new(&task.default_args);
    drop_old(&mut given, &mut spec.warnings);
    // Thoughts are left out of the output unless they are asked for.
    let mut ours = vec!["--thinking"];
    let variant = task.variant.as_deref().map(|variant| effort(variant, task.model.as_deref()));
    if let (Some(asked), Some(given)) = (task.variant.as_deref(), variant)
        && asked != given
    {
        spec.warnings.push(format!(
            "variant `{asked}` is given to opencode as `{given}`, as models of OpenAI know it"
        ));
    }
    let session = task.roboppi.as_ref().and_then(|options| options.resume.as_deref());
    for (names, value) in [
        (&["--model", "-m"][..], task.model.as_deref()),
        (&["--variant"], variant),
        (&["--session", "-s"], session),
    ] {
        if let Some(value) = value {
            given.take_value(names);
            ours.extend([names[0], value]);
        }
    }
    if session.is_some() {
        given.take_flag(&["--continue", "-c"]);
    }
    if let Some(permission) = permission(&task.capabilities) {
        // A question nobody answers ends the run early, with exit code 0. What is not denied is therefore allowed.
        given.take_flag(&["--auto"]);
        ours.push("--auto");
        spec.env.insert("OPENCODE_PERMISSION".to_owned(), permission.to_string());
    }
    spec = spec.args(given.into_vec()).args(ours);
    if let Some(limit) = task.budget.max_command_time_ms {
        let limit = format!("{}", limit.max(1.0).floor());
        spec.env.insert("OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS".to_owned(), limit);
    }
    // A program that replaces itself while it works is another one at the next step.
    spec.env.insert("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned());
    spec.stdin = StdinPlan::Piped;
    spec.stdout = StreamPlan::FOR_SESSION;
    Ok(spec)
}

/// Takes out what is ours to say, or would keep it from working unattended.
fn drop_old(given: &mut Arguments, warnings: &mut Vec<String>) {
    if let Some(format) = given.take_value(&["--format"])
        && format != "json"
    {
        warnings.push(format!(
            "`--format {format}` is left out: opencode is always run with json, and shown readably"
        ));
    }
    if given.take_flag(&["--interactive", "-i"]) {
        warnings.push("`--interactive` is left out: a step has no keyboard".to_owned());
    }
    given.take_flag(&["--thinking"]);
    given.take_diversions(&["--help", "-h", "--version", "-v"], "opencode", warnings);
}

/// The word for an effort that models of OpenAI understand, where others have more of them.
fn effort<'a>(variant: &'a str, model: Option<&str>) -> &'a str {
    match variant {
        "xhigh" if is_of_openai(model) => "high",
        "xlow" if is_of_openai(model) => "minimal",
        other => other,
    }
}

fn is_of_openai(model: Option<&str>) -> bool {
    model.is_some_and(|model| model.starts_with("openai/"))
}

/// What may not be done, as opencode's configuration says it: later patterns win. Without capabilities nothing is
/// said, and the user's own configuration stands alone.
fn permission(capabilities: &[Capability]) -> Option<Value> {
    if capabilities.is_empty() {
        return None;
    }
    let has = |capability| capabilities.contains(&capability);
    let edit = if has(Capability::Edit) { "allow" } else { "deny" };
    if has(Capability::RunCommands) {
        // Commands reach the whole disk, and a rule about directories would refuse those that do.
        return Some(json!({ "bash": "allow", "edit": edit }));
    }
    let mut commands: Vec<&str> = Vec::new();
    if has(Capability::RunTests) {
        commands.extend(TEST_COMMANDS);
    }
    if has(Capability::Mailbox) || has(Capability::Tasks) {
        commands.push("roboppi agents*");
    }
    if commands.is_empty() {
        return Some(json!({ "bash": "deny", "edit": edit, "external_directory": "deny" }));
    }
    let mut bash = serde_json::Map::from_iter([("*".to_owned(), json!("deny"))]);
    bash.extend(commands.into_iter().map(|command| (command.to_owned(), json!("allow"))));
    Some(json!({ "bash": bash, "edit": edit, "external_directory": "deny" }))
}
