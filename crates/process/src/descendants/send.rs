//! Signals to exactly one process.

use std::io;

use roboppi_ipc::ProcessIdentity;
use rustix::process::{Pid, Signal as Number, kill_process};

use crate::identity::stat;
use crate::machine::Signal;

/// Sends a signal to this process, and to no other that has its pid by now. Says whether it was there; one
/// that has ended and was not reaped yet counts as there.
///
/// # Errors
/// When the process may not be signalled.
pub fn signal(process: ProcessIdentity, signal: Signal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    match system::send(process, pid, number(signal)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) const fn number(signal: Signal) -> Number {
    match signal {
        Signal::Term => Number::TERM,
        Signal::Kill => Number::KILL,
        Signal::Stop => Number::STOP,
        Signal::Cont => Number::CONT,
    }
}

/// Looks, then sends. Between the two the number could change hands: only where there is nothing better.
fn verify_and_send(process: ProcessIdentity, pid: Pid, signal: Number) -> io::Result<()> {
    if !stat(process.pid)?.is(process) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(kill_process(pid, signal)?)
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use roboppi_ipc::ProcessIdentity;
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};

    use crate::identity::stat;

    pub(super) fn send(process: ProcessIdentity, pid: Pid, signal: Number) -> io::Result<()> {
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return Err(io::ErrorKind::NotFound.into()),
            // An old system, or no descriptor to spare.
            Err(_) => return super::verify_and_send(process, pid, signal),
        };
        // Whoever was taken hold of either still has the number, then this look is at it, or has lost it,
        // then the signal goes nowhere.
        if !stat(process.pid)?.is(process) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match pidfd_send_signal(&descriptor, signal) {
            Err(Errno::NOSYS | Errno::PERM) => super::verify_and_send(process, pid, signal),
            sent => Ok(sent?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) use super::verify_and_send as send;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_later_owner_of_the_number_is_not_hit() {
        // Ends by itself should this fail.
        let mut sleeper = std::process::Command::new("sleep").arg("20").spawn().unwrap();
        let process = crate::identity(sleeper.id()).unwrap();
        let other = ProcessIdentity { start_time: process.start_time + 1, ..process };
        assert!(!signal(other, Signal::Kill).unwrap());
        assert!(verify_and_send(other, Pid::from_child(&sleeper), Number::KILL).is_err());
        assert!(sleeper.try_wait().unwrap().is_none());

        assert!(signal(process, Signal::Kill).unwrap());
        sleeper.wait().unwrap();
        assert!(!signal(process, Signal::Kill).unwrap());
        assert!(!signal(ProcessIdentity { pid: u32::MAX, start_time: 0 }, Signal::Kill).unwrap());
    }
}
