//! Text views of a run.
//!
//! A view that follows a run is a sink. It reads a run through [`RunSource`](roboppi_attach::RunSource) only, on a thread
//! of its own, and writes to whatever it was given. A writer that blocks makes nobody else wait: the sink falls behind, is
//! told so, and catches up from the record. A sink never changes the outcome of a run. When its reader goes
//! away it ends quietly; any other trouble with writing is one error, which the caller shows as a warning.
//!
//! * [`plain`]: for people, in pipes; [`plain::ci`]: in the logs of CI jobs.
//! * [`jsonl`]: for programs, one JSON object a line.
//!
//! The others print what there is, or what comes until the run is over: [`page`], [`events`], [`logs`], [`status`], [`answer`],
//! [`export`]; [`runs`], [`workers`] and [`hosts`] are lists, [`stats`] has totals of many runs, [`resume`] says what would be done. They take what they print as values and
//! give text, or write it to what they are given; what is to be said beside it goes to their [`Audience`].
//!
//! Whatever comes from others is written as [`roboppi_untrusted`] gives it.

use std::io;

pub mod answer;
pub mod artifacts;
pub mod changes;
mod clock;
pub mod diff;
pub mod doctor;
mod error;
pub mod events;
pub mod export;
mod follow;
mod follower;
pub mod graph;
pub mod hosts;
pub mod jsonl;
mod liveness;
pub mod logs;
mod notable;
pub mod notification;
pub mod page;
mod places;
pub mod plain;
pub mod plan;
pub mod problems;
mod recorded;
pub mod resume;
pub mod runs;
#[cfg(feature = "schema")]
pub mod schema;
mod scripted;
pub mod select;
pub mod stats;
pub mod status;
pub mod style;
pub mod summary;
mod table;
mod unfinished;
pub mod units;
pub mod workers;
pub mod workflows;

pub use error::ReportError;
pub use follow::Audience;
pub use liveness::elsewhere;
pub use table::table;

#[cfg(test)]
mod fixtures;

/// A reader that went away is no error: the sink has nobody to write for.
fn detached(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
