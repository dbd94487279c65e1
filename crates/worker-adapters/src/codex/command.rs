//! The command line of Codex.

use roboppi_ipc::{Capability, WorkerTask};

use crate::agent::Arguments;
use crate::{CommandSpec, LineFilter, PlanError, StdinPlan, StreamPlan};

/// Lets Codex do everything, without a sandbox.
const BYPASS: &str = "--dangerously-bypass-approvals-and-sandbox";

/// Whether the task goes on with an earlier conversation.
pub(super) fn is_resumed(task: &WorkerTask) -> bool {
    resumed_session(task).is_some() || task.default_args.first().is_some_and(|arg| arg == "resume")
}

fn resumed_session(task: &WorkerTask) -> Option<&str> {
    task.roboppi.as_ref()?.resume.as_deref()
}

pub(super) fn plan(task: &WorkerTask) -> Result<CommandSpec, PlanError> {
    if task.instructions.trim().is_empty() {
        return Err(PlanError::new("its instructions are empty, and Codex does nothing without any"));
    }
    let mut spec = CommandSpec::new(["codex"]).args(["exec"]);
    let mut given = Arguments::new(&task.default_args);
    let session = resumed_session(task);
    if session.is_some() {
        spec = spec.args(["resume"]);
    }
    let mut ours = sandbox(task, &mut given, &mut spec.warnings);
    given.take_flag(&["--json", "--experimental-json", "--skip-git-repo-check"]);
    if let Some(model) = &task.model {
        given.take_value(&["--model", "-m"]);
        // Elsewhere models are named with their provider.
        let model = model.rsplit('/').find(|part| !part.is_empty()).unwrap_or(model);
        ours.extend(["--model".to_owned(), model.to_owned()]);
    }
    if let Some(effort) = &task.variant {
        ours.extend(["-c".to_owned(), format!("model_reasoning_effort={}", toml_text(effort))]);
    }
    if let Some(setup) = task.agent_setup() {
        ours.extend(directories(&setup.add_dirs, is_resumed(task)));
        if let Some(text) = &setup.append_system_prompt {
            ours.extend(["-c".to_owned(), format!("developer_instructions={}", toml_text(text))]);
        }
    }
    given.take_diversions(&["--help", "-h", "--version", "-V"], "Codex", &mut spec.warnings);
    if is_resumed(task) {
        // It goes on where the conversation was; its working directory is the workspace all the same.
        given.take_value(&["--cd", "-C"]);
    } else if !given.has(&["--cd", "-C"]) {
        ours.extend(["--cd".to_owned(), task.workspace_ref.clone()]);
    }
    ours.extend(["--json", "--skip-git-repo-check"].map(str::to_owned));
    spec = spec.args(given.into_vec()).args(ours).args(session.map(str::to_owned)).args(["-"]);
    spec.stdin = StdinPlan::Piped;
    spec.stdout = StreamPlan::FOR_SESSION;
    // What it says there about trust in the workspace is a warning of the step.
    spec.stderr = StreamPlan::for_people_and_session(LineFilter::All);
    Ok(spec)
}

/// What it may do, from the user's own arguments or else from the capabilities. Old ways to say it are translated.
fn sandbox(task: &WorkerTask, given: &mut Arguments, warnings: &mut Vec<String>) -> Vec<String> {
    if let Some(approval) = given.take_value(&["--ask-for-approval", "-a"]) {
        warnings.push(format!(
            "`--ask-for-approval {approval}` is left out: `codex exec` never asks, and its sandbox stays; only `{BYPASS}` \
             leaves it out"
        ));
    }
    let full_auto = given.take_flag(&["--full-auto"]);
    if full_auto {
        warnings.push(
            "Codex no longer has `--full-auto`: it is taken for `--sandbox workspace-write`".to_owned(),
        );
    }
    if given.take_flag(&[BYPASS, "--yolo"]) {
        given.take_value(&["--sandbox", "-s"]);
        return vec![BYPASS.to_owned()];
    }
    let sandbox = given.take_value(&["--sandbox", "-s"]).unwrap_or_else(|| {
        let may_edit = full_auto || task.capabilities.contains(&Capability::Edit);
        if may_edit { "workspace-write" } else { "read-only" }.to_owned()
    });
    if is_resumed(task) {
        // `resume` knows no `--sandbox`; the setting behind it is the same.
        vec!["-c".to_owned(), format!("sandbox_mode={}", toml_text(&sandbox))]
    } else {
        vec!["--sandbox".to_owned(), sandbox]
    }
}

/// Directories beside its own. `resume` has no option for them; the setting behind it is the same.
fn directories(dirs: &[String], is_resumed: bool) -> Vec<String> {
    if is_resumed && !dirs.is_empty() {
        let dirs = serde_json::Value::from(dirs.to_vec());
        return vec!["-c".to_owned(), format!("sandbox_workspace_write.writable_roots={dirs}")];
    }
    dirs.iter().flat_map(|dir| ["--add-dir".to_owned(), dir.clone()]).collect()
}

/// A text as a value of `-c`: JSON and TOML agree on it.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
