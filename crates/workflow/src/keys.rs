//! The keys of a workflow file: what is recognised and what the reference page says are one table.

/// Which map of the file a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// The file itself.
    Workflow,
    /// A step: `steps.<id>`.
    Step,
    /// `steps.<id>.completion_check`.
    Check,
    /// An entry of `steps.<id>.inputs`.
    Input,
    /// An entry of `steps.<id>.outputs`.
    Output,
    /// An entry of `steps.<id>.exports`.
    Export,
    /// `steps.<id>.convergence`.
    Convergence,
    /// An entry of `steps.<id>.convergence.stages`.
    Stage,
    /// An entry of `secrets` that is a map.
    Secret,
    /// `environment`.
    Environment,
    /// An input of the workflow: `inputs.<name>`.
    Parameter,
    /// `steps.<id>.retry`.
    Retry,
    /// `defaults`.
    Defaults,
    /// A host: `hosts.<name>`.
    Host,
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

use crate::defaults;
use Section::{
    Check, Convergence, Defaults, Environment, Export, Host, Input, Output, Parameter, Retry, Secret, Stage,
    Step, Workflow,
};

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
        "Time limit of the run, from its start; when it is exceeded, all workers are terminated and the run times out.",
    ),
    KeyDoc::optional(
        Workflow,
        "concurrency",
        "whole number >= 1",
        Some(defaults::CONCURRENCY.1),
        "Number of steps that run at the same time.",
    ),
    KeyDoc::optional(
        Workflow,
        "max_cost",
        "number > 0",
        Some("no limit"),
        "Budget of the run in US dollars, for all its agents together.",
    ),
    KeyDoc::optional(
        Workflow,
        "max_tokens",
        "whole number >= 1",
        Some("no limit"),
        "Budget of the run in tokens, for all its agents together.",
    ),
    KeyDoc::optional(
        Workflow,
        "context_dir",
        "path",
        Some(defaults::CONTEXT_DIR.1),
        "Directory for artifacts.",
    ),
    KeyDoc::optional(
        Workflow,
        "secrets",
        "list of names and maps",
        Some("none"),
        "Values to mask: names of variables, and maps with a `file` or a `command`.",
    ),
    KeyDoc::optional(
        Workflow,
        "environment",
        "map",
        Some("all variables"),
        "Variables of roboppi's environment that workers inherit.",
    ),
    KeyDoc::optional(
        Workflow,
        "env",
        "map of texts",
        Some("none"),
        "Variables for the workers of all steps; see [Variables and inputs](#variables-and-inputs).",
    ),
    KeyDoc::optional(
        Workflow,
        "inputs",
        "map of inputs",
        Some("none"),
        "Values that a run is given, by name; see [Variables and inputs](#variables-and-inputs).",
    ),
    KeyDoc::optional(
        Workflow,
        "defaults",
        "map",
        Some("none"),
        "Keys for all steps that do not have them; see [Defaults](#defaults).",
    ),
    KeyDoc::optional(
        Workflow,
        "hosts",
        "map",
        Some("none"),
        "Other machines on which steps run, by name; see [Hosts](hosts.md).",
    ),
    KeyDoc::required(Workflow, "steps", "map", "The steps by name; ready steps start in this order."),
    KeyDoc::optional(
        Workflow,
        "create_branch",
        "boolean",
        Some("false"),
        "Whether a step makes the git branch of the run: see [Branches](#branches).",
    ),
    KeyDoc::optional(
        Workflow,
        "branch_transition_step",
        "step",
        Some("the step `branch`, with `create_branch`"),
        "The step after which another branch is expected.",
    ),
    KeyDoc::optional(
        Workflow,
        "expected_work_branch",
        "text",
        Some("the current branch"),
        "The git branch on which the steps must be.",
    ),
    KeyDoc::not_yet(Workflow, "sentinel", "map", "Detect stalled workers."),
    KeyDoc::not_yet(Workflow, "management", "map", "Let an agent steer the run."),
    KeyDoc::not_yet(Workflow, "agents", "map", "A team of agents beside the steps."),
    KeyDoc::not_yet(Workflow, "reporting", "map", "Reports of the team to issue trackers."),
    KeyDoc::not_yet(Workflow, "task_policy", "map", "Which members of the team may do what."),
    KeyDoc::optional(Step, "description", "text", None, "What the step is for."),
    KeyDoc::required(
        Step,
        "worker",
        "`CLAUDE_CODE`, `CODEX_CLI`, `OPENCODE`, `GEMINI`, `CUSTOM`, or a kind of another core",
        "The kind of worker: one of four agents, a shell for a script, or a [kind of another core](configuration.md#worker-kinds).",
    ),
    KeyDoc::required(
        Step,
        "instructions",
        "text",
        "The prompt of an agent, or the script of a `CUSTOM` step.",
    ),
    KeyDoc::required(
        Step,
        "capabilities",
        "list of `READ`, `EDIT`, `RUN_TESTS`, `RUN_COMMANDS`, `MAILBOX`, `TASKS`",
        "What the worker may do.",
    ),
    KeyDoc::optional(
        Step,
        "run",
        "text",
        Some("none"),
        "The script of a `CUSTOM` step, in place of `worker`, `instructions` and `capabilities`, which are `[RUN_COMMANDS]`.",
    ),
    KeyDoc::optional(Step, "model", "text", Some("the agent's own choice"), "Model, as the agent names it."),
    KeyDoc::optional(
        Step,
        "variant",
        "text",
        Some("the agent's own choice"),
        "Variant of the model, such as the reasoning effort, as the agent names it.",
    ),
    KeyDoc::optional(
        Step,
        "max_steps",
        "whole number >= 1",
        Some("no limit"),
        "Maximum number of turns of the agent.",
    ),
    KeyDoc::optional(
        Step,
        "max_command_time",
        "duration",
        Some("the agent's own choice"),
        "Time limit of a single command of the agent.",
    ),
    KeyDoc::optional(
        Step,
        "max_cost",
        "number > 0",
        Some("no limit"),
        "Budget of the step in US dollars, for all its attempts together.",
    ),
    KeyDoc::optional(
        Step,
        "max_tokens",
        "whole number >= 1",
        Some("no limit"),
        "Budget of the step in tokens, for all its attempts together.",
    ),
    KeyDoc::optional(
        Step,
        "program",
        "path or name",
        Some("the agent's name in `PATH`"),
        "Program to start as the agent.",
    ),
    KeyDoc::optional(
        Step,
        "mcp_config",
        "path",
        Some("none"),
        "File that describes MCP servers for the agent.",
    ),
    KeyDoc::optional(
        Step,
        "add_dirs",
        "list of paths",
        Some("none"),
        "Directories that the agent may use, in addition to its working directory.",
    ),
    KeyDoc::optional(
        Step,
        "append_system_prompt",
        "text",
        Some("none"),
        "Text to add to the system prompt of the agent.",
    ),
    KeyDoc::optional(
        Step,
        "defaultArgs",
        "list of texts",
        Some("none"),
        "Additional arguments for the agent, placed before those built from the other keys.",
    ),
    KeyDoc::optional(
        Step,
        "workspace",
        "path",
        Some("workspace of the run"),
        "Working directory of the step.",
    ),
    KeyDoc::optional(
        Step,
        "host",
        "name of a host",
        Some("this machine"),
        "Machine on which the step runs, one of `hosts`.",
    ),
    KeyDoc::optional(Step, "depends_on", "list of steps", Some("none"), "Steps that must end first."),
    KeyDoc::optional(
        Step,
        "if",
        "condition",
        Some("`success()`"),
        "Whether the step runs, decided when its dependencies are over; see [Conditions](#conditions).",
    ),
    KeyDoc::optional(
        Step,
        "inputs",
        "list of maps",
        Some("none"),
        "Artifacts of other steps that this step needs.",
    ),
    KeyDoc::optional(Step, "outputs", "list of maps", Some("none"), "Artifacts that this step makes."),
    KeyDoc::optional(
        Step,
        "timeout",
        "duration",
        Some(defaults::STEP_TIMEOUT.1),
        "Time limit of one attempt.",
    ),
    KeyDoc::optional(
        Step,
        "idle",
        "duration or `none`",
        Some("15m for agents, `none` for `CUSTOM`"),
        "Time after which an idle worker is terminated: no output, no processor time, no file written.",
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
        "retry",
        "map",
        Some("as `max_retries` says"),
        "How often, when and after which failures the step is retried; see [Attempts](#attempts).",
    ),
    KeyDoc::optional(
        Step,
        "on_failure",
        "`retry`, `continue` or `abort`",
        Some("`abort`"),
        "Retry the step; start dependent steps nevertheless (the run still fails); or skip them.",
    ),
    KeyDoc::optional(
        Step,
        "on_limit",
        "`wait` or `fail`",
        Some("`--on-limit`"),
        "[Usage limits](#usage-limits) of the agent: wait until the limit is over, and continue the session; or fail at once.",
    ),
    KeyDoc::optional(
        Step,
        "file_changes",
        "boolean",
        Some("true for agents, false for `CUSTOM`"),
        "Whether the files of its workspace are compared before and after, and the changes recorded.",
    ),
    KeyDoc::optional(
        Step,
        "continue_on_error",
        "boolean",
        Some("false"),
        "Whether a failure counts as success for dependent steps and for the run.",
    ),
    KeyDoc::optional(
        Step,
        "grace",
        "duration",
        Some("that of the run"),
        "Time between SIGTERM and SIGKILL when a worker is terminated.",
    ),
    KeyDoc::optional(
        Step,
        "completion_check",
        "map",
        Some("none"),
        "The [check](#completion-checks) that decides after each iteration whether the step is complete.",
    ),
    KeyDoc::optional(
        Step,
        "max_iterations",
        "whole number >= 2",
        Some("none; required with `completion_check`"),
        "Maximum number of iterations.",
    ),
    KeyDoc::optional(
        Step,
        "on_iterations_exhausted",
        "`abort` or `continue`",
        Some("`abort`"),
        "If the last iteration is not complete: the step fails; or it is incomplete, which counts as success.",
    ),
    KeyDoc::not_yet(Step, "agent", "agent", "Complete the step from an agent profile."),
    KeyDoc::optional(
        Step,
        "convergence",
        "map",
        Some("none"),
        "How a loop [without progress](#loops-without-progress) is noticed, and ended.",
    ),
    KeyDoc::not_yet(Step, "stall", "map", "Detect a stalled worker."),
    KeyDoc::not_yet(Step, "management", "map", "How the managing agent handles the step."),
    KeyDoc::optional(
        Step,
        "workflow",
        "path of a file",
        Some("none"),
        "The workflow that the step runs, in place of a worker: see [Subworkflows](#subworkflows). Relative to the file that names it.",
    ),
    KeyDoc::optional(
        Step,
        "exports",
        "list of maps",
        Some("none"),
        "Artifacts of the steps of that workflow that are artifacts of this step.",
    ),
    KeyDoc::optional(
        Step,
        "exports_mode",
        "`merge` or `replace`",
        Some("`replace` with a `completion_check`, else `merge`"),
        "Whether files that an earlier iteration exported stay beside those of this one.",
    ),
    KeyDoc::optional(
        Step,
        "bubble_subworkflow_events",
        "boolean",
        Some("false"),
        "Whether the steps of that workflow get `ROBOPPI_SUBWORKFLOW_EVENT_PREFIX`. Every view shows them in either case.",
    ),
    KeyDoc::optional(
        Step,
        "subworkflow_event_prefix",
        "text",
        Some("name of the step"),
        "Value of that variable; `auto` is the name of the step.",
    ),
    KeyDoc::optional(
        Step,
        "secrets",
        "list of names and maps",
        Some("none"),
        "Additional values to mask, anywhere in the run.",
    ),
    KeyDoc::optional(
        Step,
        "env",
        "map of texts",
        Some("none"),
        "Variables for the worker, which replace those of the workflow; see [Variables and inputs](#variables-and-inputs).",
    ),
    KeyDoc::optional(Secret, "file", "path", None, "The content of this file, relative to the workspace."),
    KeyDoc::optional(
        Secret,
        "command",
        "text",
        None,
        "The output of this shell command, which runs before the run starts.",
    ),
    KeyDoc::optional(
        Environment,
        "pass",
        "list of names",
        None,
        "Only these variables, in addition to the few that every program needs; `*` matches any characters.",
    ),
    KeyDoc::optional(
        Environment,
        "block",
        "list of names",
        None,
        "Never these variables, even if `pass` includes them; `*` as above.",
    ),
    KeyDoc::optional(Defaults, "model", "text", Some("none"), "For agents."),
    KeyDoc::optional(Defaults, "variant", "text", Some("none"), "For agents."),
    KeyDoc::optional(Defaults, "max_steps", "whole number >= 1", Some("none"), "For agents."),
    KeyDoc::optional(Defaults, "max_command_time", "duration", Some("none"), "For agents."),
    KeyDoc::optional(Defaults, "workspace", "path", Some("none"), "As of a step."),
    KeyDoc::optional(Defaults, "timeout", "duration", Some("none"), "As of a step."),
    KeyDoc::optional(Defaults, "idle", "duration or `none`", Some("none"), "As of a step."),
    KeyDoc::optional(
        Defaults,
        "max_retries",
        "whole number >= 0",
        Some("none"),
        "For steps without `retry` whose failure means `retry`.",
    ),
    KeyDoc::optional(Defaults, "retry", "map", Some("none"), "For steps without `max_retries`."),
    KeyDoc::optional(Defaults, "on_failure", "`retry`, `continue` or `abort`", Some("none"), "As of a step."),
    KeyDoc::optional(Defaults, "on_limit", "`wait` or `fail`", Some("none"), "As of a step."),
    KeyDoc::optional(Defaults, "grace", "duration", Some("none"), "As of a step."),
    KeyDoc::required(Retry, "max", "whole number >= 1", "Attempts after the first one."),
    KeyDoc::optional(
        Retry,
        "backoff",
        "duration",
        Some("1s"),
        "Time before the first retry; each further one waits twice as long.",
    ),
    KeyDoc::optional(Retry, "max_backoff", "duration", Some("5m"), "The longest time before a retry."),
    KeyDoc::optional(
        Retry,
        "jitter",
        "boolean",
        Some("true"),
        "Whether a random part of each time, up to its half, is left out, so that steps do not retry together.",
    ),
    KeyDoc::optional(
        Retry,
        "on",
        "list of classes",
        Some("every class but `FATAL` and `BUDGET`"),
        "Classes of failures after which the step is retried.",
    ),
    KeyDoc::optional(Parameter, "description", "text", None, "What the input is for."),
    KeyDoc::optional(
        Parameter,
        "type",
        "`string`, `number`, `boolean` or `choice`",
        Some("`string`"),
        "What its value is.",
    ),
    KeyDoc::optional(
        Parameter,
        "required",
        "boolean",
        Some("true without a `default`"),
        "Whether a run must be given it. One of type `string` that need not be is empty.",
    ),
    KeyDoc::optional(
        Parameter,
        "default",
        "value of its type",
        None,
        "Its value in a run that is given none.",
    ),
    KeyDoc::optional(
        Parameter,
        "options",
        "list of texts",
        Some("none; required with `type: choice`"),
        "The values that a choice can have.",
    ),
    KeyDoc::required(
        Check,
        "worker",
        "`CUSTOM`, or the kind of an agent",
        "The kind of worker. The exit code of a `CUSTOM` script decides; any other worker writes its decision.",
    ),
    KeyDoc::required(
        Check,
        "instructions",
        "text",
        "The prompt of an agent, or the script of a `CUSTOM` check.",
    ),
    KeyDoc::required(Check, "capabilities", "list", "What the worker may do."),
    KeyDoc::optional(Check, "run", "text", Some("none"), "As of a step."),
    KeyDoc::optional(
        Check,
        "decision_file",
        "path",
        Some("none; required unless `CUSTOM`"),
        "File with the decision, relative to the workspace of the run and inside it.",
    ),
    KeyDoc::optional(
        Check,
        "timeout",
        "duration",
        Some("a quarter of the step's, or else of the run's, at least 1s"),
        "Time limit of one attempt of the check.",
    ),
    KeyDoc::optional(
        Check,
        "workspace",
        "path",
        Some("workspace of the run"),
        "Working directory of the check.",
    ),
    KeyDoc::optional(Check, "idle", "duration or `none`", Some("as of a step"), "As of a step."),
    KeyDoc::optional(Check, "model", "text", Some("the agent's own choice"), "As of a step."),
    KeyDoc::optional(Check, "variant", "text", Some("the agent's own choice"), "As of a step."),
    KeyDoc::optional(Check, "max_steps", "whole number >= 1", Some("no limit"), "As of a step."),
    KeyDoc::optional(Check, "max_command_time", "duration", Some("the agent's own choice"), "As of a step."),
    KeyDoc::optional(Check, "program", "path or name", Some("as of a step"), "As of a step."),
    KeyDoc::optional(Check, "mcp_config", "path", Some("none"), "As of a step."),
    KeyDoc::optional(Check, "add_dirs", "list of paths", Some("none"), "As of a step."),
    KeyDoc::optional(Check, "append_system_prompt", "text", Some("none"), "As of a step."),
    KeyDoc::optional(Check, "defaultArgs", "list of texts", Some("none"), "As of a step."),
    KeyDoc::optional(Convergence, "enabled", "boolean", Some("false"), "Whether the rest counts."),
    KeyDoc::optional(
        Convergence,
        "stall_threshold",
        "whole number >= 1",
        Some("2"),
        "Equal results in a row that raise the stage.",
    ),
    KeyDoc::optional(Convergence, "max_stage", "whole number >= 1", Some("3"), "The last stage."),
    KeyDoc::optional(
        Convergence,
        "fail_on_max_stage",
        "boolean",
        Some("true"),
        "Whether the step fails when the last stage is reached.",
    ),
    KeyDoc::optional(
        Convergence,
        "stages",
        "list of maps",
        Some("none"),
        "What an agent is told in addition, by stage.",
    ),
    KeyDoc::optional(
        Convergence,
        "allowed_paths",
        "list of paths",
        Some("all"),
        "Patterns of the files that may change.",
    ),
    KeyDoc::optional(
        Convergence,
        "ignored_paths",
        "list of paths",
        Some("none"),
        "Patterns of files that do not count.",
    ),
    KeyDoc::optional(
        Convergence,
        "diff_base_ref",
        "text",
        Some("`HEAD`"),
        "The commit with which the workspace is compared.",
    ),
    KeyDoc::optional(
        Convergence,
        "diff_base_ref_file",
        "path",
        Some("none"),
        "A file in the workspace whose first line names that commit.",
    ),
    KeyDoc::optional(
        Convergence,
        "max_changed_files",
        "whole number >= 1",
        Some("no limit"),
        "Files that may be changed at most.",
    ),
    KeyDoc::required(Stage, "stage", "whole number >= 2", "The stage."),
    KeyDoc::optional(Stage, "append_instructions", "text", Some("none"), "What the agent is told at it."),
    KeyDoc::not_yet(Check, "agent", "agent", "Complete the check from an agent profile."),
    KeyDoc::not_yet(Check, "stall", "map", "Detect a stalled check."),
    KeyDoc::optional(
        Host,
        "ssh",
        "destination",
        Some("name of the host"),
        "Destination for the program `ssh`, with your configuration, keys and agents.",
    ),
    KeyDoc::optional(
        Host,
        "command",
        "program, or list of a program and its arguments",
        Some("`ssh`"),
        "Command that runs `roboppi host` there, instead of `ssh`: its standard input and output carry all messages.",
    ),
    KeyDoc::optional(
        Host,
        "program",
        "path or name",
        Some("this program"),
        "The program roboppi on the host, with `ssh`. By default it is copied there when the host has no roboppi of this version.",
    ),
    KeyDoc::optional(
        Host,
        "labels",
        "list of labels",
        Some("none"),
        "Words that select the host, as `roboppi on LABEL` does: lower-case letters, digits, `-` and `_`.",
    ),
    KeyDoc::optional(
        Host,
        "workspace",
        "path",
        Some("home directory there"),
        "Workspace on the host: absolute, or relative to the home directory there.",
    ),
    KeyDoc::optional(
        Host,
        "concurrency",
        "whole number >= 1",
        Some("that of the run"),
        "Number of steps that run there at the same time.",
    ),
    KeyDoc::optional(Host, "env", "map of texts", Some("none"), "Variables for the workers there."),
    KeyDoc::optional(
        Host,
        "lease",
        "duration",
        Some("30s"),
        "Time for which the host continues without a sign of life of this machine.",
    ),
    KeyDoc::optional(
        Host,
        "on_lease_end",
        "`kill` or `finish`",
        Some("`kill`"),
        "What the host does then: terminate its workers, or let them finish; in both cases it keeps their results.",
    ),
    KeyDoc::required(Input, "from", "step", "The step that makes the artifact; one of `depends_on`."),
    KeyDoc::required(Input, "artifact", "name", "Name of the artifact there."),
    KeyDoc::optional(Input, "as", "name", Some("the same name"), "Name of the artifact in the workspace."),
    KeyDoc::required(Export, "from", "step", "The step of the subworkflow that makes the artifact."),
    KeyDoc::required(Export, "artifact", "name", "Name of the artifact there."),
    KeyDoc::optional(Export, "as", "name", Some("the same name"), "Name of the artifact here."),
    KeyDoc::required(Output, "name", "name", "Name of the artifact."),
    KeyDoc::required(Output, "path", "path", "File or directory, relative to the workspace and inside it."),
    KeyDoc::optional(Output, "type", "text", None, "Free description of its type."),
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
