//! What a supervisor asks a core to do.

mod construct;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentSetup, ExactValues, JobId, UtcMillis, WorkerKind};

/// A unit of work as it is submitted (`submit_job`, `request_permit`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// `jobId`: id chosen by the supervisor, one for each attempt.
    pub job_id: JobId,
    /// `type`: type of the job.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// `priority`: sent for old peers; a core does not order by it.
    pub priority: Priority,
    /// `key`: idempotency key for schedulers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `payload`: a [`WorkerTask`] when `type` is `WORKER_TASK`. Kept as JSON so that a bad payload is
    /// a failed job, as old runners expect, and not an undecodable message.
    #[serde(default)]
    pub payload: Value,
    /// `limits`: limits of time, attempts and cost.
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
        /// `LLM`: a request to a model.
        Llm = "LLM",
        /// `TOOL`: a call of a tool.
        Tool = "TOOL",
        /// `WORKER_TASK`: the only type a core executes.
        WorkerTask = "WORKER_TASK",
        /// `PLUGIN_EVENT`: an event for a plugin.
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
    /// `maxAttempts`: attempt index from which permits are rejected.
    #[serde(serialize_with = "crate::number::plain")]
    pub max_attempts: f64,
    /// `costHint`: expected cost of the job.
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
    /// `correlationId`: any text; roboppi sends the run id.
    pub correlation_id: String,
    /// `userId`: any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// `sessionId`: any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// Payload of a `WORKER_TASK` job: the task of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkerTask {
    /// `workerTaskId`: any text.
    pub worker_task_id: String,
    /// `workerKind`: the kind of worker that does the work.
    pub worker_kind: WorkerKind,
    /// `workspaceRef`: working directory of the worker, as an absolute path.
    pub workspace_ref: String,
    /// `instructions`: the prompt of an agent, the script of a command.
    pub instructions: String,
    /// `defaultArgs`: arguments placed before the generated ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_args: Vec<String>,
    /// `model`: the model to use.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub model: Option<String>,
    /// `variant`: variant of the model, such as the reasoning effort.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub variant: Option<String>,
    /// `capabilities`: permissions of the worker.
    pub capabilities: Vec<Capability>,
    /// `outputMode`: whether events are streamed.
    pub output_mode: OutputMode,
    /// `budget`: limits of the task.
    pub budget: TaskBudget,
    /// `env`: variables added to the core's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// `roboppi`: roboppi's own options, ignored by old cores.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub roboppi: Option<JobOptions>,
}

impl WorkerTask {
    /// What an agent is given beside the task.
    #[must_use]
    pub fn agent_setup(&self) -> Option<&AgentSetup> {
        self.roboppi.as_ref()?.agent.as_ref()
    }
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
    /// Permission of a worker (`capabilities`).
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
    /// Whether events of a worker are sent while it runs (`outputMode`).
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
#[non_exhaustive]
pub struct TaskBudget {
    /// `deadlineAt`: time by which the worker must have ended, in UTC milliseconds.
    pub deadline_at: UtcMillis,
    /// `maxSteps`: maximum number of turns of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub max_steps: Option<f64>,
    /// `maxCommandTimeMs`: time limit of a single command of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub max_command_time_ms: Option<f64>,
    /// `maxCostUsd`: cost above which an agent ends itself, if its program can. The supervisor counts the cost anyway.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub max_cost_usd: Option<f64>,
}

/// roboppi's options for a job (`payload.roboppi`), all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobOptions {
    /// `record`: location of the record of the attempt. Without it the core keeps a private copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordTarget>,
    /// `stdio`: whether stdout and stderr are streamed; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdio: Option<bool>,
    /// `timeoutMs`: time limit of the worker, measured by the core on its monotonic clock from the start of
    /// the worker. Takes precedence over `budget.deadlineAt`, which depends on two wall clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `graceMs`: time between TERM and KILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// `redact`: values that must not be seen in any free text the core records or sends: output, messages, what agents say.
    /// Keys, kinds, ids and names stay as they are. They are never traced and never recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<SecretText>,
    /// `environment`: variables of the core's environment that the worker inherits; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<VariablePolicy>,
    /// `resume`: session of the agent to continue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// `idleMs`: time after which an idle agent (no output, no processor time, no file written) is
    /// terminated; absent for the default of its kind, 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// `drainMs`: time that pipes may stay open after the worker's exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// `exact`: values of the task that are not UTF-8, as bytes. Only for cores with the capability `exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<ExactValues>,
    /// `agent`: what an agent is given beside its task. Only for cores with the capability `agent_setup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentSetup>,
    /// `fileChanges`: whether the files of the workspace are compared before and after; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_changes: Option<bool>,
}

/// Variables of the core's environment that a worker inherits (`payload.roboppi.environment`). Variables that
/// the task itself sets are always passed. In a name, `*` matches any characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VariablePolicy {
    /// `pass`: only these variables, and the few that every program needs; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Vec<String>>,
    /// `block`: never these variables, even if `pass` includes them.
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

/// A secret value; `Debug` does not show it.
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

/// Location of the files of an attempt (`payload.roboppi.record`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordTarget {
    /// `dir`: absolute path of the run directory.
    pub dir: String,
    /// `base`: path of the attempt's files inside it, without extension: `steps/build/i1-a2`.
    pub base: String,
    /// `limits`: limits of disk usage; absent for the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RecordLimits>,
}

/// Limits of the disk usage of logs (`payload.roboppi.record.limits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordLimits {
    /// `logBytes`: maximum size of the log of one attempt, with its index.
    pub log_bytes: u64,
    /// `runBytes`: maximum total size of all logs of the run.
    pub run_bytes: u64,
    /// `minFreeBytes`: disk space to leave free.
    pub min_free_bytes: u64,
    /// `over`: what to do above the limit.
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
    /// What to do when a log exceeds its limit (`over`).
    pub enum OverLimit {
        /// `truncate`: keep its beginning and its end, and count the bytes in between.
        Truncate = "truncate",
        /// `warn`: keep the whole log, with one warning.
        Warn = "warn",
        /// `kill`: like `truncate`, and terminate the worker.
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
