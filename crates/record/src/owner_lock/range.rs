//! Locks that belong to an open file and can be looked at without being taken.

use std::fs::File;
use std::io;

/// Takes the lock.
#[cfg(target_os = "linux")]
pub(super) fn lock(file: &File) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, fcntl};

    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        // Some kernels in a sandbox know the other kind only.
        Err(nix::errno::Errno::EINVAL) => Ok(file.try_lock()?),
        taken => taken.map(drop).map_err(Into::into),
    }
}

/// Whether somebody has the lock.
#[cfg(target_os = "linux")]
pub(super) fn is_held(file: &File) -> io::Result<bool> {
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    let mut lock = whole_file();
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)) {
        Err(nix::errno::Errno::EINVAL) => super::whole::is_held(file),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(i32::from(lock.l_type) != libc::F_UNLCK),
    }
}

#[cfg(target_os = "linux")]
fn whole_file() -> nix::libc::flock {
    use nix::libc;

    let small = |constant: i32| i16::try_from(constant).unwrap_or_default();
    libc::flock {
        l_type: small(libc::F_WRLCK),
        l_whence: small(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Takes the lock.
#[cfg(not(target_os = "linux"))]
pub(super) fn lock(file: &File) -> io::Result<()> {
    Ok(file.try_lock()?)
}

/// Whether somebody has the lock.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_held(file: &File) -> io::Result<bool> {
    super::whole::is_held(file)
}
