//! What a worker does while it runs.

mod construct;
mod kinds;
mod workspace;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use workspace::{ChangeCause, WorkspaceChange, WorkspaceChanges};

use crate::{Resources, UtcMillis};

/// Which of a worker's two streams a text came from. On the wire the two have kinds of events of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputStream {
    /// `stdout`.
    Stdout,
    /// `stderr`.
    Stderr,
}

impl OutputStream {
    /// The word on screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One thing a worker did, tagged by `type` on the wire.
///
/// `stdout`, `stderr`, `progress` and `patch` exist in protocol 1; the other kinds do not.
/// A kind that this version does not know decodes to [`WorkerEvent::Unknown`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerEvent {
    /// Text on standard output.
    Stdout(WorkerOutput),
    /// Text on standard error.
    Stderr(WorkerOutput),
    /// The log of the attempt has grown. Replaces `stdout` and `stderr` for readers of the log.
    LogGrew(LogGrew),
    /// Progress of the worker, as it reports it.
    Progress(Progress),
    /// A change of one file, as a unified diff.
    Patch(Patch),
    /// A finished text of an agent.
    Text(AgentText),
    /// A fragment of an unfinished text; the complete text follows as `text`.
    TextDelta(AgentDelta),
    /// A thought of an agent.
    Thinking(AgentText),
    /// A fragment of an unfinished thought; the complete thought follows as `thinking`.
    ThinkingDelta(AgentDelta),
    /// The complete plan of an agent, each time it changes.
    Plan {
        /// `items`: the items in order.
        items: Vec<PlanItem>,
    },
    /// An agent calls a tool.
    ToolCall(ToolCall),
    /// A tool call ended.
    ToolResult(ToolResult),
    /// A file was created, changed or removed.
    FileChanged {
        /// `path`: path, as reported by the worker.
        path: String,
        /// `action`: kind of the change.
        action: ChangeKind,
        /// `by`: id of the tool call that changed the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// `seen`: the change was found in the workspace, and the worker did not report it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        seen: bool,
    },
    /// Which files of the workspace have changed in all.
    WorkspaceChanges(WorkspaceChanges),
    /// Tokens and cost so far.
    Usage(Usage),
    /// The session of the worker became known.
    Session(SessionInfo),
    /// The worker waits for an external condition.
    Waiting(Waiting),
    /// What the processes of the worker use now. A later one replaces an earlier one.
    Resources(Resources),
    /// Missing events: of the live ones, which the record may have, or of the record itself.
    Gap(Gap),
    /// A kind of a newer version, or a line of a worker that its adapter does not know.
    Unknown {
        /// `raw`: the unchanged line, or the JSON with keys in alphabetical order.
        raw: String,
    },
}

impl WorkerEvent {
    /// Text of `stream`.
    #[must_use]
    pub const fn output(stream: OutputStream, output: WorkerOutput) -> Self {
        match stream {
            OutputStream::Stdout => Self::Stdout(output),
            OutputStream::Stderr => Self::Stderr(output),
        }
    }

    /// Whether the live plane may drop it: output and partial text only.
    #[must_use]
    pub const fn may_be_shed(&self) -> bool {
        matches!(self, Self::Stdout(_) | Self::Stderr(_) | Self::TextDelta(_) | Self::ThinkingDelta(_))
    }

    /// Whether a worker that does this does not wait any more. What sub-agents do does not end a wait for the background.
    #[must_use]
    pub fn ends_wait(&self, waiting: &Waiting) -> bool {
        if matches!(
            self,
            Self::Resources(_) | Self::WorkspaceChanges(_) | Self::FileChanged { seen: true, .. }
        ) {
            return false;
        }
        if waiting.cause != Some(WaitCause::Background) {
            return true;
        }
        match self {
            Self::Text(text) | Self::Thinking(text) => text.parent.is_none(),
            Self::ToolCall(call) => call.parent.is_none(),
            Self::Waiting(_) | Self::Session(_) => true,
            _ => false,
        }
    }

