//! Says what of a log is not there.

use roboppi_record::{LogDamage, UNKNOWN_LOSS};
use roboppi_run::{AttemptRef, missing_words};

use crate::terminal;

/// Gaps of one log that are said one by one, and damaged places.
const MOST: u32 = 5;

/// The gaps of one log. The first ones are said where they are, and of many how many there are.
#[derive(Debug, Default)]
pub(super) struct Missing {
    gaps: u32,
    bytes: u64,
}

impl Missing {
    /// There are `len` bytes missing.
    pub(super) fn add(&mut self, of: &AttemptRef, len: u64, say: impl FnOnce(&str)) {
        self.gaps += 1;
        self.bytes += len;
        if self.gaps <= MOST {
            say(&lost_words(of, len));
        }
    }

    /// Nothing more of the log comes.
    pub(super) fn finish(&self, of: &AttemptRef, say: impl FnOnce(&str)) {
        if let Some(more) = self.gaps.checked_sub(MOST).filter(|more| *more > 0) {
            let Self { gaps, bytes } = self;
            say(&format!(
                "roboppi: and so on in {more} more places: {bytes} bytes of {of} in {gaps} places were not recorded"
            ));
        }
    }
}

/// Says what of a log is not in the record in one place.
fn lost_words(of: &AttemptRef, len: u64) -> String {
    match len {
        UNKNOWN_LOSS => format!("roboppi: {of}: {}", missing_words(len, true)),
        len => format!("roboppi: {len} bytes of {of} were not recorded"),
    }
}

/// Says what is wrong with a log.
pub(crate) fn say_damage(of: &AttemptRef, damage: &[LogDamage]) {
    for one in damage.iter().take(MOST as usize) {
        terminal::say(&format!("error: the log of {} is damaged: {one}", terminal::plain(&of.to_string())));
    }
    if let Some(more) = damage.len().checked_sub(MOST as usize).filter(|more| *more > 0) {
        terminal::say(&format!("error: and it is damaged in {more} more places"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_gaps_are_counted_and_not_listed() {
        let of = AttemptRef { step: "a".into(), iteration: 1, attempt: 1 };
        let mut said = Vec::new();
        let mut missing = Missing::default();
        for _ in 0..300 {
            missing.add(&of, 10, |text| said.push(text.to_owned()));
        }
        missing.finish(&of, |text| said.push(text.to_owned()));
        assert_eq!(said.len(), 6, "{said:?}");
        assert!(said[5].contains("295 more places") && said[5].contains("3000 bytes"), "{said:?}");
    }
}
