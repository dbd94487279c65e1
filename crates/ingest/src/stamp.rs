//! Times as foreign files state them.

use roboppi_ipc::UtcMillis;

/// The time of a record of a foreign file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A time of the world.
    Utc(UtcMillis),
    /// A time of a clock on a wall, in milliseconds since 1970-01-01T00:00 of that clock. Its zone is that of the machine.
    Local(u64),
}

impl Stamp {
    /// Reads `2026-01-06 16:03:53,693` and RFC 3339. Without a zone the time is local.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = bytes.get(from..to)?;
            digits.iter().all(u8::is_ascii_digit).then(|| text.get(from..to)?.parse().ok()).flatten()
        };
        let separators = [(4, b"-".as_slice()), (7, b"-"), (10, b" T"), (13, b":"), (16, b":")];
        let is_separated = |(at, allowed): (usize, &[u8])| bytes.get(at).is_some_and(|c| allowed.contains(c));
        if !separators.into_iter().all(is_separated) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        let mut millis = 0;
        if matches!(bytes.get(at), Some(b',' | b'.')) {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let three: String = text[at + 1..].chars().chain("000".chars()).take(digits.min(3)).collect();
            millis = format!("{three:0<3}").parse().ok()?;
            at += 1 + digits;
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        let wall = seconds * 1_000 + millis;
        match text.get(at..)?.trim_start() {
            "" => Some(Self::Local(wall)),
            "Z" | "z" => Some(Self::Utc(UtcMillis(wall))),
            zone => offset(zone).map(|offset| Self::Utc(UtcMillis(wall.saturating_add_signed(-offset)))),
        }
    }

    /// A number: seconds since 1970, or milliseconds where seconds would be absurd.
    #[must_use]
    pub fn of_number(number: f64) -> Option<Self> {
        /// 1e11 seconds are in the year 5138, as many milliseconds in 1973.
        const MILLIS: f64 = 1e11;
        let millis = if number < MILLIS { number * 1_000.0 } else { number };
        let is_time = millis.is_finite() && (0.0..1e15).contains(&millis);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range above")]
        is_time.then_some(Self::Utc(UtcMillis(millis as u64)))
    }
}

/// Days since 1970-01-01, in the calendar of today.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    // The year begins in March, so that a leap day is its last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year / 4 - year / 100 + year / 400;
    year * 365 + leap + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Milliseconds east of Greenwich: `+02:00`, `-0530`.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    Some(sign * (hours * 60 + minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_many_forms() {
        let wall = 1_767_715_433_693;
        for (text, expected) in [
            ("2026-01-06 16:03:53,693", Some(Stamp::Local(wall))),
            ("2026-01-06 16:03:53.693", Some(Stamp::Local(wall))),
            ("2026-01-06T16:03:53.693Z", Some(Stamp::Utc(UtcMillis(wall)))),
            ("2026-01-06T16:03:53.693999+00:00", Some(Stamp::Utc(UtcMillis(wall)))),
            ("2026-01-06T18:03:53.693+02:00", Some(Stamp::Utc(UtcMillis(wall)))),
            ("2026-01-06T16:03:53.6-0530", Some(Stamp::Utc(UtcMillis(wall - 93 + 19_800_000)))),
            ("2000-02-29 00:00:00", Some(Stamp::Local(951_782_400_000))),
            ("1970-01-01 00:00:00", Some(Stamp::Local(0))),
            ("2026-13-06 16:03:53,693", None),
            ("2026-01-06", None),
            ("0000-01-01 00:00:00", None),
            ("2026-01-06 16:03:53,693 - x", None),
            ("ünïcödé-01-06 16:03:53", None),
            ("", None),
        ] {
            assert_eq!(Stamp::read(text), expected, "{text}");
        }
        assert_eq!(Stamp::of_number(1_767_715_433.693), Some(Stamp::Utc(UtcMillis(wall))));
        assert_eq!(Stamp::of_number(1_767_715_433_693.0), Some(Stamp::Utc(UtcMillis(wall))));
        assert_eq!((Stamp::of_number(-1.0), Stamp::of_number(f64::NAN)), (None, None));
    }
}
