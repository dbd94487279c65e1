//! The lines of opencode.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::agent::lenient::{count, number, object, text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(rename = "sessionID", borrow, deserialize_with = "text")]
    pub(super) session: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) part: Option<Part<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) error: Option<Failure<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool: Option<Cow<'a, str>>,
    #[serde(rename = "callID", borrow, deserialize_with = "text")]
    pub(super) call: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) state: Option<State<'a>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) reason: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "object")]
    pub(super) tokens: Option<Tokens>,
    #[serde(deserialize_with = "number")]
    pub(super) cost: Option<f64>,
}

/// How a tool call went.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) input: Value,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) output: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(deserialize_with = "object")]
    pub(super) time: Option<Span>,
}

/// What some tools say besides.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata<'a> {
    /// Exit code of a command.
    #[serde(deserialize_with = "number")]
    pub(super) exit: Option<f64>,
    /// Of an edit, unified.
    #[serde(borrow, deserialize_with = "text")]
    pub(super) diff: Option<Cow<'a, str>>,
    /// Whether a written file was there before.
    pub(super) exists: Value,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Span {
    #[serde(deserialize_with = "count")]
    pub(super) start: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) end: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    /// Without what came from the cache.
    #[serde(deserialize_with = "count")]
    pub(super) input: Option<u64>,
    /// Without thoughts.
    #[serde(deserialize_with = "count")]
    pub(super) output: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) reasoning: Option<u64>,
    #[serde(deserialize_with = "object")]
    pub(super) cache: Option<Cache>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cache {
    #[serde(deserialize_with = "count")]
    pub(super) read: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) write: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) data: Option<FailureData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FailureData<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
    #[serde(rename = "statusCode", deserialize_with = "count")]
    pub(super) status: Option<u64>,
    /// Of the answer that refused the request.
    #[serde(rename = "responseHeaders")]
    pub(super) headers: Value,
}
