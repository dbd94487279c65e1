//! Times of files as times of the world.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roboppi_ingest::Stamp;
use roboppi_ipc::{Mono, UtcMillis};

/// Now, in UTC.
pub(crate) fn now() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that only runs forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Mono {
        Mono::from_origin(self.0.elapsed())
    }
}

/// The time of a record. One in the future is now: the clock of its writer is wrong.
pub(crate) fn time(stamp: Option<Stamp>, zone: &TimeZone) -> UtcMillis {
    let now = now();
    let time = match stamp {
        Some(Stamp::Utc(time)) => Some(time),
        Some(Stamp::Local(wall)) => local(wall, zone),
        None => None,
    };
    time.unwrap_or(now).min(now)
}

/// An hour that a change of the clock repeats is the first of both.
fn local(wall: u64, zone: &TimeZone) -> Option<UtcMillis> {
    let wall = Timestamp::from_millisecond(i64::try_from(wall).ok()?).ok()?;
    let civil = wall.to_zoned(TimeZone::UTC).datetime();
    let time = zone.to_zoned(civil).ok()?.timestamp().as_millisecond();
    u64::try_from(time).ok().map(UtcMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_is_one_of_its_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let noon = 1_767_700_800_000;
        assert_eq!(time(Some(Stamp::Local(noon)), &zone), UtcMillis(noon - 3_600_000));
        assert_eq!(time(Some(Stamp::Utc(UtcMillis(noon))), &zone), UtcMillis(noon));
        // 2025-10-26 02:30 is twice.
        let twice = 1_761_445_800_000;
        assert_eq!(time(Some(Stamp::Local(twice)), &zone), UtcMillis(twice - 7_200_000));
        assert!(time(Some(Stamp::Utc(UtcMillis(u64::MAX))), &zone) <= now());
    }
}
