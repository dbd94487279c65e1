//! Measures, cuts and words for a screen. All of it takes text that is safe already.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roboppi_ipc::UtcMillis;
/// A duration that still grows is in whole seconds, so that it does not seem to jitter.
pub(crate) use roboppi_run::units::age as running_duration;
pub(crate) use roboppi_run::units::duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text in at most `columns` columns; `…` says that there was more.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut fitted = head(text, columns - 1).0.to_owned();
    fitted.push('…');
    fitted
}

/// The end of a text in at most `columns` columns; for paths, whose end says most.
pub(crate) fn fit_end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut start = text.len();
    for (index, _) in text.char_indices().rev() {
        if width(&text[index..]) > columns - 1 {
            break;
        }
        start = index;
    }
    format!("…{}", &text[start..])
}

/// The characters of a text that begin in a range of its columns.
pub(crate) fn columns(text: &str, range: Range<usize>) -> &str {
    let start = head(text, range.start).0.len();
    let end = head(text, range.end.max(range.start)).0.len();
    &text[start..end]
}

/// Splits a text after the characters that fit into `columns` columns.
fn head(text: &str, columns: usize) -> (&str, &str) {
    let mut end = 0;
    let mut used = 0;
    for (index, char) in text.char_indices() {
        // The sum of single widths can be less than the width of the whole only by a variation selector.
        used += char.width().unwrap_or(0) + usize::from(char == '\u{fe0f}');
        if used > columns {
            return text.split_at(end);
        }
        end = index + char.len_utf8();
    }
    (text, "")
}

/// A text in lines of at most `columns` columns, broken at spaces where that is possible.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    loop {
        let (mut line, mut tail) = head(rest, columns);
        if tail.is_empty() || line.is_empty() {
            // All of the rest, or a cluster wider than a line.
            lines.push(fit(rest, columns));
            return lines;
        }
        if !tail.starts_with(' ')
            && let Some(space) = line.rfind(' ').filter(|space| *space > 0)
        {
            (line, tail) = rest.split_at(space);
        }
        lines.push(line.trim_end().to_owned());
        rest = tail.trim_start_matches(' ');
    }
}

/// At most `bytes` bytes of the beginning of a text, and how many were left off.
pub(crate) fn beginning(text: &str, bytes: usize) -> (&str, usize) {
    let end = text.floor_char_boundary(bytes);
    (&text[..end], text.len() - end)
}

/// A duration that nobody knows exactly: `40s`, `3m`, `2h03m`.
pub(crate) fn rough(ms: u64) -> String {
    match ms / 1_000 {
        0..60 => format!("{}s", ms.div_ceil(1_000).max(1)),
        seconds @ 60..3_600 => format!("{}m", (seconds + 30) / 60),
        _ => duration(ms),
    }
}

/// An amount of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut unit = 0;
    let mut scaled = count / 1_024;
    let mut rest = count % 1_024;
    while scaled >= 1_024 && unit + 1 < UNITS.len() {
        rest = scaled % 1_024;
        scaled /= 1_024;
        unit += 1;
    }
    if scaled < 10 {
        format!("{scaled}.{} {}", rest * 10 / 1_024, UNITS[unit])
    } else {
        format!("{scaled} {}", UNITS[unit])
    }
}

/// `one step`, `2 steps`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The time of day.
pub(crate) fn clock(at: UtcMillis, zone: &TimeZone) -> String {
    formatted(at, zone, "%H:%M:%S")
}

/// Day and time of day.
pub(crate) fn date(at: UtcMillis, zone: &TimeZone) -> String {
    formatted(at, zone, "%Y-%m-%d %H:%M:%S")
}

fn formatted(at: UtcMillis, zone: &TimeZone, format: &str) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let Ok(timestamp) = Timestamp::from_millisecond(millis) else { return "?".to_owned() };
    timestamp.to_zoned(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (ms, expected) in
            [(1, "1s"), (40_100, "41s"), (89_000, "1m"), (91_000, "2m"), (7_380_000, "2h03m")]
        {
            assert_eq!(rough(ms), expected, "{ms}");
        }
    }

    #[test]
    fn amounts() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (10_485_760, "10 MiB"),
            (u64::MAX, "16777215 TiB"),
        ];
        for (amount, expected) in cases {
            assert_eq!(bytes(amount), expected);
        }
    }

    #[test]
    fn cutting() {
        assert_eq!(fit("workspace", 5), "work…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit_end("/home/me/src", 5), "…/src");
        assert_eq!(fit_end("漢字", 3), "…字");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap(" indented by one", 10), [" indented", "by one"]);
        assert_eq!(beginning("añb", 2), ("a", 3));
        assert_eq!(beginning("añb", 9), ("añb", 0));
    }

    #[test]
    fn a_long_text_without_a_break_is_wrapped_in_one_pass() {
        assert_eq!(wrap(&"x".repeat(4_000_000), 40).len(), 100_000);
    }

    #[test]
    fn times() {
        assert_eq!(clock(UtcMillis(3_723_000), &TimeZone::UTC), "01:02:03");
        assert_eq!(date(UtcMillis(3_723_000), &TimeZone::UTC), "1970-01-01 01:02:03");
        assert_eq!(clock(UtcMillis(u64::MAX), &TimeZone::UTC), "?");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in any::<String>(), columns in 0usize..40) {
            let text = crate::sanitise::clean(&text);
            prop_assert!(width(&fit(&text, columns)) <= columns);
            prop_assert!(width(&fit_end(&text, columns)) <= columns);
            for line in wrap(&text, columns) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }
    }
}
