//! Durations as people write them: `30s`, `1h30m`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// It is not a row of numbers with units.
    #[error("not a duration such as `90s` or `1h30m`")]
    Grammar,
    /// It is a number alone.
    #[error("a number needs a unit: `ms`, `s`, `m` or `h`")]
    NoUnit,
    /// It is no time at all.
    #[error("it is zero")]
    Zero,
    /// It is longer than the clock can count.
    #[error("it is too long")]
    TooLong,
}

/// Reads a duration: numbers with the units `ms`, `s`, `m` and `h`, glued together and added up.
///
/// White space around it is ignored. Units may repeat and come in any order.
///
/// # Errors
/// When it does not follow that grammar, is zero, or is longer than 2^64 − 1 milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(DurationError::Grammar);
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NoUnit);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        let unit = units.iter().find_map(|(unit, millis)| Some((tail.strip_prefix(unit)?, *millis)));
        let (Some((tail, millis)), false) = (unit, number.is_empty()) else {
            return Err(DurationError::Grammar);
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(millis))
            .and_then(|part| total.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    if total == 0 { Err(DurationError::Zero) } else { Ok(Duration::from_millis(total)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_existing_program_reads_is_read_the_same() {
        for (text, millis) in [
            ("200ms", 200),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h30m10s500ms", 5_410_500),
            ("5m5m", 600_000),
            ("1s2h", 7_201_000),
            (" 5s\n", 5_000),
            ("0s1ms", 1),
            ("700h", 2_520_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["5", " 10 ", "007", "0"] {
            assert_eq!(parse_duration(text), Err(DurationError::NoUnit), "{text}");
        }
        for text in ["", " ", "1.5s", "1h 30m", "5S", "1d", "s", "-5s", "5s5", "٥s", "5 s"] {
            assert_eq!(parse_duration(text), Err(DurationError::Grammar), "{text}");
        }
        assert_eq!(parse_duration("0s"), Err(DurationError::Zero));
        assert_eq!(parse_duration("99999999999999999999h"), Err(DurationError::TooLong));
        assert_eq!(parse_duration("18446744073709551615ms1ms"), Err(DurationError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9smh .]{0,40}|.{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
