//! What all figures share.

mod command;
mod measurement;
mod peer;
mod place;
mod processes;
mod row;
mod times;
mod wait;

pub(crate) use command::{timed, watched};
pub(crate) use measurement::Options;
pub use measurement::{Bench, Figure, Measurement};
pub(crate) use peer::Tool;
pub use place::Built;
pub(crate) use place::{Place, step};
pub(crate) use processes::{Peaks, cpu, descendants, memory, peaks, threads};
pub use row::{Cache, Goal, Row};
pub(crate) use row::{at_least, at_most, plain};
pub(crate) use times::{Times, in_turn};
pub(crate) use wait::wait_for;

/// Bytes of a MiB.
pub(crate) const MIB: u64 = 1024 * 1024;

/// Bytes as MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}
