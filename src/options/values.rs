//! Values of options.

use std::time::Duration;

use roboppi_workflow::parse_duration;

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

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .map_err(|error| format!("{error}; write numbers with the units ms, s, m, h: `90s`, `1h30m`"))
}
