//! Why a screen ended otherwise than by a person.

use std::io;

use thiserror::Error;

/// Why there is no screen, or no longer one. The run goes on without it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TuiError {
    /// Neither standard output nor standard error is a terminal, or there is none to read from.
    #[error("there is no terminal to draw on")]
    NoTerminal(#[source] io::Error),
    /// The terminal went away while it was used: a hang-up.
    #[error("the terminal went away")]
    Gone(#[source] io::Error),
    /// The terminal was restored by [`restore_terminal`](crate::restore_terminal) while the screen was open.
    #[error("the screen was closed from outside")]
    Restored,
    /// The screen could not be set up.
    #[error("could not set the screen up")]
    Setup(#[source] io::Error),
}