    /// Whether the attempt's event file keeps it. Output is in the log, deltas exist live only, and a gap is no event but the
    /// absence of some.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        !self.may_be_shed() && !matches!(self, Self::LogGrew(_) | Self::Gap(_))
    }
}

/// A part of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WorkerOutput {
    /// `data`: in protocol 1 one line without its newline, in protocol 2 the bytes as text, newlines
    /// included; bytes that are not UTF-8 are U+FFFD.
    pub data: String,
    /// `offset`: offset of the first byte in the attempt's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `len`: length in bytes of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub len: Option<u64>,
    /// `partial`: whether the last line is incomplete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A range of the attempt's log that is available now. The ranges of an attempt are contiguous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LogGrew {
    /// `offset` of its first byte.
    pub offset: u64,
    /// `len` in bytes.
    pub len: u64,
    /// `stdout`: standard output in the range is text for people. Lines that an adapter translates into events are in the
    /// log too, and are not. With neither flag it is unknown which streams are text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdout: bool,
    /// `stderr`: standard error in the range is text for people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stderr: bool,
}

impl LogGrew {
    /// Offset after its last byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// Whether `stream` in the range is text for people.
    #[must_use]
    pub const fn shows(&self, stream: OutputStream) -> bool {
        match stream {
            OutputStream::Stdout => self.stdout,
            OutputStream::Stderr => self.stderr,
        }
    }
}

/// Progress of a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Progress {
    /// `message`: readable text.
    pub message: String,
    /// `percent`, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub percent: Option<f64>,
    /// `phase`: name of the present phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `basis`: basis of the percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// `level`: severity of a message that is a remark on the attempt, and no progress. Absent from progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<RemarkLevel>,
}

value_enum! {
    /// Severity of a remark.
    pub enum RemarkLevel {
        /// `warning`: something is missing, does not count, or is about to run out; the work goes on.
        Warning = "warning",
    }
}

/// A complete text or thought of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AgentText {
    /// `id`: id of the text; it replaces the fragments with that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `text`: the text of the agent, or its beginning if `blob` names the complete text.
    pub text: String,
    /// `parent`: id of the tool call (sub-agent) that the text belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `blob`: name of the complete text in the record, if `text` is shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

/// A fragment of a text or thought of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AgentDelta {
    /// `id`: id of the text that the fragment belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `delta`: the next fragment of the text.
    pub delta: String,
    /// `parent`: id of the tool call (sub-agent) that the text belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `restart`: all earlier fragments with this id are void: the agent started the text again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// An item of an agent's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PlanItem {
    /// `text`: text of the item.
    pub text: String,
    /// `status`: status of the item.
    pub status: PlanStatus,
}

value_enum! {
    /// Status of an item of a plan.
    pub enum PlanStatus {
        /// `pending`: not started.
        Pending = "pending",
        /// `in_progress`: in progress.
        InProgress = "in_progress",
        /// `completed`: done, or abandoned by the agent.
        Completed = "completed",
    }
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Patch {
    /// `filePath`: path of the file.
    pub file_path: String,
    /// `diff`: unified diff.
    pub diff: String,
    /// `seen`: the change was found in the workspace, and the worker did not report it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seen: bool,
}

/// An agent calls a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ToolCall {
    /// `id`: id that pairs the call with its result.
    pub id: String,
    /// `name`: name of the tool.
    pub name: String,
    /// `input`: input of the tool. Long texts in it are shortened; if it is still too long, it is a text with
    /// the beginning of its JSON, and `blob` names the complete input.
    #[serde(default)]
    pub input: Value,
    /// `blob`: name of the complete input in the record, if `input` is shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// `parent`: id of the call (sub-agent) that made this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `agents`: sub-agents that the call starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<SubAgent>,
}

/// A sub-agent, as far as its program reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SubAgent {
    /// `id`: id of the sub-agent: of the call that started it where it has no other, so that it is the `parent` of its calls.
    pub id: String,
    /// `status`: status of the sub-agent.
    pub status: SubAgentStatus,
    /// `name`: short description of its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `message`: its last message, or the reason of its end, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

