//! The first line of each side: who speaks, and which versions it understands.

use serde::{Deserialize, Serialize};

use crate::{WorkerFacts, WorkerKind};

/// Oldest protocol this version speaks.
pub const PROTOCOL_MIN: u32 = 1;
/// Newest protocol this version speaks.
pub const PROTOCOL_MAX: u32 = 2;

/// The ability of a supervisor to be told of values that are hidden on the way (`mask`).
pub const CAPABILITY_MASK: &str = "mask";

/// The ability to refer to output by its range in the log (`log_grew`): of a supervisor that reads the logs of its jobs, and
/// of a core that writes them.
pub const CAPABILITY_LOG_GREW: &str = "log_grew";

/// `hello`: sent first, never answered. A peer whose first line is something else speaks protocol 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hello {
    /// `protocol`: protocol versions that the sender understands.
    pub protocol: ProtocolRange,
    /// `capabilities`: names of optional abilities. A supervisor with `mask` receives values by `mask`; one with `log_grew`
    /// receives `log_grew` instead of output; one with `resources` receives `resources` events; one with `job_warnings`
    /// receives the job of a `warning` in `jobId`; a core with `exact` reads values that are not UTF-8 as bytes;
    /// one with `agent_setup` gives agents what `payload.roboppi.agent` has.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// `version`: version of the program.
    #[serde(default)]
    pub version: String,
    /// `process`: the process of the sender, so that it can be terminated if its guard cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
    /// `limits`: limits of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CoreLimits>,
    /// `workers`: the kinds of workers a core runs. One that does not say has the five that come with roboppi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<WorkerFacts>>,
}

impl Hello {
    /// Our hello, with nothing optional in it.
    #[must_use]
    pub fn ours(version: &str) -> Self {
        Self {
            protocol: ProtocolRange { min: PROTOCOL_MIN, max: PROTOCOL_MAX },
            capabilities: Vec::new(),
            version: version.to_owned(),
            process: None,
            limits: None,
            workers: None,
        }
    }

    /// What a core that said this has of a kind of worker; `None` when it cannot run it. Of a core that has said no hello,
    /// or not its kinds, everything it is known for is assumed.
    #[must_use]
    pub fn worker_of(hello: Option<&Self>, kind: WorkerKind) -> Option<WorkerFacts> {
        match hello.and_then(|hello| hello.workers.as_ref()) {
            Some(workers) => workers.iter().find(|facts| facts.kind == kind).copied(),
            None => kind.is_builtin().then(|| WorkerFacts::assumed(kind)),
        }
    }
}

/// Versions a side understands, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtocolRange {
    /// `min`: the oldest version.
    pub min: u32,
    /// `max`: the newest version.
    pub max: u32,
}

/// Limits of a core (`limits` of its hello).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoreLimits {
    /// `concurrency`: maximum number of permits.
    pub concurrency: u32,
}

/// Identity of a process, distinct from a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// `pid`: process id.
    pub pid: u32,
    /// `startTime`: start time in the kernel's clock ticks since boot.
    pub start_time: u64,
}

/// The language two peers agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Protocol 1: the messages and four event kinds of the existing program, exactly.
    V1,
    /// Protocol 2: ours.
    V2,
}

impl Dialect {
    /// The newest protocol both sides understand.
    ///
    /// # Errors
    /// The other side's range, when the two have nothing in common.
    pub const fn agree(theirs: ProtocolRange) -> Result<Self, ProtocolRange> {
        if theirs.min <= 2 && theirs.max >= 2 {
            Ok(Self::V2)
        } else if theirs.min <= 1 && theirs.max >= 1 {
            Ok(Self::V1)
        } else {
            Err(theirs)
        }
    }
}
