//! Points of time as people write them, without a library for time: pure crates have none.

use crate::WallTime;

const MINUTE: i128 = 60_000;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Milliseconds of UTC of the point at the beginning of a text in lower case, which is one of local time unless `utc` follows:
/// `12:50am`, `6:21 pm`, `18:21`, `jan 5, 6pm`, `jan 5th, 2027 6:21 pm`, `oct 9 at 5pm (utc)`, `2026-12-01t00:50:00z`. Without a
/// day it is the next one that comes.
pub(super) fn point(text: &str, wall: WallTime) -> Option<i128> {
    let text = text.trim_start();
    if let Some(at) = iso(text) {
        return Some(at);
    }
    let mut words = Words(text);
    let date = words.date();
    let of_day = words.time_of_day()?;
    let is_utc = words.0.trim_start().trim_start_matches('(').starts_with("utc");
    let offset = if is_utc { 0 } else { i128::from(wall.utc_offset_seconds) * 1000 };
    let now = i128::from(wall.now.0).saturating_add(offset);
    let today = now.div_euclid(DAY);
    let at = match date {
        None if today * DAY + of_day > now => today * DAY + of_day,
        None => (today + 1) * DAY + of_day,
        Some((month, day, year)) => {
            let this_year = year_of(today);
            let at = |year| days_from_civil(year, month, day) * DAY + of_day;
            match year {
                Some(year) => at(year),
                // In December a day of January is one of the next year.
                None if at(this_year) + 180 * DAY < now => at(this_year + 1),
                None => at(this_year),
            }
        }
    };
    Some(at - offset)
}

/// Milliseconds of UTC of `2026-12-01t00:50:00z`, `2026-12-01t00:50:00.5+01:00`, in lower case.
pub(super) fn iso(text: &str) -> Option<i128> {
    let number = |range: std::ops::Range<usize>| -> Option<i128> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separators = [(4, '-'), (7, '-'), (13, ':'), (16, ':')];
    let fits = separators
        .iter()
        .all(|(place, separator)| text.get(*place..).is_some_and(|rest| rest.starts_with(*separator)));
    if !fits || !text.get(10..)?.starts_with(['t', ' ']) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = text.get(19..)?.trim_start_matches(|char: char| char == '.' || char.is_ascii_digit());
    let offset = match zone.as_bytes().first() {
        Some(sign @ (b'+' | b'-')) => {
            let hours: i128 = zone.get(1..3)?.parse().ok()?;
            let minutes: i128 = zone.get(4..6)?.parse().ok()?;
            let offset = hours * HOUR + minutes * MINUTE;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => 0,
    };
    let at = days_from_civil(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * 1000;
    Some(at - offset)
}

struct Words<'a>(&'a str);

impl Words<'_> {
    /// Month, day, and the year if it is there.
    fn date(&mut self) -> Option<(i128, i128, Option<i128>)> {
        let before = self.0;
        let date = self.read_date();
        if date.is_none() {
            self.0 = before;
        }
        date
    }

    fn read_date(&mut self) -> Option<(i128, i128, Option<i128>)> {
        let word = self.letters();
        let month = MONTHS.iter().position(|month| word.starts_with(month))?;
        let day = self.number().filter(|day| (1..=31).contains(day))?;
        for suffix in ["st", "nd", "rd", "th"] {
            self.skip(suffix);
        }
        self.skip(",");
        let before = self.0;
        let year = self.number().filter(|year| (2000..10_000).contains(year));
        if year.is_none() {
            self.0 = before;
        }
        self.skip(",");
        self.skip("at ");
        Some((i128::try_from(month).ok()? + 1, day, year))
    }

    /// Milliseconds since midnight.
    fn time_of_day(&mut self) -> Option<i128> {
        let hour = self.number()?;
        let has_minutes = self.0.starts_with(':');
        let minute = if has_minutes {
            self.0 = &self.0[1..];
            self.number()?
        } else {
            0
        };
        let before = self.0;
        let hour = match self.letters() {
            "am" if (1..=12).contains(&hour) => hour % 12,
            "pm" if (1..=12).contains(&hour) => hour % 12 + 12,
            _ if has_minutes && hour < 24 => {
                self.0 = before;
                hour
            }
            _ => return None,
        };
        (minute < 60).then_some(hour * HOUR + minute * MINUTE)
    }

    fn letters(&mut self) -> &str {
        let text = self.0.trim_start();
        let end = text.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        word
    }

    fn number(&mut self) -> Option<i128> {
        let text = self.0.trim_start();
        let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        let number = digits.parse().ok().filter(|_| digits.len() <= 4)?;
        self.0 = rest;
        Some(number)
    }

    fn skip(&mut self, word: &str) {
        if let Some(rest) = self.0.trim_start().strip_prefix(word) {
            self.0 = rest;
        }
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
const fn days_from_civil(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year of a day counted from 1970-01-01.
const fn year_of(day: i128) -> i128 {
    let mut year = 1970 + day / 366;
    while days_from_civil(year + 1, 1, 1) <= day {
        year += 1;
    }
    year
}
