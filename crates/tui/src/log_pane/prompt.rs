//! What a person types about a log: something to look for, or where to go.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use roboppi_ipc::UtcMillis;

use super::{Direction, Query};

/// Characters that can be typed.
const MOST: usize = 1000;

/// A line that is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) text: String,
    /// What is typed is a regular expression.
    pub(crate) pattern: bool,
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    #[default]
    SearchForward,
    SearchBackward,
    GoTo,
}

impl Prompt {
    /// What stands before the text.
    pub(crate) const fn label(&self) -> &'static str {
        match (self.purpose, self.pattern) {
            (Purpose::SearchForward, false) => "/",
            (Purpose::SearchBackward, false) => "?",
            (Purpose::SearchForward, true) => "/ (pattern) ",
            (Purpose::SearchBackward, true) => "? (pattern) ",
            (Purpose::GoTo, _) => "line, %, time, a2 or i3: ",
        }
    }

    /// Which way it looks.
    pub(crate) const fn direction(&self) -> Direction {
        match self.purpose {
            Purpose::SearchBackward => Direction::Backward,
            Purpose::SearchForward | Purpose::GoTo => Direction::Forward,
        }
    }

    pub(crate) fn push(&mut self, char: char) {
        if self.text.len() + char.len_utf8() <= MOST {
            self.text.push(char);
        }
    }

    pub(crate) fn query(&self) -> Query {
        Query { text: self.text.clone(), pattern: self.pattern }
    }
}

/// Where a person wants to go in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A line, from 0.
    Line(u64),
    /// The first line from this time on.
    Time(UtcMillis),
    /// The log of another attempt of the step.
    Attempt {
        /// Of this iteration; `None` for the one that is shown.
        iteration: Option<u32>,
        /// With this number; `None` for the latest of the iteration.
        attempt: Option<u32>,
    },
}

impl Wanted {
    /// Reads `123`, `50%`, `14:05[:10]`, a time of day at which the log of `total` lines that began at `began` may have
    /// been written, or `a2`, `i3`, `i3a2`.
    ///
    /// # Errors
    /// What can be typed, in one line.
    pub(crate) fn parse(text: &str, total: u64, began: UtcMillis, zone: &TimeZone) -> Result<Self, String> {
        let text = text.trim();
        let number = |text: &str| text.parse::<u64>().ok();
        if let Some(percent) = text.strip_suffix('%').and_then(number) {
            return Ok(Self::Line(total.saturating_mul(percent.min(100)) / 100));
        }
        if let Some(line) = number(text) {
            // One behind the last leads to the last; how many there are may not be known yet.
            return Ok(Self::Line(line.saturating_sub(1)));
        }
        if let Some(attempt) = attempt(text) {
            return Ok(attempt);
        }
        let time = text.parse::<Time>().ok().filter(|_| text.contains(':'));
        time.and_then(|time| time_after(time, began, zone))
            .map(Self::Time)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no line (123), part (50%), time (14:05, 14:05:10), attempt (a2) or iteration (i3)"
                )
            })
    }
}

/// Reads `a2`, `i3` or `i3a2`.
fn attempt(text: &str) -> Option<Wanted> {
    let number = |text: &str| text.parse::<u32>().ok();
    if let Some(attempt) = text.strip_prefix('a') {
        return Some(Wanted::Attempt { iteration: None, attempt: Some(number(attempt)?) });
    }
    let rest = text.strip_prefix('i')?;
    let (iteration, attempt) = match rest.split_once('a') {
        Some((iteration, attempt)) => (iteration, Some(number(attempt.trim_start())?)),
        None => (rest, None),
    };
    Some(Wanted::Attempt { iteration: Some(number(iteration.trim_end())?), attempt })
}

/// The first time after `began`, to the second, at which a clock shows `time`.
fn time_after(time: Time, began: UtcMillis, zone: &TimeZone) -> Option<UtcMillis> {
    let began = jiff::Timestamp::from_millisecond(i64::try_from(began.0).ok()? / 1000 * 1000).ok()?;
    let day = began.to_zoned(zone.clone()).date();
    [day, day.tomorrow().ok()?].into_iter().find_map(|day| {
        let at = day.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp();
        (at >= began).then(|| u64::try_from(at.as_millisecond()).ok().map(UtcMillis)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_parts_and_times_are_understood() {
        // 2026-01-02 23:30:00 UTC.
        let began = UtcMillis(1_767_396_600_500);
        let wanted = |text: &str| Wanted::parse(text, 1000, began, &TimeZone::UTC);
        assert_eq!(wanted("123"), Ok(Wanted::Line(122)));
        assert_eq!(wanted("0"), Ok(Wanted::Line(0)));
        assert_eq!(wanted("99999"), Ok(Wanted::Line(99_998)));
        assert_eq!(wanted("50%"), Ok(Wanted::Line(500)));
        assert_eq!(wanted("23:30"), Ok(Wanted::Time(UtcMillis(1_767_396_600_000))));
        assert_eq!(wanted("23:31:05"), Ok(Wanted::Time(UtcMillis(1_767_396_665_000))));
        let after_midnight = Wanted::Time(UtcMillis(1_767_396_600_000 + 45 * 60_000));
        assert_eq!(wanted(" 00:15 "), Ok(after_midnight));
        let attempt = |iteration, attempt| Ok(Wanted::Attempt { iteration, attempt });
        assert_eq!(wanted("a2"), attempt(None, Some(2)));
        assert_eq!(wanted("i3"), attempt(Some(3), None));
        assert_eq!(wanted("i3a2"), attempt(Some(3), Some(2)));
        assert_eq!(wanted("i3 a2"), attempt(Some(3), Some(2)));
        for wrong in ["", "x", "12:", "25:00", "-3", "1e9", "a", "i", "i3a", "a2i3", "ax", "i-1"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
