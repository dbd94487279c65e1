//! The lines of Claude Code, as far as they are looked at. Key order is not stable, and every field may be missing.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::agent::lenient::{
    Content, TextOr, count, entries, flag, list, maybe_flag, number, object, text, texts,
};

/// Any line. It is moved a few times when it is read, so the larger parts that most lines do not have are in a box.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) subtype: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) session_id: Option<Cow<'a, str>>,
    /// The call of the sub-agent the line belongs to.
    #[serde(borrow, deserialize_with = "text")]
    pub(super) parent_tool_use_id: Option<Cow<'a, str>>,

    // system/init
    #[serde(borrow, deserialize_with = "text")]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) claude_code_version: Option<Cow<'a, str>>,

    #[serde(borrow, deserialize_with = "list")]
    pub(super) mcp_servers: Vec<McpServer<'a>>,

    // assistant and user; a text in system/permission_denied
    #[serde(borrow)]
    pub(super) message: TextOr<'a, Message<'a>>,
    #[serde(borrow)]
    pub(super) tool_use_result: Option<&'a RawValue>,
    #[serde(deserialize_with = "flag")]
    pub(super) is_api_error_message: bool,

    // stream_event
    #[serde(borrow, deserialize_with = "object")]
    pub(super) event: Option<Box<StreamEvent<'a>>>,

    // system/api_retry, and the word for a failure in assistant
    #[serde(deserialize_with = "count")]
    pub(super) attempt: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) max_retries: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) retry_delay_ms: Option<f64>,
    #[serde(deserialize_with = "count")]
    pub(super) error_status: Option<u64>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) error: Option<Cow<'a, str>>,

    // system/permission_denied
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_use_id: Option<Cow<'a, str>>,

    // system/status, system/task_*
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) task_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) task_type: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) description: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "maybe_flag")]
    pub(super) is_backgrounded: Option<bool>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) summary: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "list")]
    pub(super) tasks: Vec<Task<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) patch: Option<Box<TaskPatch<'a>>>,

    // command_lifecycle
    #[serde(borrow, deserialize_with = "text")]
    pub(super) state: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) wakeup_source: Option<Cow<'a, str>>,

    // rate_limit_event
    #[serde(borrow, deserialize_with = "object")]
    pub(super) rate_limit_info: Option<Box<RateLimit<'a>>>,

    // result
    #[serde(deserialize_with = "flag")]
    pub(super) is_error: bool,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) result: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "texts")]
    pub(super) errors: Vec<String>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) terminal_reason: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "count")]
    pub(super) num_turns: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(deserialize_with = "object")]
    pub(super) usage: Option<Tokens>,
    #[serde(rename = "modelUsage", deserialize_with = "entries")]
    pub(super) model_usage: Vec<(String, ModelUsage)>,
    #[serde(deserialize_with = "some_entries")]
    pub(super) model_usage_since_last_result: Option<Vec<(String, ModelUsage)>>,
    #[serde(borrow, deserialize_with = "list")]
    pub(super) permission_denials: Vec<Denial<'a>>,
    #[serde(deserialize_with = "count")]
    pub(super) queued_turn_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) api_error_status: Option<u64>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) api_error_type: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) api_error: Option<Cow<'a, str>>,
}

fn some_entries<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<(String, ModelUsage)>>, D::Error> {
    entries(deserializer).map(Some)
}

/// What the model or a tool said: `assistant`, `user`, and `message_start`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) content: Content<'a, Block<'a>>,
    #[serde(deserialize_with = "object")]
    pub(super) usage: Option<Tokens>,
}

/// A block of a content.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) thinking: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) content: Content<'a, Block<'a>>,
    #[serde(deserialize_with = "flag")]
    pub(super) is_error: bool,
}

/// One event of the stream of the model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamEvent<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "count")]
    pub(super) index: Option<u64>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) content_block: Option<Block<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(deserialize_with = "object")]
    pub(super) usage: Option<Tokens>,
    /// Present when a stream was cut and Claude Code closed it itself.
    #[serde(borrow)]
    pub(super) abandoned_blocks: Option<&'a RawValue>,
}

/// A piece of a block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) thinking: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) stop_reason: Option<Cow<'a, str>>,
}

/// Tokens of one answer, or of one turn.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_creation_input_tokens: Option<u64>,
}

/// What one model was used for, sub-agents and helpers included.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ModelUsage {
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_creation_input_tokens: Option<u64>,
    #[serde(rename = "costUSD", deserialize_with = "number")]
    pub(super) cost_usd: Option<f64>,
}

/// A call that was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Denial<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_use_id: Option<Cow<'a, str>>,
}

/// Something that goes on in the background.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) task_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) task_type: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) description: Option<Cow<'a, str>>,
}

/// What changed about it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TaskPatch<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) error: Option<Cow<'a, str>>,
}

/// A server of tools.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct McpServer<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
}

/// How much a subscription still allows.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RateLimit<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    /// Seconds of UTC.
    #[serde(deserialize_with = "count")]
    pub(super) resets_at: Option<u64>,
    /// The part that is used, 1 being all of it.
    #[serde(deserialize_with = "number")]
    pub(super) utilization: Option<f64>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) rate_limit_type: Option<Cow<'a, str>>,
}

/// What a tool that changes files says it did (`tool_use_result`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FileChange<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) file_path: Option<Cow<'a, str>>,
    #[serde(rename = "notebook_path", borrow, deserialize_with = "text")]
    pub(super) notebook_path: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) content: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "list")]
    pub(super) structured_patch: Vec<PatchHunk>,
}

/// A hunk of a change.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PatchHunk {
    #[serde(deserialize_with = "count")]
    pub(super) old_start: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) old_lines: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) new_start: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) new_lines: Option<u64>,
    #[serde(deserialize_with = "texts")]
    pub(super) lines: Vec<String>,
}
