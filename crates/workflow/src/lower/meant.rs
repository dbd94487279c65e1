//! What the author of a value most likely meant that is none here.

use std::time::Duration;

use crate::duration::parse_duration;

/// A duration that is written in other units, or with a fraction: `2 days` is `48h`, `1.5h` is `1h30m`.
pub(super) fn duration(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        "w" | "week" | "weeks" => 604_800_000.0,
        _ => return None,
    };
    let millis = number * unit;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range, and a suggestion only"
    )]
    let millis = (millis.is_finite() && (1.0..1e15).contains(&millis)).then_some(millis as u64)?;
    let meant = written(millis);
    (parse_duration(&meant) == Ok(Duration::from_millis(millis))).then_some(meant)
}

fn written(mut millis: u64) -> String {
    let mut text = String::new();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= length {
            text += &format!("{}{unit}", millis / length);
            millis %= length;
        }
    }
    text
}

/// A number that is written with a letter for thousands or with separators: `100k`, `1,000`.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, times) = match text.strip_suffix(['k', 'm']) {
        Some(digits) => (digits, if text.ends_with('k') { 1_000.0 } else { 1_000_000.0 }),
        None => (text.as_str(), 1.0),
    };
    let number: f64 = digits.replace([',', '_', ' '], "").parse().ok()?;
    let number = number * times;
    (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then(|| format!("{number:.0}"))
}

/// Whether a text says that there is to be no limit.
pub(super) fn is_unlimited(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["unlimited", "infinite", "infinity", "inf", "none", "never", "off", "no", "max", "false"]
        .contains(&text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_other_words_are_understood() {
        for (text, meant) in [
            ("1d", "24h"),
            ("30 minutes", "30m"),
            ("30min", "30m"),
            ("1.5h", "1h30m"),
            ("0.5s", "500ms"),
            ("2 Days", "48h"),
            ("5S", "5s"),
        ] {
            assert_eq!(duration(text).as_deref(), Some(meant), "{text}");
        }
        for text in ["soon", "-1m", "5", "", "1e9h", "99999999999999999999d", "0s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_with_separators_are_understood() {
        assert_eq!(number("100k").as_deref(), Some("100000"));
        assert_eq!(number("1,000").as_deref(), Some("1000"));
        assert_eq!(number("1.5m").as_deref(), Some("1500000"));
        assert_eq!(number("many"), None);
    }
}
