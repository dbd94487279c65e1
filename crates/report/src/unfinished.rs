//! When a line is shown that has no end yet: a question, for example, that waits for an answer.

use std::time::{Duration, Instant};

/// Time without another byte after which it is shown.
const FIRST: Duration = Duration::from_millis(500);

/// Longest time between two pieces of one line: a row of dots that grows is not shown dot by dot.
const LONGEST: Duration = Duration::from_secs(32);

/// The unfinished last line of one log.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// Bytes of it that were not shown.
    held: usize,
    /// When the last of them came.
    since: Instant,
    wait: Duration,
}

impl Unfinished {
    /// None, at this time.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { held: 0, since: now, wait: FIRST }
    }

    /// Takes note of how many bytes are held back now. `ended` says that a line ended since.
    pub(crate) fn holds(&mut self, now: Instant, held: usize, ended: bool) {
        if ended {
            self.wait = FIRST;
        }
        if ended || held != self.held {
            self.since = now;
        }
        self.held = held;
    }

    /// When it is to be shown, if nothing else comes. `None` when there is none.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.held > 0).then(|| self.since + self.wait)
    }

    /// It was shown. What follows of the same line is waited for twice as long.
    pub(crate) fn shown(&mut self, now: Instant) {
        (self.held, self.since) = (0, now);
        self.wait = (self.wait * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_half_a_second_after_its_last_byte_and_then_ever_less_often() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut line = Unfinished::new(start);
        assert_eq!(line.due(), None);
        line.holds(at(0), 4, false);
        line.holds(at(200), 9, false);
        line.holds(at(300), 9, false);
        assert_eq!(line.due(), Some(at(700)));
        line.shown(at(700));
        assert_eq!(line.due(), None);
        line.holds(at(800), 1, false);
        assert_eq!(line.due(), Some(at(1800)));
        line.shown(at(1800));
        line.holds(at(1900), 3, true);
        assert_eq!(line.due(), Some(at(2400)));
        for _ in 0..20 {
            line.shown(at(3000));
        }
        line.holds(at(3000), 1, false);
        assert_eq!(line.due(), Some(at(3000) + LONGEST));
    }
}
