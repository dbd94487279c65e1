//! Notices a worker that prints the same block again and again, as a program does that asks its question of nobody,
//! for ever. Pure, and bounded in memory and time: once in a while it looks whether the last bytes were there
//! before, and only then compares what follows.

use std::fmt;

use memchr::{memchr, memmem};

/// Bytes of the longest block that is noticed.
const LONGEST_BLOCK: usize = 16 * 1024;

/// Bytes of repetition from which it is told.
const ENOUGH_BYTES: u64 = 256 * 1024;

/// Repetitions from which it is told.
const ENOUGH_TIMES: u64 = 100;

/// Bytes that are looked for in what came before.
const NEEDLE: usize = 64;

/// Bytes of output until the first look; until the next ones twice as many each time, up to the last number here.
const LOOKS: [u64; 2] = [16 * 1024, 256 * 1024];

/// Bytes that are remembered.
const KEPT: usize = LONGEST_BLOCK + NEEDLE;

/// Characters of a block that are shown.
const SHOWN: usize = 60;

/// One stream of a worker, as far as it repeats itself.
#[derive(Debug)]
pub(super) struct Repetition {
    /// The last bytes, at least [`KEPT`] of them once so many came.
    recent: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next look is due after `wait` bytes, of which `left` are to come.
    Looking { wait: u64, left: u64 },
    /// For `bytes` by now everything was as it was `distance` before. The block is known once it matters.
    Following { distance: usize, bytes: u64, block: Option<usize>, wait: u64 },
    /// Once is enough.
    Reported,
}

/// What is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// The block, from the beginning of a line if it has one.
    block: Vec<u8>,
    times: u64,
}

impl Default for Repetition {
    fn default() -> Self {
        Self { recent: Vec::new(), state: State::Looking { wait: LOOKS[0], left: LOOKS[0] } }
    }
}

impl Repetition {
    /// Takes the next bytes of the stream. Says, once, that it has repeated itself for long enough.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Repeated> {
        match &mut self.state {
            State::Reported => return None,
            State::Following { distance, bytes: same, wait, .. } => {
                if repeats(&self.recent, bytes, *distance) {
                    *same += bytes.len() as u64;
                } else {
                    let wait = (*wait * 2).min(LOOKS[1]);
                    self.state = State::Looking { wait, left: wait };
                }
                self.remember(bytes);
                let repeated = self.judge();
                if repeated.is_some() {
                    *self = Self { recent: Vec::new(), state: State::Reported };
                }
                return repeated;
            }
            State::Looking { left, .. } => *left = left.saturating_sub(bytes.len() as u64),
        }
        self.remember(bytes);
        if let State::Looking { wait, left: 0 } = self.state {
            self.look(wait);
        }
        None
    }

    fn remember(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(KEPT)..];
        if new.len() < bytes.len() {
            self.recent.clear();
        }
        if self.recent.len() + new.len() > 2 * KEPT {
            let old = KEPT.saturating_sub(new.len()).min(self.recent.len());
            self.recent.drain(..self.recent.len() - old);
        }
        self.recent.extend_from_slice(new);
    }

    /// Looks whether the last bytes were there before. Where they were first is a multiple of the block away.
    fn look(&mut self, wait: u64) {
        let recent = &self.recent[self.recent.len().saturating_sub(KEPT)..];
        let needle = recent.len().saturating_sub(NEEDLE);
        let before = recent.len().saturating_sub(1);
        self.state = match memmem::find(&recent[..before], &recent[needle..]) {
            Some(at) => {
                let distance = needle - at;
                State::Following { distance, bytes: distance as u64, block: None, wait }
            }
            None => {
                let wait = (wait * 2).min(LOOKS[1]);
                State::Looking { wait, left: wait }
            }
        };
    }

    fn judge(&mut self) -> Option<Repeated> {
        let State::Following { distance, bytes, block, .. } = &mut self.state else { return None };
        if *bytes < ENOUGH_BYTES {
            return None;
        }
        let two = &self.recent[self.recent.len().saturating_sub(2 * *distance)..];
        let block = *block.get_or_insert_with(|| smallest_period(two));
        let times = *bytes / block as u64;
        if times < ENOUGH_TIMES {
            return None;
        }
        let last = &self.recent[self.recent.len().saturating_sub(2 * block)..];
        let start = memchr(b'\n', &last[..last.len() - block]).map_or(0, |at| at + 1);
        Some(Repeated { block: last[start..start + block].to_vec(), times })
    }
}

