//! Compares long patterns with a text at many places, each byte of the text once.
//!
//! This is the Z algorithm, for places that come one by one: what was compared at one place is known at the next one
//! that overlaps it, from how the pattern repeats itself.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use zeroize::Zeroizing;

/// Bytes of a pattern up to which comparing it anew at every place is cheap.
pub(crate) const LONG: usize = 256;

/// Bytes to find, and how they repeat themselves.
pub(crate) struct Pattern {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Of a long one, once it was needed.
    pub(crate) repeats: OnceLock<Repeats>,
}

impl Pattern {
    pub(crate) fn is_long(&self) -> bool {
        self.bytes.len() > LONG
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// For each place in a pattern, how many bytes from there on are those of its beginning.
pub(crate) struct Repeats(Box<[u32]>);

impl Repeats {
    fn of(pattern: &[u8]) -> Self {
        let mut lengths = vec![0_u32; pattern.len()];
        // The stretch that reached furthest, and where it began.
        let (mut start, mut end) = (0, 0);
        for at in 1..pattern.len() {
            let mut length = if at < end { (end - at).min(lengths[at - start] as usize) } else { 0 };
            if at + length >= end {
                length += same(&pattern[at + length..], &pattern[length..]);
                (start, end) = (at, at + length);
            }
            lengths[at] = u32::try_from(length).unwrap_or(u32::MAX);
        }
        Self(lengths.into())
    }
}

/// The comparisons of one search.
pub(crate) struct Walks<'a> {
    text: &'a [u8],
    walks: BTreeMap<usize, Walk>,
}

/// A stretch of the text that is the beginning of a pattern.
#[derive(Clone, Copy)]
struct Walk {
    start: usize,
    end: usize,
}

impl<'a> Walks<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, walks: BTreeMap::new() }
    }

    /// How many bytes of a pattern, which is known by `id`, are at this place. The places of one pattern rise.
    pub(crate) fn length_at(&mut self, place: usize, id: usize, pattern: &Pattern) -> usize {
        let bytes = pattern.bytes.as_slice();
        let walk = self.walks.entry(id).or_insert(Walk { start: place, end: place });
        let mut known = 0;
        if place < walk.end {
            known = walk.end - place;
            // Within the pattern, since what it is about was equal to it.
            let shift = place - walk.start;
            if shift > 0 {
                let repeats = pattern.repeats.get_or_init(|| Repeats::of(bytes));
                let repeated = repeats.0[shift] as usize;
                if repeated < known {
                    return repeated;
                }
            }
        }
        let length = known + same(&self.text[place + known..], &bytes[known..]);
        if place + length > walk.end {
            *walk = Walk { start: place, end: place + length };
        }
        length
    }
}

/// How many bytes both begin with.
pub(crate) fn same(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 32;

    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK)).take_while(|(a, b)| a == b).count();
    let from = blocks * BLOCK;
    from + a[from..].iter().zip(&b[from..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_walk_finds_what_comparing_finds(
            pattern in "[ab]{1,40}|(ab){1,20}|a{1,40}b?",
            text in "[ab]{0,120}|(ab){0,60}a{0,60}|a{0,120}",
            skipped in proptest::collection::vec(any::<bool>(), 200),
        ) {
            let (pattern, text) = (pattern.into_bytes(), text.into_bytes());
            let known = Pattern { bytes: Zeroizing::new(pattern.clone()), repeats: OnceLock::new() };
            let mut walks = Walks::new(&text);
            for place in (0..text.len()).filter(|place| !skipped[*place]) {
                let plain = text[place..].iter().zip(&pattern).take_while(|(a, b)| a == b).count();
                prop_assert_eq!(walks.length_at(place, 7, &known), plain, "at {}", place);
            }
        }
    }

    #[test]
    fn blocks_and_what_is_between_them() {
        for length in [0, 1, 31, 32, 33, 64, 65] {
            let mut other = vec![b'x'; 70];
            other[length] = b'y';
            assert_eq!(same(&[b'x'; 66], &other), length);
        }
        assert_eq!(same(b"abc", b"ab"), 2);
    }
}
