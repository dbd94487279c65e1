//! The time of day where a worker ran.

use roboppi_ipc::UtcMillis;

/// The time of day of a machine, for texts of programs that name a time without its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WallTime {
    /// Now.
    pub now: UtcMillis,
    /// Seconds by which local time is ahead of UTC.
    pub utc_offset_seconds: i32,
}

impl WallTime {
    /// A time of day, and the seconds by which local time is ahead of UTC.
    #[must_use]
    pub const fn new(now: UtcMillis, utc_offset_seconds: i32) -> Self {
        Self { now, utc_offset_seconds }
    }
}
