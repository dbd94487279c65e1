//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use roboppi_ipc::UtcMillis;

/// The time of day now.
pub(crate) fn time() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
