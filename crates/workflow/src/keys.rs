//! The keys of a workflow file: what is recognised and what the reference page says are one table.

/// Which map of the file a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// The file itself.
    Workflow,
    /// A step: `steps.<id>`.
    Step,
    /// An entry of `steps.<id>.inputs`.
    Input,
    /// An entry of `steps.<id>.outputs`.
    Output,
    /// An entry of `secrets` that is a map.
    Secret,
    /// `environment`.
    Environment,
}

/// Whether this version does what a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyStatus {
    /// It does.
    Supported,
    /// The key is known and refused until it does.
    NotYet,
}

/// One key, for recognising it and for describing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Where it stands.
    pub section: Section,
    /// As it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What its absence means.
    pub default: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
    /// Whether it is executed.
    pub status: KeyStatus,
}

impl KeyDoc {
    const fn required(
        section: Section,
        name: &'static str,
        kind: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: true, default: None, meaning, status: KeyStatus::Supported }
    }

    const fn optional(
        section: Section,
        name: &'static str,
        kind: &'static str,
        default: Option<&'static str>,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: false, default, meaning, status: KeyStatus::Supported }
    }

    const fn not_yet(
        section: Section,
        name: &'static str,
        kind: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { section, name, kind, required: false, default: None, meaning, status: KeyStatus::NotYet }
    }
}

use Section::{Environment, Input, Output, Secret, Step, Workflow};

