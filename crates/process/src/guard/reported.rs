//! What a guarded program has told of, so that its guard does not say it again.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use roboppi_ipc::ProcessIdentity;
use rustix::pipe::{PipeFlags, pipe_with};

/// Bytes of an identity: pid and start time.
const LENGTH: usize = 12;

/// Where the guarded program says it.
static WRITER: OnceLock<OwnedFd> = OnceLock::new();

/// Has the guard of this process, if it speaks to people, not name this process among those that cannot be ended:
/// that was told already.
pub fn mark_reported(process: ProcessIdentity) {
    if let Some(writer) = WRITER.get() {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&process.pid.to_le_bytes());
        bytes[4..].copy_from_slice(&process.start_time.to_le_bytes());
        // A full pipe means that something is told twice.
        let _ = rustix::io::write(writer, &bytes);
    }
}

/// Both ends, before the fork.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// Keeps the end of the guarded program.
pub(super) fn keep(writer: OwnedFd) {
    let _ = WRITER.set(writer);
}

/// What was told. Does not wait.
pub(super) fn read(reader: &OwnedFd) -> HashSet<ProcessIdentity> {
    let mut reported = HashSet::new();
    let mut bytes = [0; LENGTH];
    // Each was written at once, so it is read as a whole.
    while rustix::io::read(reader, &mut bytes) == Ok(LENGTH) {
        let (pid, start_time) = bytes.split_at(4);
        if let (Ok(pid), Ok(start_time)) = (pid.try_into(), start_time.try_into()) {
            let (pid, start_time) = (u32::from_le_bytes(pid), u64::from_le_bytes(start_time));
            reported.insert(ProcessIdentity { pid, start_time });
        }
    }
    reported
}