/// Whether each of `bytes`, which follow `before`, is what it was `distance` earlier.
fn repeats(before: &[u8], bytes: &[u8], distance: usize) -> bool {
    let (early, late) = bytes.split_at(bytes.len().min(distance));
    let old = &before[before.len() - distance..];
    old.starts_with(early) && late == &bytes[..late.len()]
}

/// The least distance at which a text, which is not empty, is always the same.
fn smallest_period(text: &[u8]) -> usize {
    // Length of the longest proper beginning of each prefix that is its end as well.
    let mut borders = vec![0_usize; text.len()];
    let mut border = 0;
    for at in 1..text.len() {
        while border > 0 && text[at] != text[border] {
            border = borders[border - 1];
        }
        border += usize::from(text[at] == text[border]);
        borders[at] = border;
    }
    text.len() - border
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.block);
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        write!(
            f,
            "it prints the same {} bytes again and again, {} times by now, as if it waited for an answer: {shown:?}{more}",
            self.block.len(),
            self.times
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a text that comes in pieces of a length, and after how many bytes.
    fn told(text: &[u8], piece: usize) -> Option<(String, usize)> {
        let mut repetition = Repetition::default();
        let mut all = Vec::new();
        for (at, bytes) in text.chunks(piece).enumerate() {
            all.extend(repetition.push(bytes).map(|repeated| (repeated.to_string(), at * piece)));
            assert!(repetition.recent.len() <= 2 * KEPT);
        }
        assert!(all.len() <= 1, "{all:?}");
        all.pop()
    }

    #[test]
    fn a_prompt_without_an_end_is_told_once() {
        let prompt = b"Overwrite? [y/n] \nPlease answer y or n.\n";
        let text = [b"Some beginning.\n".as_slice(), &prompt.repeat(40_000)].concat();
        for piece in [1, 7, prompt.len(), 4096, 65_536] {
            let (said, after) = told(&text, piece).unwrap();
            assert!(said.contains("the same 40 bytes"), "{said}");
            let shown = said.ends_with("\"Overwrite? [y/n] \\nPlease answer y or n.\\n\"")
                || said.ends_with("\"Please answer y or n.\\nOverwrite? [y/n] \\n\"");
            assert!(shown, "{said}");
            assert!(after < 1024 * 1024, "{piece}: {after}");
        }
    }

    #[test]
    fn pieces_of_any_lengths_are_one_stream() {
        let text = b"Overwrite? [y/n]\n".repeat(100_000);
        let mut repetition = Repetition::default();
        let (mut rest, mut length, mut all) = (text.as_slice(), 1, Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(length));
            all.extend(repetition.push(piece).map(|repeated| repeated.block.len()));
            // Short ones and long ones in turn.
            (rest, length) = (after, (length * 7_919) % 65_537);
        }
        assert_eq!(all, [17]);
    }

    #[test]
    fn blocks_of_any_length_up_to_the_longest() {
        for length in [1, 2, 63, 64, 65, 1_000, LONGEST_BLOCK] {
            let block: Vec<u8> = (0..length).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect();
            let (said, _) = told(&block.repeat(4 * 1024 * 1024 / length), 10_000).unwrap();
            assert!(said.contains(&format!("the same {length} bytes")), "{said}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_not_told() {
        let counted: Vec<u8> =
            (0..200_000).flat_map(|at| format!("{at} of 200000 done\n").into_bytes()).collect();
        assert_eq!(told(&counted, 4096), None);
        // The same for a long time, but not for ever; then something else, and the same again.
        let dots = [vec![b'.'; 200_000], b"\n".to_vec()].concat().repeat(10);
        assert_eq!(told(&dots, 1000), None);
        let long_blocks: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>().repeat(4);
        assert_eq!(told(&long_blocks, 4096), None, "too long to be noticed");
        assert_eq!(told(&b"y\n".repeat(10_000), 2), None, "too little to matter");
    }

    #[test]
    fn a_loop_that_begins_late_is_told() {
        let lines: Vec<u8> = (0..300_000).flat_map(|at| format!("line {at}\n").into_bytes()).collect();
        let text = [lines.as_slice(), &b"Retry?\n".repeat(300_000)].concat();
        let (said, after) = told(&text, 65_536).unwrap();
        assert!(said.contains("\"Retry?\\n\"") && after > lines.len(), "{said}");
    }

    #[test]
    fn control_characters_are_shown_as_what_they_are() {
        let (said, _) = told(&b"\x1b[31m?\x07".repeat(100_000), 4096).unwrap();
        assert!(!said.contains('\x1b') && said.contains("\\u{1b}"), "{said}");
    }
}
