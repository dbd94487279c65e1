//! Waiting for what another process does.

use std::thread;
use std::time::{Duration, Instant};

/// Waits for a condition. Panics when it does not come true for five minutes, because something is broken then.
pub(crate) fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    const LOOK: Duration = Duration::from_millis(5);
    const LIMIT: Duration = Duration::from_secs(300);
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        thread::sleep(LOOK);
    }
}
