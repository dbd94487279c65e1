//! What a supervisor asks a core to do.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ExactValues, JobId, UtcMillis};

/// A unit of work as it is submitted (`submit_job`, `request_permit`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// `jobId`: chosen by the supervisor, one for each try.
    pub job_id: JobId,
    /// `type`: what is to be done.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// `priority`; carried for old peers, a core does not order by it.
    pub priority: Priority,
    /// `key`: idempotency key of schedulers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `payload`: a [`WorkerTask`] when `type` is `WORKER_TASK`. Kept as JSON so that a bad payload is
    /// a failed job, as old runners expect, and not an undecodable message.
    #[serde(default)]
    pub payload: Value,
    /// `limits`: how long, how often, how dear.
    pub limits: JobLimits,
    /// `context`: the origin of the job.
    pub context: JobContext,
}

impl Job {
    /// The payload as a worker task.
    ///
    /// # Errors
    /// When the job is of another type, or a field of the payload is missing or has the wrong type.
    pub fn worker_task(&self) -> Result<WorkerTask, serde_json::Error> {
        WorkerTask::deserialize(&self.payload)
    }
}

value_enum! {
    /// `type` of a job.
    pub enum JobType {
        /// `LLM`: a question to a model.
        Llm = "LLM",
        /// `TOOL`: a call of a tool.
        Tool = "TOOL",
        /// `WORKER_TASK`: the only type a core executes.
        WorkerTask = "WORKER_TASK",
        /// `PLUGIN_EVENT`: something for a plugin.
        PluginEvent = "PLUGIN_EVENT",
        /// `MAINTENANCE`: housekeeping.
        Maintenance = "MAINTENANCE",
    }
}

/// `priority` of a job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Priority {
    /// `value`: higher runs first in schedulers.
    #[serde(serialize_with = "crate::number::plain")]
    pub value: f64,
    /// `class`: whether a person waits for it.
    pub class: PriorityClass,
}

value_enum! {
    /// `class` of a priority.
    pub enum PriorityClass {
        /// `INTERACTIVE`: a person waits for it.
        Interactive = "INTERACTIVE",
        /// `BATCH`: no person waits for it; such jobs are delayed first when the core is loaded.
        Batch = "BATCH",
    }
}

/// `limits` of a job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobLimits {
    /// `timeoutMs`: lifetime of the permit, from the grant.
    #[serde(serialize_with = "crate::number::plain")]
    pub timeout_ms: f64,
    /// `maxAttempts`: a permit is refused from this attempt index on.
    #[serde(serialize_with = "crate::number::plain")]
    pub max_attempts: f64,
    /// `costHint`: what the job is expected to cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub cost_hint: Option<f64>,
    /// `retryBudgetMs`; unused by cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub retry_budget_ms: Option<f64>,
}

/// `context` of a job: its origin, for tracing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobContext {
    /// `traceId`: any text.
    pub trace_id: String,
    /// `correlationId`: any text; ours is the run.
    pub correlation_id: String,
    /// `userId`: any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// `sessionId`: any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// Payload of a `WORKER_TASK` job: what a worker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerTask {
    /// `workerTaskId`: any text.
    pub worker_task_id: String,
    /// `workerKind`: which program does it.
    pub worker_kind: WorkerKind,
    /// `workspaceRef`: absolute path, the worker's working directory.
    pub workspace_ref: String,
    /// `instructions`: the prompt of an agent, the script of a command.
    pub instructions: String,
    /// `defaultArgs`: arguments put before our own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_args: Vec<String>,
    /// `model` an agent is to use.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub model: Option<String>,
    /// `variant`: reasoning effort or the like.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub variant: Option<String>,
    /// `capabilities`: what the worker may do.
    pub capabilities: Vec<Capability>,
    /// `outputMode`: whether events are streamed.
    pub output_mode: OutputMode,
    /// `budget`: until when, and how much.
    pub budget: TaskBudget,
    /// `env`: added to the core's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// `roboppi`: our own options, ignored by old cores.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub roboppi: Option<JobOptions>,
}

/// Decodes a field that may be absent but not `null`: the dialect tells the two apart.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

value_enum! {
    /// Which program does the work (`workerKind`).
    pub enum WorkerKind {
        /// `CODEX_CLI`: an agent.
        CodexCli = "CODEX_CLI",
        /// `CLAUDE_CODE`: an agent.
        ClaudeCode = "CLAUDE_CODE",
        /// `OPENCODE`: an agent.
        OpenCode = "OPENCODE",
        /// `GEMINI`: an agent; protocol 2 only.
        Gemini = "GEMINI",
        /// `CUSTOM`: a shell command.
        Custom = "CUSTOM",
    }
}

impl WorkerKind {
    /// Whether it is an agent, and not a command. A kind that is not known is: there is one kind of commands.
    #[must_use]
    pub const fn is_agent(self) -> bool {
        !matches!(self, Self::Custom)
    }
}

value_enum! {
    /// What a worker may do (`capabilities`).
    pub enum Capability {
        /// `READ`: read files.
        Read = "READ",
        /// `EDIT`: change files.
        Edit = "EDIT",
        /// `RUN_TESTS`: run tests.
        RunTests = "RUN_TESTS",
        /// `RUN_COMMANDS`: run any command.
        RunCommands = "RUN_COMMANDS",
        /// `MAILBOX`: exchange messages with other agents.
        Mailbox = "MAILBOX",
        /// `TASKS`: take and give tasks.
        Tasks = "TASKS",
    }
}

