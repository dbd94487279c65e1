//! Text views of a run.
//!
//! A view that follows a run is a sink. It reads a run through [`RunSource`](roboppi_attach::RunSource) only, on a thread of its own, and
//! writes to whatever it was given. A writer that blocks makes nobody else wait: the sink falls behind, is
//! told so, and catches up from the record. A sink never changes the outcome of a run. When its reader goes
//! away it ends quietly; any other trouble with writing is one error, which the caller shows as a warning.
//!
//! * [`plain`]: for people, in CI logs and pipes.
//! * [`jsonl`]: for programs, one JSON object a line.
//! * [`style`]: whether to use colour, and how times are written.
//! * [`unfinished`]: when a line without an end is shown.
//!
//! What comes from others is written as [`roboppi_untrusted`] gives it.

use std::io;

mod clock;
mod follower;
pub mod jsonl;
pub mod plain;
mod recorded;
pub mod style;
pub mod unfinished;

#[cfg(test)]
mod fixtures;

/// A reader that went away is no error: the sink has nobody to write for.
fn detached(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
