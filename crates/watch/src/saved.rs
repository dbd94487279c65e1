//! What a checkpoint has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use roboppi_ingest::{Memory, Tail};
use serde::{Deserialize, Serialize};

/// How far a source was read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    /// Seconds since 1970.
    pub(crate) at: i64,
    /// The files of each name.
    pub(crate) files: BTreeMap<PathBuf, Tail>,
    /// What the lines so far mean for those that follow.
    pub(crate) memory: Memory,
}
