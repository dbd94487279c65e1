//! What a guard holds open, and what it must not.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;

use nix::libc;
use rustix::stdio::{dup2_stdin, dup2_stdout};

/// Lets go of stdout and of everything above 2 but `keep`: the end of what the child holds must be its end.
pub(super) fn release(keep: &[RawFd]) {
    if let Ok(nothing) = nothing() {
        let _ = dup2_stdout(&nothing);
    }
    let open = std::fs::read_dir("/dev/fd").map(|entries| {
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok())
            .collect::<Vec<_>>()
    });
    for descriptor in open.unwrap_or_default() {
        if descriptor > 2 && !keep.contains(&descriptor) {
            close(descriptor);
        }
    }
}

/// Lets go of stdin.
pub(super) fn release_stdin() {
    if let Ok(nothing) = nothing() {
        let _ = dup2_stdin(&nothing);
    }
}

/// The number stays taken, so that nothing else can get it.
fn nothing() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

#[expect(unsafe_code, reason = "closing descriptors that no value owns")]
fn close(descriptor: RawFd) {
    // SAFETY: nothing was opened before the fork but what is kept, so these are descriptors that the
    // program was started with and that no value in it owns. Closing one that is closed is only refused.
    unsafe { libc::close(descriptor) };
}
