//! The keeper of a host: the process that holds the core, the spool and the lease of a run whose supervisor is elsewhere.
//!
//! ```text
//!  carrier (ssh …)          on the host
//!  ═══════════════► roboppi host ──socket──► keeper ──pipes──► core (with its guard) ──► workers
//!                   [`carry`]                [`keep`]            │
//!                   ends with the carrier    detached            └── spool
//! ```
//!
//! `roboppi host` reads the greeting of the supervisor, finds the keeper of its session or starts one, and copies bytes until one of
//! both ends. The keeper has a session of its own and knows no carrier but by its socket, so the death of a carrier is nothing to it.
//! A keeper ends when everything is acknowledged, or its time has passed; whatever ends it ends its core, because the pipes of the
//! core close.

mod carriers;
mod carry;
mod core;
mod keep;
mod place;
mod report;
mod rewrite;

pub use carry::{CarryError, carry};
pub use keep::{KeepSettings, keep};
pub use place::{KeeperPlace, PlaceError};
