//! How times and sizes are written.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roboppi_ipc::UtcMillis;

pub use roboppi_run::units::{age, duration};

/// The zone in which times are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone(Option<TimeZone>);

impl Zone {
    /// That of the reader.
    #[must_use]
    pub fn local() -> Self {
        let zone = TimeZone::system();
        let is_utc = zone == TimeZone::UTC || matches!(zone.iana_name(), Some("UTC" | "Etc/UTC"));
        Self((!is_utc).then_some(zone))
    }

    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self(None)
    }

    /// A time with the offset of its zone: `2026-01-31T21:00:00.000+09:00`, in UTC `2026-01-31T12:00:00.000Z`.
    #[must_use]
    pub fn format(&self, ts: UtcMillis) -> String {
        match (&self.0, timestamp(ts)) {
            (Some(zone), Some(time)) => {
                time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
            }
            _ => format_time(ts),
        }
    }
}

/// How long ago `then` was, in one unit: `90s`, `5m`, `3h`, `2d`.
#[must_use]
pub fn ago(now: UtcMillis, then: UtcMillis) -> String {
    let seconds = now.0.saturating_sub(then.0) / 1_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time in UTC: `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn format_time(ts: UtcMillis) -> String {
    timestamp(ts).map_or_else(|| "????-??-??T??:??:??.???Z".to_owned(), |time| format!("{time:.3}"))
}

/// A time in UTC to the second.
pub(crate) fn time_to_second(ts: UtcMillis) -> String {
    timestamp(ts).map_or_else(|| format_time(ts), |time| format!("{time:.0}"))
}

/// A time of day in UTC: `12:00:00`.
pub(crate) fn clock(ts: Option<UtcMillis>) -> String {
    let time = ts.and_then(timestamp);
    time.map_or_else(|| "??:??:??".to_owned(), |time| time.strftime("%H:%M:%S").to_string())
}

/// A time of day where the reader is: `05:03`.
pub(crate) fn time_of_day(ts: UtcMillis) -> String {
    let zoned = timestamp(ts).map(|time| time.to_zoned(TimeZone::system()));
    zoned.map_or_else(|| "??:??".to_owned(), |time| time.strftime("%H:%M").to_string())
}

/// The end of a usage limit where the reader is: `05:03`, and with its day when that is not today.
pub(crate) fn limit_time(ts: UtcMillis) -> String {
    let Some(time) = timestamp(ts) else { return "??:??".to_owned() };
    let today = jiff::Zoned::now();
    let time = time.to_zoned(today.time_zone().clone());
    let format = if time.date() == today.date() { "%H:%M" } else { "%H:%M on %-d %b" };
    time.strftime(format).to_string()
}

fn timestamp(ts: UtcMillis) -> Option<Timestamp> {
    i64::try_from(ts.0).ok().and_then(|ts| Timestamp::from_millisecond(ts).ok())
}

/// A size in one unit: `12 bytes`, `1.5 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to one digit")]
    let count = count as f64;
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1)
        .find(|power| count < 1024_f64.powi(*power as i32 + 1))
        .unwrap_or(units.len() - 1);
    let digits = usize::from(power > 0);
    format!("{:.digits$} {}", count / 1024_f64.powi(power as i32), units[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_unit() {
        let cases = [(0, "0 bytes"), (1_023, "1023 bytes"), (1_536, "1.5 KiB"), (u64::MAX, "16777216.0 TiB")];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn a_time_has_the_offset_of_its_zone() {
        let zone = Zone(TimeZone::posix("JST-9").ok());
        assert_eq!(zone.format(UtcMillis(0)), "1970-01-01T09:00:00.000+09:00");
        assert_eq!(Zone::utc().format(UtcMillis(1)), "1970-01-01T00:00:00.001Z");
        assert_eq!(zone.format(UtcMillis(u64::MAX)), "????-??-??T??:??:??.???Z");
    }

    #[test]
    fn a_time_that_is_none_is_written_as_such() {
        assert_eq!(format_time(UtcMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(format_time(UtcMillis(u64::MAX)), "????-??-??T??:??:??.???Z");
        assert_eq!(clock(None), "??:??:??");
    }
}
