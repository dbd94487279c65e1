//! A place in the events of a run.
//!
//! A run has several streams of events: its journal, and one for each attempt. A cursor has the position in each of them, so it
//! does not depend on the order in which a process has read the streams: it is valid in every server, before and after a
//! restart. Attempts that have ended are covered by the position in the journal, so a cursor is as long as attempts were under way.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest text of a cursor, in bytes.
const LONGEST: usize = 32 * 1024;

/// Where an event stands in the streams of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the journal.
    Journal {
        /// Number of the record, from 1.
        seq: u64,
        /// What the record does to the streams of attempts.
        effect: Effect,
    },
    /// In the events of an attempt.
    Attempt {
        /// Its place among the attempts of the run by their beginnings, from 1.
        attempt: u32,
        /// Number of the event.
        seq: u64,
    },
}

/// What a record of the journal does to the streams of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// The next attempt begins.
    Opens,
    /// This attempt has ended: no event of it comes later.
    Closes(u32),
}

/// A position in the events of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Number of the last record of the journal.
    journal: u64,
    /// Attempts that have begun.
    begun: u32,
    /// Of each attempt under way the number of the next event.
    open: BTreeMap<u32, u64>,
}

/// A text that is no cursor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no cursor")]
pub(crate) struct BadCursor(String);

impl Cursor {
    /// Whether the event at a place is before the cursor.
    pub(crate) fn covers(&self, place: Place) -> bool {
        match place {
            Place::Journal { seq, .. } => seq <= self.journal,
            Place::Attempt { attempt, .. } if attempt > self.begun => false,
            Place::Attempt { attempt, seq } => self.open.get(&attempt).is_none_or(|next| seq < *next),
        }
    }

    /// Whether all events before another cursor are before this one.
    pub(crate) fn covers_all(&self, other: &Self) -> bool {
        let attempts = || {
            other.open.iter().all(|(attempt, next)| {
                *next == 0 || self.covers(Place::Attempt { attempt: *attempt, seq: next - 1 })
            })
        };
        other.journal <= self.journal && attempts()
    }

    /// Goes behind the event at a place.
    pub(crate) fn advance(&mut self, place: Place) {
        match place {
            Place::Journal { seq, effect } => {
                self.journal = self.journal.max(seq);
                match effect {
                    Effect::None => {}
                    Effect::Opens => {
                        self.begun += 1;
                        self.open.insert(self.begun, 0);
                    }
                    Effect::Closes(attempt) => {
                        self.open.remove(&attempt);
                    }
                }
            }
            Place::Attempt { attempt, seq } => {
                if let Some(next) = self.open.get_mut(&attempt) {
                    *next = (*next).max(seq.saturating_add(1));
                }
            }
        }
    }

    /// Number of the last record of the journal before the cursor.
    pub(crate) const fn journal(&self) -> u64 {
        self.journal
    }

    /// Whether events of an attempt may be behind the cursor: it is under way there, or has not begun.
    pub(crate) fn may_follow(&self, attempt: u32) -> bool {
        attempt > self.begun || self.open.contains_key(&attempt)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.journal, self.begun)?;
        self.open.iter().try_for_each(|(attempt, next)| write!(f, ".{attempt}-{next}"))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bad = || BadCursor(text.chars().filter(|char| !char.is_control()).take(40).collect());
        if text.len() > LONGEST {
            return Err(bad());
        }
        // A number of a record is below 2^53.
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| plain && *number < 1 << 53).ok_or_else(bad)
        };
        let mut parts = text.split('.');
        let journal = number(parts.next().unwrap_or_default())?;
        let begun = u32::try_from(parts.next().map_or(Ok(0), number)?).map_err(|_| bad())?;
        let mut open = BTreeMap::new();
        for part in parts {
            let (attempt, next) = part.split_once('-').ok_or_else(bad)?;
            let attempt = u32::try_from(number(attempt)?).map_err(|_| bad())?;
            if attempt == 0 || attempt > begun || open.insert(attempt, number(next)?).is_some() {
                return Err(bad());
            }
        }
        Ok(Self { journal, begun, open })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPENS: Effect = Effect::Opens;

    fn after(places: &[Place]) -> Cursor {
        let mut cursor = Cursor::default();
        places.iter().for_each(|place| cursor.advance(*place));
        cursor
    }

    #[test]
    fn an_attempt_is_covered_by_its_own_position_and_later_by_the_journal() {
        let event = |seq| Place::Attempt { attempt: 1, seq };
        let mut cursor = after(&[Place::Journal { seq: 1, effect: OPENS }, event(0), event(4)]);
        assert_eq!(cursor.to_string(), "1.1.1-5");
        assert!(cursor.covers(event(4)) && !cursor.covers(event(5)));
        assert!(!cursor.covers(Place::Attempt { attempt: 2, seq: 0 }), "it has not begun");
        cursor.advance(Place::Journal { seq: 2, effect: Effect::Closes(1) });
        assert_eq!(cursor.to_string(), "2.1");
        assert!(cursor.covers(event(99)) && !cursor.may_follow(1) && cursor.may_follow(2));
    }

    #[test]
    fn the_order_of_independent_events_does_not_matter() {
        let (one, other) = (Place::Attempt { attempt: 1, seq: 3 }, Place::Attempt { attempt: 2, seq: 0 });
        let begin = [Place::Journal { seq: 1, effect: OPENS }, Place::Journal { seq: 2, effect: OPENS }];
        let (first, second) = (after(&[begin[0], begin[1], one]), after(&[begin[0], begin[1], other]));
        assert!(!first.covers_all(&second) && !second.covers_all(&first));
        let both = after(&[begin[0], begin[1], one, other]);
        assert_eq!(both, after(&[begin[0], begin[1], other, one]));
        assert!(both.covers_all(&first) && both.covers_all(&second) && !first.covers_all(&both));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for bad in [
            "",
            "x",
            "-1",
            "1.x",
            "1.1.2-0",
            "1.1.1",
            "1.1.1-",
            "1.1.1-0.1-0",
            "1.2.0-1",
            " 1",
            "+1",
            "1..",
            "9007199254740992",
            "1.99999999999",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
        let long = "1".repeat(LONGEST + 1);
        assert!(long.parse::<Cursor>().unwrap_err().to_string().len() < 80);
        assert_eq!("7".parse::<Cursor>().unwrap().to_string(), "7.0");
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back(journal in 0u64..1 << 53, open in prop::collection::btree_map(1u32..50, 0u64..1 << 53, 0..5)) {
            let cursor = Cursor { journal, begun: 50, open };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
    }
}
