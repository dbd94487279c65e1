//! Says what of a log is not there.

use roboppi_record::{LogDamage, UNKNOWN_LOSS};
use roboppi_run::{AttemptRef, missing_words};
use roboppi_untrusted::first_words;

/// Gaps of one log that are noted one by one, and damaged places.
const MOST: u32 = 5;

/// The gaps of one log. The first ones are noted where they are, and of many how many there are.
#[derive(Debug, Default)]
pub(super) struct Missing {
    gaps: u32,
    bytes: u64,
}

impl Missing {
    /// There are `len` bytes missing.
    pub(super) fn add(&mut self, of: &AttemptRef, len: u64, note: impl FnOnce(&str)) {
        self.gaps += 1;
        self.bytes += len;
        if self.gaps <= MOST {
            note(&lost_words(of, len));
        }
    }

    /// Nothing more of the log comes.
    pub(super) fn finish(&self, of: &AttemptRef, note: impl FnOnce(&str)) {
        if let Some(more) = self.gaps.checked_sub(MOST).filter(|more| *more > 0) {
            let Self { gaps, bytes } = self;
            note(&format!(
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
pub(super) fn note_damage(of: &AttemptRef, damage: &[LogDamage], note: impl Fn(&str)) {
    for one in damage.iter().take(MOST as usize) {
        note(&format!("error: the log of {} is damaged: {one}", first_words(&of.to_string())));
    }
    if let Some(more) = damage.len().checked_sub(MOST as usize).filter(|more| *more > 0) {
        note(&format!("error: and it is damaged in {more} more places"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_gaps_are_counted_and_not_listed() {
        let of = AttemptRef::first("a".into());
        let mut noted = Vec::new();
        let mut missing = Missing::default();
        for _ in 0..300 {
            missing.add(&of, 10, |text| noted.push(text.to_owned()));
        }
        missing.finish(&of, |text| noted.push(text.to_owned()));
        assert_eq!(noted.len(), 6, "{noted:?}");
        assert!(noted[5].contains("295 more places") && noted[5].contains("3000 bytes"), "{noted:?}");
    }
}
