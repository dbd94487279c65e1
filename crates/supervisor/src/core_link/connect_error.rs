//! Why there is no link with a core.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why there is no link with a core.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// There is neither a socket nor a port for it.
    #[error("the core has no way to connect: {0}")]
    Endpoint(#[source] io::Error),
    /// Its program cannot be started.
    #[error("the core {} cannot be started: {source}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its standard streams are missing.
    #[error("the core has no pipes")]
    NoPipes,
}
