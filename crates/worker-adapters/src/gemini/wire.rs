//! The lines of Gemini CLI.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::agent::lenient::{count, object, text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    /// `2026-01-31T23:59:59.999Z`.
    #[serde(borrow, deserialize_with = "text")]
    pub(super) timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) session_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) role: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) content: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) tool_id: Option<Cow<'a, str>>,
    pub(super) parameters: Value,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) output: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "object")]
    pub(super) error: Option<Failure<'a>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "object")]
    pub(super) stats: Option<Stats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure<'a> {
    #[serde(rename = "type", borrow, deserialize_with = "text")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
}

/// Of this process; a session that goes on begins at 0.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    #[serde(deserialize_with = "count")]
    pub(super) total_tokens: Option<u64>,
    /// With what came from the cache.
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: Option<u64>,
    /// Without thoughts.
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cached: Option<u64>,
}