value_enum! {
    /// Status of a sub-agent.
    pub enum SubAgentStatus {
        /// `starting`: not at work yet.
        Starting = "starting",
        /// `running`: at work.
        Running = "running",
        /// `completed`: its work is done.
        Completed = "completed",
        /// `failed`: it failed.
        Failed = "failed",
        /// `stopped`: it was terminated before its work was done.
        Stopped = "stopped",
    }
}

/// A tool call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolResult {
    /// `id`: id of the call.
    pub id: String,
    /// `ok`: whether the tool achieved its purpose.
    pub ok: bool,
    /// `preview`: the beginning of the result. A session passes the complete result; the core shortens it.
    pub preview: String,
    /// `bytes`: length of the complete result. Set by the core.
    pub bytes: u64,
    /// `blob`: name of the complete result in the record, if the preview is shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// `durationMs`: duration of the call, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// `agents`: sub-agents whose status the result reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<SubAgent>,
}

value_enum! {
    /// Kind of a file change.
    pub enum ChangeKind {
        /// `created`: the file is new.
        Created = "created",
        /// `modified`: its content has changed.
        Modified = "modified",
        /// `deleted`: the file was removed.
        Deleted = "deleted",
    }
}

/// Tokens and cost. Totals of the attempt so far, which never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Usage {
    /// `inputTokens`: tokens read by the model, without those from the cache.
    #[serde(default)]
    pub input_tokens: u64,
    /// `outputTokens`: tokens written by the model.
    #[serde(default)]
    pub output_tokens: u64,
    /// `cacheReadTokens`: tokens read from the cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// `cacheWriteTokens`: tokens written to the cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// `costUsd`: cost, if the worker reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub cost_usd: Option<f64>,
    /// `turns`: number of model round trips, if the worker reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

/// The session of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SessionInfo {
    /// `id`: id of the session, as the worker names it.
    pub id: String,
    /// `model`: the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `version`: version of the worker program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A worker waits for an external condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Waiting {
    /// `why`: readable reason.
    pub why: String,
    /// `cause`: cause of the wait, if it is a known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<WaitCause>,
    /// `delayMs`: duration of the wait, if the worker reports it.
    #[serde(rename = "delayMs", default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// `until`: end of the wait, if known, in UTC milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UtcMillis>,
}

value_enum! {
    /// Cause of a wait.
    pub enum WaitCause {
        /// `retry`: a request failed and is retried.
        Retry = "retry",
        /// `rate_limit`: the service accepts no more requests at present.
        RateLimit = "rate_limit",
        /// `background`: its turn is over, and something it started or scheduled is to begin the next one.
        Background = "background",
        /// `permission`: a permission is required.
        Permission = "permission",
        /// `other`: something else.
        Other = "other",
    }
}

/// Missing events: of the live plane, or of an event file. Both ranges are half open; the log has the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Gap {
    /// `fromSeq`: number of the first missing event.
    pub from_seq: u64,
    /// `toSeq`: number after the last missing event.
    pub to_seq: u64,
    /// `fromOffset`: offset of the first missing byte in the attempt's log.
    pub from_offset: u64,
    /// `toOffset`: offset after the last missing byte.
    pub to_offset: u64,
    /// `events`: number of missing events.
    pub events: u64,
    /// `bytes`: number of missing bytes of output.
    pub bytes: u64,
    /// `recorded`: number of missing events of the kinds that the event file keeps (tool calls, usage,
    /// patches …). If any of these are missing, counts of such events are lower bounds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recorded: u64,
    /// `atLeast`: the numbers are lower bounds: the sender did not report how much it left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The message of the `progress` that tells people, and peers of protocol 1, that output is being left out.
pub const LOGS_TRUNCATED: &str = "(logs truncated)";

/// Longest text of an event of protocol 1, in bytes. What is longer is cut there, and [`CUT_MARK`] follows.
pub const LONGEST_TEXT_OF_PROTOCOL_1: usize = 16 * 1024;

/// What follows a text that was cut in protocol 1.
pub const CUT_MARK: &str = "...(truncated)";
