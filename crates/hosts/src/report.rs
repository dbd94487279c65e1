//! What a host tells of itself when it is asked. Nothing of it decides anything: its identity is its ssh host key.

use serde::{Deserialize, Serialize};

use crate::SessionName;

/// `report`: the answer of a host to an `ask`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    /// `version`: version of the program.
    #[serde(default)]
    pub version: String,
    /// `os`: operating system, as Rust names it.
    #[serde(default)]
    pub os: String,
    /// `arch`: architecture of the program, as Rust names it.
    #[serde(default)]
    pub arch: String,
    /// `timeMs`: time of day there, in milliseconds since 1970 UTC.
    #[serde(default)]
    pub time_ms: u64,
    /// `bootId`: boot id of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// `cpus`: number of processors that the program may use.
    #[serde(default)]
    pub cpus: u32,
    /// `sessions`: the sessions of this user; at most [`SESSION_REPORT_LIMIT`].
    #[serde(default)]
    pub sessions: Vec<SessionReport>,
}

/// Sessions that a report names at most.
pub const SESSION_REPORT_LIMIT: usize = 1_000;

/// A session that a host has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionReport {
    /// `session`: the work of one run on the host.
    pub session: SessionName,
    /// `isLive`: whether a keeper has it. One that is not live is what a keeper has left that did not end by itself.
    #[serde(default)]
    pub is_live: bool,
}
