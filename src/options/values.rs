//! Values of options.

use std::time::Duration;

use roboppi_workflow::{DurationError, parse_duration};

/// An amount of US dollars above zero.
pub(crate) fn dollars(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount| roboppi_workflow::Dollars::new(*amount).is_some());
    amount.ok_or_else(|| "must be a number of US dollars above 0, such as `0.5` or `20`".to_owned())
}

/// A number of bytes: `65536`, `64KiB`, `64k`, `1.5G`. Units are powers of 1024, those that end in `B` without an `i`
/// powers of 1000.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write for example 512MiB or 2G");
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (base, power) = match unit.as_str() {
        "" | "b" => (1_u64, 0),
        "k" | "kib" => (1024, 1),
        "m" | "mib" => (1024, 2),
        "g" | "gib" => (1024, 3),
        "t" | "tib" => (1024, 4),
        "kb" => (1000, 1),
        "mb" => (1000, 2),
        "gb" => (1000, 3),
        "tb" => (1000, 4),
        _ => return Err(wrong()),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a size is not exact to the byte, and one too large is the largest there is"
    )]
    Ok((number * base.pow(power) as f64) as u64)
}

pub(crate) fn non_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        Ok(_) | Err(_) => Err("a number, not below 0".to_owned()),
    }
}

/// A duration that may be zero.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Err(DurationError::Zero) => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| match error {
        DurationError::NoUnit => {
            let number = text.trim();
            format!("{error}; write `{number}s` for seconds, `{number}m` for minutes")
        }
        error => format!("{error}; the units are ms, s, m and h"),
    })
}

/// A duration for which the existing program takes a bare number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegacyDuration {
    pub(crate) time: Duration,
    /// It was given without a unit.
    is_bare: bool,
}

impl LegacyDuration {
    /// Reads a duration, or a number of milliseconds.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.trim().parse::<u64>() {
            Ok(0) => Err("must be longer than zero".to_owned()),
            Ok(millis) => Ok(Self { time: Duration::from_millis(millis), is_bare: true }),
            Err(_) => duration(text).map(|time| Self { time, is_bare: false }),
        }
    }

    /// What to print about a number that probably means seconds.
    pub(crate) fn warning(self, option: &str) -> Option<String> {
        let millis = self.time.as_millis();
        (self.is_bare && millis < 1_000).then(|| {
            format!(
                "roboppi: warning: {option} {millis} is {millis} milliseconds; write `{millis}s` for seconds, or `{millis}ms`"
            )
        })
    }
}

/// A name and a value, with `=` between them.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_an_error_that_names_the_units() {
        let error = duration("5").unwrap_err();
        assert!(error.contains("`ms`, `s`, `m` or `h`") && error.contains("write `5s`"), "{error}");
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("0s").is_err() && duration_or_zero("0s") == Ok(Duration::ZERO));
        assert!(duration_or_zero("0").is_err());
    }

    #[test]
    fn a_legacy_number_that_is_short_is_warned_of_and_a_unit_is_not() {
        let warning = |text: &str| LegacyDuration::parse(text).unwrap().warning("--timeout");
        assert!(warning("60").unwrap().contains("60 milliseconds"));
        for fine in ["500ms", "1000", "60000", "5s"] {
            assert_eq!(warning(fine), None, "{fine}");
        }
        assert!(LegacyDuration::parse("0").is_err() && LegacyDuration::parse("x").is_err());
    }
}
