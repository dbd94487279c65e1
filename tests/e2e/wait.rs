//! Waiting for conditions.

use std::thread;
use std::time::{Duration, Instant};

/// The one limit of all waits. Generous: it is reached only when something is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// How often a condition is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` finds something. `None` when it does not in [`LIMIT`].
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::park_timeout(LOOK);
    }
}
