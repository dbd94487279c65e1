//! What passes between a supervisor and the keeper of a host.
//!
//! The host that runs an attempt owns its record. Its **keeper** holds the core, the spool and a lease; the supervisor
//! **mirrors** the spool; a **carrier** (`ssh`, or any command with two pipes) only carries bytes and may die at any moment.
//!
//! ```text
//!  supervisor                       carrier                  host
//!  CoreLink ── lines ──► MirrorMachine ◄═══ frames ═══► KeeperMachine ── lines ──► core ──► workers
//!  run directory ◄─ chunks ──┘                              └── reads ── spool ◄──────────────┘
//! ```
//!
//! * Lines of the wire are numbered in each direction, kept until they are acknowledged, and sent again on the next carrier.
//! * Bytes of the record are sent from the spool, by file and offset. What the supervisor has is in its `hello`, so nothing of the
//!   record is buffered in memory.
//! * A line is sent after all bytes of the record that were there when the core wrote it. So a result never arrives before the log
//!   it belongs to is complete.
//! * Any frame renews the lease, by the monotonic clock of the keeper. No time of day and no deadline is on the wire.
//! * A supervisor takes bytes only for files that it has opened: those of the attempts it gave to this host.
//!
//! Nothing here does I/O or reads a clock.

mod frame;
mod keeper;
mod lines;
mod mirror;
mod name;
mod report;

pub use frame::{
    BadFrame, CHUNK_LIMIT, CoreOptions, Expiry, Frame, FrameDecoder, Hello, Refusal, SMALL_FILE_LIMIT,
    Welcome,
};
pub use keeper::{KeeperEffect, KeeperInput, KeeperMachine, Outgoing};
pub use mirror::{MirrorEffect, MirrorInput, MirrorMachine, MirrorSettings};
pub use name::{InvalidHostName, SessionName, check_host_name};
pub use report::{HostReport, SESSION_REPORT_LIMIT, SessionReport};

/// One connection between the two ends, numbered by each end for itself. What arrives on an earlier one is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(pub u64);