/// Every key, in the order of the reference. Keys of the file itself that begin with `x-` belong to the
/// author and are not read: a place for anchors.
pub const KEYS: &[KeyDoc] = &[
    KeyDoc::required(Workflow, "name", "text", "Name of the workflow."),
    KeyDoc::required(Workflow, "version", "`\"1\"`", "Version of the language, in quotation marks."),
    KeyDoc::optional(Workflow, "description", "text", None, "What the workflow is for."),
    KeyDoc::required(
        Workflow,
        "timeout",
        "duration",
        "How long a run may take from its beginning on; then everything is ended and the run has timed out.",
    ),
    KeyDoc::optional(Workflow, "concurrency", "whole number >= 1", Some("10"), "Steps at a time."),
    KeyDoc::optional(
        Workflow,
        "context_dir",
        "path",
        Some("`context` in the workspace"),
        "Where artifacts are put.",
    ),
    KeyDoc::optional(
        Workflow,
        "secrets",
        "list of names and maps",
        Some("none"),
        "Values that must not be seen: names of variables, and maps with a `file` or a `command`.",
    ),
    KeyDoc::optional(
        Workflow,
        "environment",
        "map",
        Some("all variables"),
        "Which variables of roboppi's own environment workers are given.",
    ),
    KeyDoc::required(Workflow, "steps", "map", "The steps, by name; ready ones start in this order."),
    KeyDoc::not_yet(Workflow, "create_branch", "boolean", "Make a git branch for the run."),
    KeyDoc::not_yet(Workflow, "branch_transition_step", "step", "The step that may change the branch."),
    KeyDoc::not_yet(Workflow, "expected_work_branch", "text", "The git branch the steps must be on."),
    KeyDoc::not_yet(Workflow, "sentinel", "map", "Watch for workers that stall."),
    KeyDoc::not_yet(Workflow, "management", "map", "Let an agent steer the run."),
    KeyDoc::not_yet(Workflow, "agents", "map", "A team of agents beside the steps."),
    KeyDoc::optional(Step, "description", "text", None, "What the step is for."),
    KeyDoc::required(
        Step,
        "worker",
        "`CLAUDE_CODE`, `CODEX_CLI`, `OPENCODE`, `GEMINI` or `CUSTOM`",
        "Which program does the work: one of four agents, or a shell for a script.",
    ),
    KeyDoc::required(
        Step,
        "instructions",
        "text",
        "What the worker is told: the prompt of an agent, the script of a `CUSTOM` step.",
    ),
    KeyDoc::required(
        Step,
        "capabilities",
        "list of `READ`, `EDIT`, `RUN_TESTS`, `RUN_COMMANDS`, `MAILBOX`, `TASKS`",
        "What the worker may do.",
    ),
    KeyDoc::optional(
        Step,
        "model",
        "text",
        Some("the agent's own choice"),
        "Model of the agent, in its own words.",
    ),
    KeyDoc::optional(
        Step,
        "variant",
        "text",
        Some("the agent's own choice"),
        "Reasoning effort or the like, in the agent's own words.",
    ),
    KeyDoc::optional(Step, "max_steps", "whole number >= 1", Some("no limit"), "Turns the agent may take."),
    KeyDoc::optional(
        Step,
        "max_command_time",
        "duration",
        Some("the agent's own choice"),
        "How long one command of the agent may take.",
    ),
    KeyDoc::optional(
        Step,
        "defaultArgs",
        "list of texts",
        Some("none"),
        "Arguments of the agent's own command, before those made from the other keys.",
    ),
    KeyDoc::optional(Step, "workspace", "path", Some("workspace of the run"), "Where the step works."),
    KeyDoc::optional(Step, "depends_on", "list of steps", Some("none"), "Steps that must be over first."),
    KeyDoc::optional(Step, "inputs", "list of maps", Some("none"), "Artifacts of other steps it needs."),
    KeyDoc::optional(Step, "outputs", "list of maps", Some("none"), "Artifacts it makes."),
    KeyDoc::optional(Step, "timeout", "duration", Some("24h"), "How long one attempt may take."),
    KeyDoc::optional(
        Step,
        "idle",
        "duration or `none`",
        Some("15m for agents, `none` for `CUSTOM`"),
        "How long a worker may do nothing at all before it is ended: no output, no processor time, no file written.",
    ),
    KeyDoc::optional(
        Step,
        "max_retries",
        "whole number >= 0",
        Some("0"),
        "Attempts after the first one, with `on_failure: retry`.",
    ),
    KeyDoc::optional(
        Step,
        "on_failure",
        "`retry`, `continue` or `abort`",
        Some("`abort`"),
        "Try again; let the steps that depend on it start all the same (the run fails nevertheless); or skip them.",
    ),
    KeyDoc::optional(
        Step,
        "continue_on_error",
        "boolean",
        Some("false"),
        "Whether its failure counts as success for the steps after it and for the run.",
    ),
    KeyDoc::optional(
        Step,
        "grace",
        "duration",
        Some("that of the run"),
        "Time the worker has between being asked to end and being killed.",
    ),
    KeyDoc::not_yet(Step, "agent", "agent", "Take what is missing from an agent profile."),
    KeyDoc::not_yet(Step, "completion_check", "map", "Repeat the step until a check says it is done."),
    KeyDoc::not_yet(Step, "max_iterations", "whole number >= 2", "Rounds of a completion check."),
    KeyDoc::not_yet(Step, "on_iterations_exhausted", "`abort` or `continue`", "When no round is left."),
    KeyDoc::not_yet(Step, "convergence", "map", "End rounds that make no progress."),
    KeyDoc::not_yet(Step, "stall", "map", "Watch for a worker that stalls."),
    KeyDoc::not_yet(Step, "management", "map", "How the managing agent treats the step."),
    KeyDoc::not_yet(Step, "workflow", "path", "Run another workflow as this step."),
    KeyDoc::not_yet(Step, "exports", "list of maps", "Artifacts taken out of that workflow."),
    KeyDoc::not_yet(Step, "exports_mode", "`merge` or `replace`", "How they meet older ones."),
    KeyDoc::not_yet(Step, "bubble_subworkflow_events", "boolean", "Show the events of that workflow."),
    KeyDoc::not_yet(Step, "subworkflow_event_prefix", "text", "Prefix of its step names."),
    KeyDoc::optional(
        Step,
        "secrets",
        "list of names and maps",
        Some("none"),
        "More values that must not be seen, anywhere in the run.",
    ),
    KeyDoc::optional(Secret, "file", "path", None, "The content of this file, relative to the workspace."),
    KeyDoc::optional(
        Secret,
        "command",
        "text",
        None,
        "What this shell command prints, before the run begins.",
    ),
    KeyDoc::optional(
        Environment,
        "pass",
        "list of names",
        None,
        "Only these, and the few that every program needs; `*` stands for any letters.",
    ),
    KeyDoc::optional(
        Environment,
        "block",
        "list of names",
        None,
        "Not these, whatever `pass` says; `*` as there.",
    ),
    KeyDoc::required(Input, "from", "step", "The step that makes the artifact; one of `depends_on`."),
    KeyDoc::required(Input, "artifact", "name", "Its name there."),
    KeyDoc::optional(Input, "as", "name", Some("the same name"), "Its name in the workspace."),
    KeyDoc::required(Output, "name", "name", "Name of the artifact."),
    KeyDoc::required(Output, "path", "path", "File or directory, relative to the workspace and inside it."),
    KeyDoc::optional(Output, "type", "text", None, "What it is, for people."),
];

impl Section {
    /// Its keys, in the order of the reference.
    pub fn keys(self) -> impl Iterator<Item = &'static KeyDoc> {
        KEYS.iter().filter(move |key| key.section == self)
    }

    /// A key by its name.
    #[must_use]
    pub fn key(self, name: &str) -> Option<&'static KeyDoc> {
        self.keys().find(|key| key.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_there_twice() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(
                !KEYS[..index].iter().any(|other| (other.section, other.name) == (key.section, key.name))
            );
        }
    }
}
