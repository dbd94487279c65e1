//! What was started: the content of `run.json`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use roboppi_ipc::{HexBytes, ProcessIdentity, UtcMillis, value_enum};
use serde::{Deserialize, Serialize};

use crate::{RunHandle, RunId, RunMode, TraceParent};

/// Version of the run directory this program writes.
pub const MANIFEST_FORMAT: u32 = 1;

/// `run.json` of a run directory. Written before anything else; only `record` may change after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `format` of the directory.
    pub format: u32,
    /// `runId`.
    pub run_id: RunId,
    /// `handle`: the short name of the run, such as `r17`, on the machine where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<RunHandle>,
    /// `name` of the workflow.
    pub name: String,
    /// `workflow`: absolute path of the file; empty when there is none.
    pub workflow: String,
    /// `workflowSha256`: fingerprint of the file as it was.
    pub workflow_sha256: String,
    /// `arguments` of the command.
    pub arguments: Vec<String>,
    /// `workspace`: absolute path.
    pub workspace: String,
    /// `contextDir`: absolute path.
    pub context_dir: String,
    /// `gitCommit` of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// `version` of roboppi.
    pub version: String,
    /// `host` name.
    pub host: String,
    /// `owner`: the supervisor process.
    pub owner: ProcessIdentity,
    /// `bootId`: pids and start times mean something only within one boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// `pidNamespace`: the space in which the pid of the owner is one, as the system names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<String>,
    /// `ownerLock`: the owner holds a lock on the file `lock` of the directory, on a file system where every process
    /// that sees it is told whether it is held. Not in records of versions that had no such lock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owner_lock: bool,
    /// `control`: absolute path of the socket where the owner takes commands, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// `mode`.
    pub mode: RunMode,
    /// `record`: `full` when the core records worker output itself, `events` when the supervisor writes
    /// down what an old core sent it, which may have holes.
    pub record: RecordKind,
    /// `startedAt`.
    pub started_at: UtcMillis,
    /// `silentAfterMs`: of a run whose program records itself, the time without a report after which it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after_ms: Option<u64>,
    /// `workflowBytes`: `workflow` byte for byte, where it is not UTF-8 and its text is for people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_bytes: Option<HexBytes>,
    /// `workspaceBytes`: the same of `workspace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_bytes: Option<HexBytes>,
    /// `traceparent`: the W3C trace context in which the run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Manifest {
    /// The trace context in which the run was started.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.traceparent.as_deref()?.parse().ok()
    }
}

impl Manifest {
    /// The file of the workflow; empty when there is none.
    #[must_use]
    pub fn workflow_path(&self) -> PathBuf {
        exact(&self.workflow, self.workflow_bytes.as_ref())
    }

    /// Where the steps worked.
    #[must_use]
    pub fn workspace_path(&self) -> PathBuf {
        exact(&self.workspace, self.workspace_bytes.as_ref())
    }
}

fn exact(text: &str, bytes: Option<&HexBytes>) -> PathBuf {
    bytes.map_or_else(|| PathBuf::from(text), |bytes| OsStr::from_bytes(bytes.bytes()).into())
}

value_enum! {
    /// How complete the logs of a run are.
    pub enum RecordKind {
        /// `full`: every byte.
        Full = "full",
        /// `events`: what came over the wire.
        Events = "events",
    }
}
