//! Shows that the owner of a run lives.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use roboppi_record::OwnerLock;

/// Time between two signs.
const BETWEEN: Duration = Duration::from_secs(10);

/// The lock on a run, and a thread that leaves a sign of life on its file, for those on other machines whom the lock
/// tells nothing. On a thread of its own, because a network file system may take its time.
#[derive(Debug)]
pub(crate) struct SignOfLife {
    _lock: Arc<OwnerLock>,
    /// Dropped, it ends the thread.
    _stop: Sender<()>,
}

impl SignOfLife {
    pub(crate) fn start(lock: OwnerLock) -> Self {
        let lock = Arc::new(lock);
        let (stop, stopped) = mpsc::channel();
        let held = Arc::clone(&lock);
        let give = move || {
            while stopped.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                // The journal is a sign as well; without either the run looks older than it is, and that is all.
                let _ = held.sign_of_life();
            }
        };
        // Without a thread the lock is held all the same.
        let _ = thread::Builder::new().name("sign-of-life".to_owned()).spawn(give);
        Self { _lock: lock, _stop: stop }
    }
}
