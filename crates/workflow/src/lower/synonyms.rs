//! What keys of other workflow languages are called here. No spelling is near enough to find them.

use crate::keys::Section;
use crate::source::Value;

/// The key that has the same meaning here.
fn called(section: Section, key: &str, value: &Value) -> Option<&'static str> {
    let own = match key {
        "run" | "script" | "cmd" | "command" | "commands" | "prompt" | "task" | "shell" => "instructions",
        "retries" | "max_retry" => "max_retries",
        "timeout-minutes" | "timeout_minutes" | "timeout_ms" | "timeout_s" | "time_limit" => "timeout",
        "needs" | "after" | "requires" | "dependencies" | "deps" => "depends_on",
        "continue-on-error" | "allow_failure" | "ignore_errors" => "continue_on_error",
        "working-directory" | "working_directory" | "cwd" | "dir" | "workdir" => "workspace",
        "variables" | "vars" => "env",
        "when" | "condition" | "only" => "if",
        "parameters" | "params" if section == Section::Workflow => "inputs",
        "jobs" | "tasks" | "stages" | "pipeline" | "workflow" | "processes"
            if matches!(value, Value::Map(_) | Value::List(_)) =>
        {
            "steps"
        }
        "max-parallel" | "max_parallel" | "parallel" | "jobs" | "parallelism" => "concurrency",
        "artifacts" | "produces" => "outputs",
        "kind" | "type" | "runner" | "executor" => "worker",
        "tools" | "allowed_tools" | "permissions" => "capabilities",
        "max_turns" => "max_steps",
        "budget" | "max_budget" | "max_budget_usd" => "max_cost",
        "title" | "label" | "name" | "display_name" => "description",
        _ => return None,
    };
    section.key(own).map(|known| known.name)
}

/// What to do instead of a key that has no equal here.
fn instead(section: Section, key: &str) -> Option<&'static str> {
    let hint = match (section, key) {
        (Section::Step, "uses") => {
            "there are no actions: write their commands as `instructions` of a `CUSTOM` step"
        }
        (Section::Step, "environment") => {
            "`env` of a step sets variables; `environment` of the workflow selects which are inherited"
        }
        (Section::Step, "matrix" | "strategy" | "parallel" | "for_each" | "loop") => {
            "write a step for each combination"
        }
        (Section::Step, "attempts" | "max_attempts") => {
            "write `on_failure: retry`, and one less as `max_retries`: the attempts after the first one"
        }
        (Section::Step, "id") => "the key of a step below `steps` is its name",
        (Section::Step | Section::Workflow, "runs-on" | "runs_on" | "image" | "container" | "services") => {
            "steps run on this machine, in the workspace of the run"
        }
        (Section::Workflow, "on" | "triggers" | "schedule") => {
            "a run starts with `roboppi workflow run`; there are no triggers"
        }
        (Section::Defaults, "worker" | "capabilities" | "instructions" | "run") => {
            "keys that some steps share are written once with an anchor below a key that begins with `x-`, and merged with `<<`"
        }
        (Section::Environment, _) => {
            "`environment` selects by `pass` and `block` which variables are inherited; `env` sets others"
        }
        _ => return None,
    };
    Some(hint)
}

/// What to do with a step that is not among the steps.
fn misplaced_step(section: Section, value: &Value) -> Option<&'static str> {
    let Value::Map(entries) = value else { return None };
    let is_step =
        ["worker", "instructions"].iter().any(|key| entries.iter().any(|entry| &*entry.key == *key));
    (section == Section::Workflow && is_step).then_some(
        "a step stands below `steps`, indented; shared keys stand below a key that begins with `x-`",
    )
}

/// What a key was meant to be, or what to do instead.
pub(super) fn hint(section: Section, key: &str, value: &Value) -> Option<String> {
    let own = called(section, key, value).map(|own| format!("did you mean `{own}`?"));
    own.or_else(|| instead(section, key).or_else(|| misplaced_step(section, value)).map(str::to_owned))
}
