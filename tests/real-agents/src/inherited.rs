//! What this program inherits and does not pass on.

use nix::sys::signal::{SigHandler, Signal, signal};

/// A shell starts what it has in the background with SIGINT ignored, and all that is started from there inherits it. The
/// runs are ended by SIGINT, as in a terminal.
#[expect(unsafe_code, reason = "setting the disposition of a signal has no safe form")]
pub(crate) fn settle() {
    for interrupt in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default is no function of this program, and nothing else runs yet.
        let _ = unsafe { signal(interrupt, SigHandler::SigDfl) };
    }
}
