//! The core process: permits, jobs, worker handles, the server on the wire.

mod clock;
#[cfg(test)]
mod fixtures;
mod job;
pub mod live;
mod permit;
pub mod server;
mod settings;
pub mod worker;

pub use clock::Clock;
pub use job::{Completion, JobEffect, JobInput, JobMachine, WorkerControl, WorkerOutcome};
pub use permit::PermitGate;
pub use settings::CoreSettings;