value_enum! {
    /// Whether a worker's events are sent while it runs (`outputMode`).
    pub enum OutputMode {
        /// `STREAM`: `job_event`s while it runs.
        Stream = "STREAM",
        /// `BATCH`: only the result.
        Batch = "BATCH",
    }
}

/// `budget` of a worker task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskBudget {
    /// `deadlineAt`: when the worker must have ended, UTC milliseconds.
    pub deadline_at: UtcMillis,
    /// `maxSteps`: turns an agent may take.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub max_steps: Option<f64>,
    /// `maxCommandTimeMs`: limit for one command of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub max_command_time_ms: Option<f64>,
}

/// Our own options for a job (`payload.roboppi`), all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobOptions {
    /// `record`: where the core records the attempt. Without it the core keeps a private copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordTarget>,
    /// `stdio`: whether stdout and stderr are streamed; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdio: Option<bool>,
    /// `timeoutMs`: time the worker may run, measured by the core on its monotonic clock from the start
    /// of the worker. Wins over `budget.deadlineAt`, which depends on two wall clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `graceMs`: time between TERM and KILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// `redact`: values that must not be seen in any free text the core records or sends: output, messages, what agents say.
    /// Keys, kinds, ids and names stay as they are. They are never traced and never recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<SecretText>,
    /// `environment`: which variables of the core's environment the worker is given; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<VariablePolicy>,
    /// `resume`: the agent's own session to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// `idleMs`: how long an agent may show no activity at all (no output, no processor time, no file written) before it is
    /// ended; absent for the default of its kind, 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// `drainMs`: time pipes may stay open after the worker's exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// `exact`: what of the task is not UTF-8, byte for byte. Only for cores that say `exact` among their capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<ExactValues>,
}

/// Which variables of its environment a core gives to a worker (`payload.roboppi.environment`). What the task itself sets
/// is given in any case. In a name `*` stands for any letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VariablePolicy {
    /// `pass`: only these, and the few that every program needs; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Vec<String>>,
    /// `block`: not these, whatever `pass` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block: Vec<String>,
}

impl VariablePolicy {
    /// Variables that no program does without: where programs and files are, whose they are, and how text is written.
    pub const ALWAYS: [&'static str; 10] =
        ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_*", "TZ", "TMPDIR"];

    /// Whether the worker is given the variable `name`.
    #[must_use]
    pub fn gives(&self, name: &str) -> bool {
        let among = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        if among(&self.block) {
            return false;
        }
        self.pass
            .as_ref()
            .is_none_or(|pass| among(pass) || Self::ALWAYS.iter().any(|pattern| matches(pattern, name)))
    }
}

/// Whether a name is what a pattern says, in which `*` stands for any letters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(last)
}

/// A value that must not be seen; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a value.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value, to look for it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(***)")
    }
}

/// Where the files of an attempt are (`payload.roboppi.record`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordTarget {
    /// `dir`: absolute path of the run directory.
    pub dir: String,
    /// `base`: path of the attempt's files inside it, without extension: `steps/build/i1-a2`.
    pub base: String,
    /// `limits`: how much of the disk may be taken; absent for the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RecordLimits>,
}

/// How much of the disk logs may take (`payload.roboppi.record.limits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordLimits {
    /// `logBytes`: of the log of one attempt, with its index.
    pub log_bytes: u64,
    /// `runBytes`: of all logs of the run together.
    pub run_bytes: u64,
    /// `minFreeBytes`: what must stay free on the disk.
    pub min_free_bytes: u64,
    /// `over`: what is done with more.
    pub over: OverLimit,
}

impl Default for RecordLimits {
    /// More than any build needs: 1 GiB a log, 5 GiB a run, 1 GiB free.
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self { log_bytes: GIB, run_bytes: 5 * GIB, min_free_bytes: GIB, over: OverLimit::Truncate }
    }
}

value_enum! {
    /// What is done when a log exceeds its limit (`over`).
    pub enum OverLimit {
        /// `truncate`: its beginning and its end are kept, and what is between them is counted.
        Truncate = "truncate",
        /// `warn`: it is kept whole, and that is said once.
        Warn = "warn",
        /// `kill`: as `truncate`, and the worker is ended.
        Kill = "kill",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro derives no default")]
impl Default for OverLimit {
    fn default() -> Self {
        Self::Truncate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(pass: Option<&[&str]>, block: &[&str]) -> VariablePolicy {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        VariablePolicy { pass: pass.map(owned), block: owned(block) }
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, expected) in [
            ("A", "A", true),
            ("A", "AB", false),
            ("A*", "A", true),
            ("A*", "BA", false),
            ("*", "", true),
            ("*_KEY", "A_KEY", true),
            ("*_KEY", "A_KEYS", false),
            ("A*B*C", "AxByC", true),
            ("A*B*C", "AxC", false),
            ("AB*B", "AB", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn blocked_is_blocked_and_what_every_program_needs_passes() {
        let given = |policy: &VariablePolicy| {
            ["PATH", "LC_ALL", "AWS_KEY", "AWS_REGION", "OTHER"].map(|name| policy.gives(name))
        };
        assert_eq!(given(&policy(None, &[])), [true; 5]);
        assert_eq!(given(&policy(Some(&[]), &[])), [true, true, false, false, false]);
        assert_eq!(given(&policy(Some(&["AWS_*"]), &["*_KEY"])), [true, true, false, true, false]);
        assert_eq!(given(&policy(None, &["PATH", "AWS_*"])), [false, true, false, false, true]);
    }
}
