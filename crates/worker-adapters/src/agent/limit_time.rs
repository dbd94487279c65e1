//! When a usage limit is over, by the words and numbers of agents and services.

mod calendar;

use roboppi_ipc::UtcMillis;

use crate::WallTime;

/// The longest time that is believed. What lies further ahead is taken as that, and a note of the result names it.
const LONGEST_MS: i128 = 31 * 24 * 3_600_000;

/// Words before a time span.
const BEFORE_SPAN: [&str; 7] = [
    "try again in ",
    "reset after ",
    "resets after ",
    "resets in ",
    "reset in ",
    "retry in ",
    "retry after ",
];

/// Words before a point of time.
const BEFORE_POINT: [&str; 6] =
    ["try again at ", "resets at ", "reset at ", "resets on ", "resets ", "limit will reset at "];

/// Names of headers, in lower case, and what their number is. The first that is there counts.
const HEADERS: [(&str, Number); 9] = [
    ("retry-after-ms", Number::Millis),
    ("retry-after", Number::Seconds),
    ("anthropic-ratelimit-unified-reset", Number::Seconds),
    ("x-ratelimit-reset-after", Number::Seconds),
    ("x-ratelimit-reset", Number::Seconds),
    ("ratelimit-reset", Number::Seconds),
    ("x-ratelimit-reset-requests", Number::Seconds),
    ("x-ratelimit-reset-tokens", Number::Seconds),
    ("anthropic-ratelimit-requests-reset", Number::Seconds),
];

/// The unit of a bare number.
#[derive(Clone, Copy, Debug)]
enum Number {
    Seconds,
    Millis,
}

/// A time at which a limit is over, before it is known what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitTime {
    /// Milliseconds of UTC.
    At(i128),
    /// Milliseconds from now.
    In(i128),
}

/// What a time means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LimitEnd {
    /// When the limit is over; `None` when that time is past.
    pub(super) at: Option<UtcMillis>,
    /// What is odd about the time.
    pub(super) note: Option<String>,
}

impl LimitTime {
    /// A number of seconds of UTC, or of milliseconds where it is too large for that.
    #[must_use]
    pub const fn of_epoch(number: i128) -> Self {
        const AS_MILLIS: i128 = 100_000_000_000;

        if number.saturating_abs() >= AS_MILLIS {
            Self::At(number)
        } else {
            Self::At(number.saturating_mul(1000))
        }
    }

    /// The time that the headers of an answer give. Names in any case.
    pub fn of_headers<'a>(headers: &(impl Iterator<Item = (&'a str, &'a str)> + Clone)) -> Option<Self> {
        HEADERS.iter().find_map(|(name, number)| {
            let mut all = headers.clone();
            let (_, value) = all.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            of_header(value.trim(), *number)
        })
    }

    /// The time that a sentence gives.
    pub(super) fn of_text(text: &str, wall: WallTime) -> Option<Self> {
        let lower = text.to_lowercase();
        if let Some((_, rest)) = lower.split_once("limit reached|") {
            return leading_number(rest).map(Self::of_epoch);
        }
        let behind = |words: &&str| lower.split_once(*words).map(|(_, rest)| rest);
        let span = BEFORE_SPAN.iter().filter_map(behind).find_map(span_ms).map(Self::In);
        span.or_else(|| {
            let mut points = BEFORE_POINT.iter().filter_map(behind);
            points.find_map(|rest| calendar::point(rest, wall)).map(Self::At)
        })
    }

    /// The point of time, within what is believed.
    pub(super) fn resolve(self, wall: WallTime) -> LimitEnd {
        let now = i128::from(wall.now.0);
        let ahead = match self {
            Self::At(at) => at.saturating_sub(now),
            Self::In(span) => span,
        };
        if ahead <= 0 {
            return LimitEnd::default();
        }
        let note = (ahead > LONGEST_MS).then(|| {
            "the time it gave for the end of its limit is more than 31 days ahead, and is taken as 31 days".to_owned()
        });
        let at = now.saturating_add(ahead.min(LONGEST_MS));
        LimitEnd { at: u64::try_from(at).ok().map(UtcMillis), note }
    }
}

fn of_header(value: &str, number: Number) -> Option<LimitTime> {
    /// Seconds that are no span of a limit: they are counted from 1970.
    const AS_EPOCH: f64 = 1e9;

    if let Ok(count) = value.parse::<f64>() {
        if !count.is_finite() {
            return None;
        }
        return match number {
            Number::Millis => millis(count).map(LimitTime::In),
            Number::Seconds if count >= AS_EPOCH => {
                #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
                let count = count as i128;
                Some(LimitTime::of_epoch(count))
            }
            Number::Seconds => millis(count * 1000.0).map(LimitTime::In),
        };
    }
    let lower = value.to_lowercase();
    calendar::iso(&lower).map(LimitTime::At).or_else(|| span_ms(&lower).map(LimitTime::In))
}

fn leading_number(text: &str) -> Option<i128> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    match text.get(..end)? {
        "" => None,
        digits => Some(digits.parse().unwrap_or(i128::MAX)),
    }
}

/// The span at the beginning of a text in lower case: `3h22m10s`, `2 days 3 hours 12 minutes`, `1.898s`, `5 minutes and 3 seconds`.
fn span_ms(text: &str) -> Option<i128> {
    let mut rest = text.trim_start();
    let mut total: Option<i128> = None;
    loop {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(rest.len());
        let Ok(count) = rest[..end].parse::<f64>() else { return total };
        let behind = rest[end..].trim_start();
        let end = behind.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(behind.len());
        let Some(unit) = unit_ms(&behind[..end]) else { return total };
        let part = millis(count * unit)?;
        total = Some(total.unwrap_or(0).saturating_add(part));
        rest = behind[end..].trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
}

fn unit_ms(unit: &str) -> Option<f64> {
    match unit {
        "ms" | "millisecond" | "milliseconds" => Some(1.0),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1e3),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(6e4),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3.6e6),
        "d" | "day" | "days" => Some(8.64e7),
        "w" | "week" | "weeks" => Some(6.048e8),
        _ => None,
    }
}

/// Whole milliseconds, rounded up so that a wait is not too short.
fn millis(count: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is meant")]
    let whole = count.ceil() as i128;
    count.is_finite().then_some(whole)
}

#[cfg(test)]
mod tests;
