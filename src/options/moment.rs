//! A point in time as an option: so long ago, or a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use roboppi_ipc::UtcMillis;
use roboppi_workflow::parse_duration;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Ago(Duration),
    At(UtcMillis),
}

impl Moment {
    /// The time itself.
    pub(crate) fn before(self, now: UtcMillis) -> UtcMillis {
        match self {
            Self::Ago(time) => {
                UtcMillis(now.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
            }
            Self::At(time) => time,
        }
    }
}

/// Reads `10m`, `7d`, `2026-01-31`, `2026-01-31T12:00` or `2026-01-31T12:00:00Z`.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Some(time) = days(text).or_else(|| parse_duration(text).ok()) {
        return Ok(Moment::Ago(time));
    }
    let time: Timestamp =
        match text.parse() {
            Ok(time) => time,
            // A date, and a time without a zone, are those of the clock on the wall here.
            Err(_) => text
                .parse::<DateTime>()
                .ok()
                .and_then(|time| time.to_zoned(TimeZone::system()).ok())
                .map(|zoned| zoned.timestamp())
                .ok_or("neither so long ago, as `10m` or `7d`, nor a time, as `2026-01-31`, `2026-01-31T12:00` or `2026-01-31T12:00:00Z`")?,
        };
    Ok(Moment::At(UtcMillis(u64::try_from(time.as_millisecond()).unwrap_or_default())))
}

/// Whole days: durations of workflows have no such unit.
fn days(text: &str) -> Option<Duration> {
    let days: u32 = text.strip_suffix('d')?.parse().ok()?;
    Some(Duration::from_secs(24 * 60 * 60).saturating_mul(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_back() {
        let now = UtcMillis(10 * 24 * 60 * 60 * 1_000);
        assert_eq!(moment("7d").unwrap().before(now), UtcMillis(3 * 24 * 60 * 60 * 1_000));
        assert_eq!(moment("4294967295d").unwrap().before(now), UtcMillis(0));
        assert_eq!(moment("1970-01-02T00:00:00Z").unwrap().before(now), UtcMillis(24 * 60 * 60 * 1_000));
        for wrong in ["-1d", "d", "yesterday", "7"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
