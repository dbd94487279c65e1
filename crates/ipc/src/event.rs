//! What a worker does while it runs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{UtcMillis, decode_tagged};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
pub enum WorkerEvent {
    /// Text on standard output.
    Stdout(WorkerOutput),
    /// Text on standard error.
    Stderr(WorkerOutput),
    /// The log of the attempt has grown. Replaces `stdout` and `stderr` for readers of the log.
    LogGrew(LogGrew),
    /// How far the worker is, in its own words.
    Progress(Progress),
    /// A change of one file, as a unified diff.
    Patch(Patch),
    /// A finished text of an agent.
    Text(AgentText),
    /// A piece of a text that is still being written; the whole follows as `text`.
    TextDelta(AgentDelta),
    /// What an agent thinks.
    Thinking(AgentText),
    /// A piece of a thought that is still going on; the whole follows as `thinking`.
    ThinkingDelta(AgentDelta),
    /// What an agent means to do, whole, each time it changes.
    Plan {
        /// `items` in its order.
        items: Vec<PlanItem>,
    },
    /// An agent calls a tool.
    ToolCall(ToolCall),
    /// A tool call ended.
    ToolResult(ToolResult),
    /// A file was made, changed or removed.
    FileChanged {
        /// `path` as the worker says it.
        path: String,
        /// `action`: what happened to it.
        action: ChangeKind,
        /// `by`: id of the tool call that did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Tokens and money so far.
    Usage(Usage),
    /// The worker's session became known.
    Session(SessionInfo),
    /// The worker waits for something outside.
    Waiting(Waiting),
    /// Events that were left out: of the live ones, which the record may hold, or of the record itself.
    Gap(Gap),
    /// A kind of a newer version, or a line of a worker its adapter does not know.
    Unknown {
        /// `raw`: the line as it came, or the JSON with its keys in alphabetical order.
        raw: String,
    },
}

/// Kinds in the spelling of the wire; anything else decodes to [`WorkerEvent::Unknown`].
const KINDS: [&str; 18] = [
    "stdout",
    "stderr",
    "log_grew",
    "progress",
    "patch",
    "text",
    "text_delta",
    "thinking",
    "thinking_delta",
    "plan",
    "tool_call",
    "tool_result",
    "file_changed",
    "usage",
    "session",
    "waiting",
    "gap",
    "unknown",
];

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

    /// Whether the attempt's event file keeps it. Output is in the log, deltas exist live only, and a gap is no event but the
    /// absence of some.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        !self.may_be_shed() && !matches!(self, Self::LogGrew(_) | Self::Gap(_))
    }
}

impl Serialize for WorkerEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for WorkerEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_tagged(deserializer, &KINDS, Self::deserialize, |raw| Self::Unknown { raw })
    }
}

/// A stretch of output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerOutput {
    /// `data`: in protocol 1 one line without its newline, in protocol 2 the bytes as text, newlines
    /// included; bytes that are not UTF-8 are U+FFFD.
    pub data: String,
    /// `offset` of its first byte in the attempt's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `len` in bytes of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub len: Option<u64>,
    /// `partial`: the last line is not complete yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// A range of the attempt's log that is available now. The ranges of an attempt are contiguous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// How far a worker is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// `message`: a text for people.
    pub message: String,
    /// `percent`, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub percent: Option<f64>,
    /// `phase`: name of what it does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `basis`: what the percentage was worked out from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
}

/// What an agent says or thinks, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentText {
    /// `id` of the part; it ends the pieces of that id, and replaces them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `text` as the agent wrote it, or its beginning when `blob` names the whole.
    pub text: String,
    /// `parent`: id of the tool call (sub-agent) it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `blob`: name of the recorded whole, when `text` is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

