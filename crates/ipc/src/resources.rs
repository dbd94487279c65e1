//! What the processes of a worker use.

use serde::{Deserialize, Serialize};

use crate::time::whole;
use crate::with_fields::with_fields;

/// The ability of a supervisor to receive `resources` events.
pub const CAPABILITY_RESOURCES: &str = "resources";

/// What a worker and the processes below it use, as the system reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Resources {
    /// `cpuMs`: processor time in milliseconds, that of ended children included as far as a process has waited for them. It
    /// never falls.
    #[serde(deserialize_with = "whole")]
    pub cpu_ms: u64,
    /// `cpuPercent`: processor time since the sample before, in percent of one processor; absent in a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// `memoryBytes`: resident memory, the sum of all processes; absent in a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// `peakMemoryBytes`: the most resident memory of any sample, and at least that of the largest process; absent if it is not
    /// known, because the worker was too short for a sample and used less than the core itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

impl Resources {
    /// Totals.
    #[must_use]
    pub const fn new(cpu_ms: u64, peak_memory_bytes: Option<u64>) -> Self {
        Self { cpu_ms, cpu_percent: None, memory_bytes: None, peak_memory_bytes }
    }
}

with_fields!(Resources {
    with_cpu_percent(cpu_percent: Option<u32>),
    with_memory_bytes(memory_bytes: Option<u64>),
});
