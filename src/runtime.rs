//! The runtime of a command: one thread.

use std::fs::File;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// Descriptors that a runtime needs at most.
const DESCRIPTORS: usize = 12;

/// Makes the runtime.
///
/// # Errors
/// When the system has no room for it. A runtime that finds none for its signals would panic, so that is tried before.
pub(crate) fn new() -> io::Result<Runtime> {
    let one = File::open("/dev/null")?;
    let free = (1..DESCRIPTORS).map(|_| one.try_clone()).collect::<io::Result<Vec<_>>>()?;
    drop((one, free));
    Builder::new_current_thread().enable_all().build()
}
