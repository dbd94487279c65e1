//! The session of a client.

use serde::Serialize;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Reads.
    Reader,
    /// Reads, sends commands to runs, and starts workflows.
    Operator,
}

/// The answer of `GET /api/v1/session`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// What the client may do.
    pub(crate) role: Role,
    /// Value of the header `X-Roboppi-Csrf` of requests that change something; absent of a client with a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) csrf: Option<String>,
    /// Version of roboppi.
    pub(crate) version: String,
    /// Name of the host of the server.
    pub(crate) host: String,
    /// What a client is sent at most.
    pub(crate) limits: Limits,
    /// Workflows that may be started.
    pub(crate) workflows: Vec<WorkflowEntry>,
}

/// What a client is sent at most.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Events in a second.
    pub(crate) events_per_second: u32,
    /// Events in a frame.
    pub(crate) events_per_frame: u32,
    /// Bytes of a frame.
    pub(crate) frame_bytes: u32,
    /// Frames with lines of logs in a second.
    pub(crate) log_frames_per_second: u32,
    /// Bytes of a line; a longer one is cut.
    pub(crate) line_bytes: usize,
}

/// A workflow that may be started.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct WorkflowEntry {
    /// Its id in the API.
    pub(crate) id: String,
    /// Its file name.
    pub(crate) name: String,
}
