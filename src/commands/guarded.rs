//! What a guarded process does when its guard dies.

use std::convert::Infallible;

use roboppi_core::mask::SocketPlace;
use roboppi_process::guard::{GuardedChild, end_all_descendants};
use tokio::signal::unix::{SignalKind, signal};

/// 128 + SIGTERM, which is how the system says that the guard is dead.
const TERMINATED: i32 = 143;

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
