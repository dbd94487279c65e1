//! Shows that the owner of a run lives.

use std::sync::Arc;
use std::time::Duration;

use roboppi_process::aside;
use roboppi_record::OwnerLock;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Time between two signs.
const BETWEEN: Duration = Duration::from_secs(10);

/// The lock on a run, and a task that leaves a sign of life on its file, for those on other machines whom the lock
/// tells nothing. Each sign is left aside, because a network file system may take its time.
#[derive(Debug)]
pub(crate) struct SignOfLife {
    _lock: Arc<OwnerLock>,
    signs: AbortHandle,
}

impl SignOfLife {
    /// Needs a runtime.
    pub(crate) fn start(lock: OwnerLock) -> Self {
        let lock = Arc::new(lock);
        let held = Arc::clone(&lock);
        let give = async move {
            loop {
                sleep(BETWEEN).await;
                let held = Arc::clone(&held);
                // The journal is a sign as well; without either the run looks older than it is, and that is all.
                let _ = aside(move || held.sign_of_life()).await;
            }
        };
        Self { _lock: lock, signs: tokio::spawn(give).abort_handle() }
    }
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        self.signs.abort();
    }
}
