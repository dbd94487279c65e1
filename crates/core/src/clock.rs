//! The two clocks of a core.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roboppi_ipc::{Mono, UtcMillis};
use roboppi_worker_adapters::WallTime;
use tokio::time::Instant;

/// Reads time. Copies count from the same origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time for deciding.
    #[must_use]
    pub fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }

    /// Time for showing.
    #[must_use]
    pub fn utc(&self) -> UtcMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// The same with what local time makes of it.
    pub(crate) fn wall(&self) -> WallTime {
        let now = self.utc();
        let at = i64::try_from(now.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let offset = at.map_or(0, |at| TimeZone::system().to_offset(at).seconds());
        WallTime::new(now, offset)
    }

    /// The instant of a point on the monotonic clock.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        self.origin + at.since_origin()
    }
}
