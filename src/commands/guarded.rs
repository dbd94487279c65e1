//! What a guarded process does when its guard dies.

use std::convert::Infallible;

use roboppi_core::mask::SocketPlace;
use roboppi_core::worker::remove_abandoned;
use roboppi_process::guard::{GuardedChild, end_all_descendants, end_at_once};
use tokio::signal::unix::{SignalKind, signal};

/// 128 + SIGTERM, which is how the system says that the guard is dead.
const TERMINATED: i32 = 143;

/// The end of a guard, or of the process in front of it, which is the last one here: what a process that was killed could
/// not remove, it does.
pub(super) fn last_of_all(code: u8, sockets: Option<SocketPlace>) -> ! {
    drop(sockets);
    if code != 0 {
        remove_abandoned();
    }
    end_at_once(code)
}

/// Waits for the death of the guard. Then nobody would end what we leave behind: everything below this
/// process is killed at once, its sockets are removed, and the process ends.
pub(super) async fn watch(guarded: GuardedChild, sockets: Option<&SocketPlace>) -> Infallible {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    loop {
        if guarded.is_gone() {
            roboppi_tui::restore_terminal();
            let _ = end_all_descendants(None);
            if let Some(sockets) = sockets {
                sockets.remove();
            }
            std::process::exit(TERMINATED);
        }
        if terminate.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
