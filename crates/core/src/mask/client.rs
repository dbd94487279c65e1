//! The side of the worker.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::Verdict;

/// Time the core may take. It reads within milliseconds, unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the longest answer.
const LONGEST_ANSWER: u64 = 32;

/// Why it is not known whether a value is hidden.
#[derive(Debug, Error)]
pub enum MaskError {
    /// Nobody listens there.
    #[error(
        "the core of this step cannot be reached at {}: {source}; the value is NOT hidden",
        socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It did not answer as it should.
    #[error("the core of this step gave no answer: {0}; count the value as NOT hidden")]
    Silent(io::Error),
}

/// Has `value` hidden in everything that comes of this run from now on. Returns when it is in force.
///
/// # Errors
/// When the core cannot be reached or does not answer; then the value counts as visible.
pub fn mask(socket: &Path, value: &[u8]) -> Result<Verdict, MaskError> {
    let mut stream = UnixStream::connect(socket)
        .map_err(|source| MaskError::Unreachable { socket: socket.to_owned(), source })?;
    exchange(&mut stream, value).map_err(MaskError::Silent)
}

fn exchange(stream: &mut UnixStream, value: &[u8]) -> io::Result<Verdict> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("mask {}\n", value.len()).as_bytes())?;
    // Of a value that is too long it need not take more than the length: what counts is its answer.
    let written = stream.write_all(value);
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    match Verdict::from_word(answer.trim_end()) {
        Some(verdict) => Ok(verdict),
        None => {
            written?;
            Err(io::Error::new(io::ErrorKind::InvalidData, "it closed the connection"))
        }
    }
}
