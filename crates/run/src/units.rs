//! How lengths of time are written, the same in every view.

/// A length of time: `412ms`, `4.2s`, `1m03s`, `2h05m`. Cut, not rounded, so it is never longer than the time itself.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms / 1_000 {
        0 => format!("{ms}ms"),
        seconds @ 1..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        seconds => age(seconds * 1_000),
    }
}

/// A length of time to the second: `4s`, `1m03s`, `2h05m`.
#[must_use]
pub fn age(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A length of time as a user has given it, in the words of a workflow file: `500ms`, `90s`, `5m`, `1h30m`.
#[must_use]
pub fn limit(ms: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut left = ms;
    let mut text = String::new();
    for (length, unit) in units {
        if left >= length {
            text.push_str(&format!("{}{unit}", left / length));
            left %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_never_longer_than_they_were() {
        let cases = [
            (0, "0ms", "0s"),
            (999, "999ms", "0s"),
            (4_250, "4.2s", "4s"),
            (59_999, "59.9s", "59s"),
            (60_000, "1m00s", "1m00s"),
            (63_900, "1m03s", "1m03s"),
            (3_599_999, "59m59s", "59m59s"),
            (7_500_000, "2h05m", "2h05m"),
            (360_000_000, "100h00m", "100h00m"),
        ];
        for (ms, exact, rough) in cases {
            assert_eq!((duration(ms).as_str(), age(ms).as_str()), (exact, rough), "{ms}");
        }
        assert!(duration(u64::MAX).ends_with('m'));
    }

    #[test]
    fn a_limit_is_written_as_it_is_given() {
        let cases = [(0, "0s"), (500, "500ms"), (1_000, "1s"), (90_000, "1m30s"), (5_400_500, "1h30m500ms")];
        for (ms, expected) in cases {
            assert_eq!(limit(ms), expected);
        }
    }
}
