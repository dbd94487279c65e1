//! The terminal, as it was before the child used it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::identity::stat;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr};

/// Ends whatever a screen may have begun: a synchronised update, mouse reports, focus reports, bracketed
/// paste, a richer keyboard, colours, a hidden cursor, the alternate screen.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\
    \x1b[0m\x1b[?1049l\x1b[?25h";

/// A terminal and its modes.
#[derive(Debug)]
pub(super) struct Terminal {
    device: OwnedFd,
    modes: Termios,
}

impl Terminal {
    /// The terminal we are in, if any, as it is now.
    pub(super) fn find() -> Option<Self> {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        [stdout.as_fd(), stderr.as_fd(), stdin.as_fd()].into_iter().find_map(|descriptor| {
            if !isatty(descriptor) {
                return None;
            }
            Some(Self { modes: tcgetattr(descriptor).ok()?, device: descriptor.try_clone_to_owned().ok()? })
        })
    }

    /// The descriptor it needs.
    pub(super) fn raw(&self) -> RawFd {
        self.device.as_raw_fd()
    }

    /// Puts it back, if it is still that of our job and not as it was. Who draws on a screen changes the modes; as
    /// long as they are the same there is no screen to leave. `front` is a process of the job, where this process is
    /// none.
    pub(super) fn restore(&self, front: Option<u32>) {
        let ours = match front {
            None => tcgetpgrp(&self.device).is_ok_and(|foreground| foreground == getpgrp()),
            Some(front) => stat(front).is_ok_and(|front| front.foreground == front.group),
        };
        let changed = tcgetattr(&self.device).is_ok_and(|now| !same(&now, &self.modes));
        if ours && changed {
            // What was typed was meant for the one who is gone.
            let _ = tcsetattr(&self.device, OptionalActions::Flush, &self.modes);
            let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.device, LEAVE));
        }
    }
}

fn same(one: &Termios, other: &Termios) -> bool {
    one.local_modes == other.local_modes
        && one.input_modes == other.input_modes
        && one.output_modes == other.output_modes
        && one.control_modes == other.control_modes
}