impl AgentText {
    /// A text that stands for itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A piece of what an agent is saying or thinking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentDelta {
    /// `id` of the part the piece belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `delta`: what comes next in it.
    pub delta: String,
    /// `parent`: id of the tool call (sub-agent) it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `restart`: all earlier fragments with this id are void: the agent started the text again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

/// One thing an agent means to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanItem {
    /// `text`: what.
    pub text: String,
    /// `status`: where it is.
    pub status: PlanStatus,
}

value_enum! {
    /// Where a thing an agent means to do is.
    pub enum PlanStatus {
        /// `pending`: not begun.
        Pending = "pending",
        /// `in_progress`: being done.
        InProgress = "in_progress",
        /// `completed`: done, or given up by the agent itself.
        Completed = "completed",
    }
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// `filePath`: which one.
    pub file_path: String,
    /// `diff`, unified.
    pub diff: String,
}

/// An agent calls a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// `id`: pairs it with its result.
    pub id: String,
    /// `name` of the tool.
    pub name: String,
    /// `input` of the tool. Long texts in it are cut, and when it is long nevertheless it is a text with the beginning
    /// of its JSON; `blob` then names the whole.
    #[serde(default)]
    pub input: Value,
    /// `blob`: name of the recorded whole input, when `input` is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// `parent`: id of the call (sub-agent) that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A tool call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    /// `id` of the call.
    pub id: String,
    /// `ok`: whether it did what it was to do.
    pub ok: bool,
    /// `preview`: the beginning of what it returned. A session gives all of it, the core shortens it.
    pub preview: String,
    /// `bytes`: length of all it returned. The core fills it in.
    pub bytes: u64,
    /// `blob`: name of the recorded whole, when the preview is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// `durationMs`: how long it took, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

value_enum! {
    /// What happened to a file.
    pub enum ChangeKind {
        /// `created`: it was not there before.
        Created = "created",
        /// `modified`: it has other content.
        Modified = "modified",
        /// `deleted`: it is no longer there.
        Deleted = "deleted",
    }
}

/// Tokens and money. Totals of the attempt so far: they never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// `inputTokens`: read by the model, without what came from its cache.
    #[serde(default)]
    pub input_tokens: u64,
    /// `outputTokens`: written by the model.
    #[serde(default)]
    pub output_tokens: u64,
    /// `cacheReadTokens`: read from its cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// `cacheWriteTokens`: put into its cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// `costUsd`, when the worker says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::number::plain_option")]
    pub cost_usd: Option<f64>,
    /// `turns`: model round trips, when the worker shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

/// The session of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionInfo {
    /// `id`: the worker's own name for it.
    pub id: String,
    /// `model` that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `version` of the worker program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A worker waits for something outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiting {
    /// `why`: a few words for people.
    pub why: String,
    /// `cause`: what it waits for, when that is one of the known ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<WaitCause>,
    /// `delayMs`: how long from now, when the worker says it.
    #[serde(rename = "delayMs", default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// `until`, when it is known, UTC milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UtcMillis>,
}

value_enum! {
    /// What a worker waits for.
    pub enum WaitCause {
        /// `retry`: a request failed and is made again.
        Retry = "retry",
        /// `rate_limit`: the service takes no more requests for now.
        RateLimit = "rate_limit",
        /// `permission`: a permission is required.
        Permission = "permission",
        /// `other`: something else.
        Other = "other",
    }
}

/// What was left out: of the live plane, or of an event file. Both ranges are half open; the log holds the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// `fromSeq`: first number that was not sent.
    pub from_seq: u64,
    /// `toSeq`: first number after the hole.
    pub to_seq: u64,
    /// `fromOffset` in the attempt's log.
    pub from_offset: u64,
    /// `toOffset` in the attempt's log.
    pub to_offset: u64,
    /// `events` that were not sent.
    pub events: u64,
    /// `bytes` of output that were not sent.
    pub bytes: u64,
    /// `recorded`: how many of `events` are of kinds that the event file keeps (tool calls, usage, patches …). With any of
    /// these missing, whatever is counted from the others is a lower bound.
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
