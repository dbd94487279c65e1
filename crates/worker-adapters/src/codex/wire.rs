//! The lines of Codex, as far as they are looked at.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::agent::lenient::{count, entries, flag, list, number, object, text, texts};

/// Any line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) thread_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) item: Option<Item<'a>>,
    #[serde(deserialize_with = "object")]
    pub(super) usage: Option<Tokens>,
    /// Of `error`.
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
    /// Of `turn.failed`.
    #[serde(borrow, deserialize_with = "object")]
    pub(super) error: Option<Failure<'a>>,
}

/// Something it said or did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,

    // agent_message, reasoning
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,

    // command_execution
    #[serde(borrow, deserialize_with = "text")]
    pub(super) command: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) aggregated_output: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "number")]
    pub(super) exit_code: Option<f64>,

    // file_change
    #[serde(borrow, deserialize_with = "list")]
    pub(super) changes: Vec<Change<'a>>,

    // mcp_tool_call
    #[serde(borrow, deserialize_with = "text")]
    pub(super) server: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) result: Option<McpResult<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) error: Option<Failure<'a>>,

    // collab_tool_call
    #[serde(borrow, deserialize_with = "text")]
    pub(super) sender_thread_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) prompt: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "texts")]
    pub(super) receiver_thread_ids: Vec<String>,
    #[serde(borrow, deserialize_with = "entries")]
    pub(super) agents_states: Vec<(String, AgentState<'a>)>,

    // web_search
    #[serde(borrow, deserialize_with = "text")]
    pub(super) query: Option<Cow<'a, str>>,

    // todo_list
    #[serde(borrow, deserialize_with = "list")]
    pub(super) items: Vec<Todo<'a>>,

    // error
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) path: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
}

/// How far a sub-agent is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentState<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Todo<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "flag")]
    pub(super) completed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct McpResult<'a> {
    #[serde(borrow, deserialize_with = "list")]
    pub(super) content: Vec<McpContent<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct McpContent<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
}

/// Tokens of the thread so far, those of earlier processes included.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    /// Those from the cache included.
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cached_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_write_input_tokens: Option<u64>,
    /// Those of its thoughts included.
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: Option<u64>,
}
