//! The wall clock, for display.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roboppi_ipc::UtcMillis;
use roboppi_worker_adapters::WallTime;

/// Now, in UTC.
pub(crate) fn now() -> UtcMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A time with what local time makes of it: agents name the ends of usage limits in local time.
pub(crate) fn wall(ts: UtcMillis) -> WallTime {
    let at = i64::try_from(ts.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    WallTime::new(ts, at.map_or(0, |at| TimeZone::system().to_offset(at).seconds()))
}
