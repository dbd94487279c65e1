//! A run as one file that goes to another machine and back into a run directory there.
//!
//! It is a tar archive packed with zstd, so every machine has tools to look into it. All its files are below a
//! directory with the name of the run. The first is `export.json`, a [`PortableHead`]; the others are files of the run
//! directory with the names they have there. What is not of the record itself stays behind: pins, snapshots, whatever
//! else lies around.

use roboppi_ipc::UtcMillis;
use roboppi_run::{RunHandle, RunId};
use serde::{Deserialize, Serialize};

mod bounded;
mod export;
mod import;
mod names;

pub use export::Exported;
pub use import::ImportLimits;
pub(crate) use names::is_part;

/// Version of the file this program writes.
const FORMAT: u32 = 1;

/// Name of the first file of an export.
const HEAD: &str = "export.json";

/// What says that a run came from elsewhere.
const MARK: &str = "imported.json";

/// What an export says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortableHead {
    /// `format` of the file.
    format: u32,
    /// `runId`.
    pub run_id: RunId,
    /// `host` the run was on.
    pub host: String,
    /// `version` of the roboppi that exported it.
    pub version: String,
    /// `exportedAt`.
    pub exported_at: UtcMillis,
    /// `live`: it was going on.
    pub live: bool,
}

impl PortableHead {
    /// The head of an export that is made now.
    #[must_use]
    pub const fn new(
        run_id: RunId,
        host: String,
        version: String,
        exported_at: UtcMillis,
        live: bool,
    ) -> Self {
        Self { format: FORMAT, run_id, host, version, exported_at, live }
    }
}

/// That a run came from elsewhere: the content of `imported.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// `importedAt`.
    pub imported_at: UtcMillis,
    /// `handle`: the short name of the run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<RunHandle>,
    /// `from`: what the export said of itself.
    pub from: PortableHead,
}
