//! Bytes from a terminal, taken apart into keys and what the mouse did.
//!
//! A terminal sends what looks like a stream of characters; everything else comes as escape sequences,
//! and a read may end anywhere inside one. The decoder is given bytes as they come and never waits. Whoever
//! reads tells it with [`Decoder::settle`] when nothing followed for a while: only then a lone ESC is the
//! Escape key. What is pasted is not taken for keys.

use std::time::Duration;

use crate::keymap::Key;
use crate::mouse::Mouse;

/// Something a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Key(Key),
    Mouse(Mouse),
}

impl From<Key> for Input {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

/// Bytes a sequence may have; longer ones are none of ours and are skipped.
const LONGEST: usize = 64;

/// Turns bytes into inputs.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Bytes that are no input yet.
    rest: Vec<u8>,
    pasting: bool,
}

/// What the beginning of some bytes is.
enum Start {
    /// An input or nothing known, and how many bytes it took.
    Done(Option<Input>, usize),
    /// The beginning of more.
    More,
}

impl Decoder {
    /// Takes bytes and appends the inputs they make.
    pub(crate) fn feed(&mut self, bytes: &[u8], inputs: &mut Vec<Input>) {
        self.rest.extend_from_slice(bytes);
        let mut taken = 0;
        loop {
            let rest = &self.rest[taken..];
            if self.pasting {
                const END: &[u8] = b"\x1b[201~";
                match memchr::memmem::find(rest, END) {
                    Some(at) => {
                        self.pasting = false;
                        taken += at + END.len();
                        continue;
                    }
                    None => {
                        // The end may be split between two reads.
                        taken += rest.len().saturating_sub(END.len() - 1);
                        break;
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
            match start(rest) {
                Start::Done(input, len) => {
                    self.pasting = rest.starts_with(b"\x1b[200~");
                    inputs.extend(input);
                    taken += len;
                }
                Start::More if rest.len() > LONGEST => taken = self.rest.len(),
                Start::More => break,
            }
        }
        self.rest.drain(..taken);
    }

    /// How long it must be quiet before [`Decoder::settle`]; `None` when nothing waits for more.
    pub(crate) fn patience(&self) -> Option<Duration> {
        if self.pasting {
            Some(Duration::from_millis(500))
        } else if self.rest.is_empty() {
            None
        } else {
            Some(Duration::from_millis(50))
        }
    }

    /// Nothing more came: what waits is taken for what it is by itself. A paste whose end was lost ends, so
    /// that the keyboard is not dead for ever.
    pub(crate) fn settle(&mut self, inputs: &mut Vec<Input>) {
        let pasting = std::mem::take(&mut self.pasting);
        if std::mem::take(&mut self.rest).first() == Some(&0x1b) && !pasting {
            inputs.push(Key::Esc.into());
        }
    }
}

impl Start {
    fn key(key: Option<Key>, len: usize) -> Self {
        Self::Done(key.map(Input::Key), len)
    }
}

fn start(bytes: &[u8]) -> Start {
    match bytes[0] {
        0x1b => match bytes.get(1) {
            None => Start::More,
            Some(b'[') => csi(bytes),
            Some(b'O') => match bytes.get(2) {
                None => Start::More,
                Some(last) => Start::key(final_key(*last), 3),
            },
            // Twice Escape.
            Some(0x1b) => Start::key(Some(Key::Esc), 1),
            // With Alt; no such key has a meaning.
            Some(_) => match start(&bytes[1..]) {
                Start::Done(_, len) => Start::Done(None, 1 + len),
                Start::More => Start::More,
            },
        },
        b'\r' | b'\n' => Start::key(Some(Key::Enter), 1),
        b'\t' => Start::key(Some(Key::Tab), 1),
        0x08 | 0x7f => Start::key(Some(Key::Backspace), 1),
        control @ 1..=26 => Start::key(Some(Key::Ctrl(char::from(b'a' + control - 1))), 1),
        0 => Start::key(Some(Key::Ctrl('@')), 1),
        0x1c..=0x1f => Start::Done(None, 1),
        first => character(first, bytes),
    }
}

/// `ESC [ parameters final`.
fn csi(bytes: &[u8]) -> Start {
    let Some(end) = bytes[2..].iter().position(|byte| !(0x20..=0x3f).contains(byte)) else {
        return Start::More;
    };
    let end = end + 2;
    let parameters = &bytes[2..end];
    // The first function keys of a console: `ESC [ [ A`.
    if bytes[end] == b'[' && parameters.is_empty() {
        return match bytes.get(end + 1) {
            None => Start::More,
            Some(last) => Start::key((*last == b'A').then_some(Key::F1), end + 2),
        };
    }
    // A byte that cannot end a sequence is looked at afresh.
    let len = if (0x40..=0x7e).contains(&bytes[end]) { end + 1 } else { end };
    let key = match bytes[end] {
        b'M' if parameters.is_empty() => return old_mouse(bytes),
        last @ (b'M' | b'm') if parameters.first() == Some(&b'<') => {
            return Start::Done(mouse(&parameters[1..], last == b'm').map(Input::Mouse), len);
        }
        b'~' => match parameters.split(|byte| *byte == b';').next() {
            Some(b"1" | b"7") => Some(Key::Home),
            Some(b"4" | b"8") => Some(Key::End),
            Some(b"5") => Some(Key::PageUp),
            Some(b"6") => Some(Key::PageDown),
            Some(b"11") => Some(Key::F1),
            _ => None,
        },
        b'Z' => Some(Key::BackTab),
        // A report of the terminal (`ESC [ ? … c`) is no key.
        last if parameters.first().is_none_or(u8::is_ascii_digit) => final_key(last),
        _ => None,
    };
    Start::key(key, len)
}

/// `number ; column ; row`.
fn mouse(parameters: &[u8], released: bool) -> Option<Mouse> {
    let mut numbers = std::str::from_utf8(parameters).ok()?.split(';').map(|text| text.parse().ok());
    let (number, column, row) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Mouse::reported(number, column, row, released)
}

/// `ESC [ M` and three bytes, from terminals that do not know the longer form.
fn old_mouse(bytes: &[u8]) -> Start {
    let Some([number, column, row]) = bytes.get(3..6) else { return Start::More };
    let [number, column, row] = [*number, *column, *row].map(|byte| u16::from(byte.saturating_sub(32)));
    // It does not say which button was released.
    let (number, released) = if number & 0b11 == 3 { (number & !0b11, true) } else { (number, false) };
    Start::Done(Mouse::reported(number, column, row, released).map(Input::Mouse), 6)
}

const fn final_key(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'F' => Some(Key::End),
        b'H' => Some(Key::Home),
        b'M' => Some(Key::Enter),
        b'P' => Some(Key::F1),
        _ => None,
    }
}

fn character(first: u8, bytes: &[u8]) -> Start {
    let len = match first {
        ..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Start::Done(None, 1),
    };
    let have = &bytes[..len.min(bytes.len())];
    match std::str::from_utf8(have) {
        Ok(text) => Start::key(text.chars().next().filter(|char| !char.is_control()).map(Key::Char), len),
        Err(error) if error.error_len().is_none() && have.len() < len => Start::More,
        Err(_) => Start::Done(None, 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Position;

    use super::*;
    use crate::mouse::MouseAction;

    fn inputs(bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut decoder = Decoder::default();
        decoder.feed(bytes, &mut inputs);
        decoder.settle(&mut inputs);
        inputs
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let key = |input| match input {
            Input::Key(key) => Some(key),
            Input::Mouse(_) => None,
        };
        inputs(bytes).into_iter().filter_map(key).collect()
    }

    #[test]
    fn the_mouse_is_no_key() {
        let at = |action, x, y| Input::Mouse(Mouse { action, at: Position::new(x, y), ctrl: false });
        let cases: [(&[u8], &[Input]); 8] = [
            (b"\x1b[<0;3;2M", &[at(MouseAction::Press, 2, 1)]),
            (b"\x1b[<0;3;2m", &[at(MouseAction::Release, 2, 1)]),
            (
                b"\x1b[<32;301;2M\x1b[<64;1;1M",
                &[at(MouseAction::Drag, 300, 1), at(MouseAction::WheelUp, 0, 0)],
            ),
            (b"\x1b[<0;3M\x1b[<;;M\x1b[<99999999;1;1Mj", &[Key::Char('j').into()]),
            (b"\x1b[M #\"", &[at(MouseAction::Press, 2, 1)]),
            (b"\x1b[M##\"j", &[at(MouseAction::Release, 2, 1), Key::Char('j').into()]),
            (b"\x1b[M`!!", &[at(MouseAction::WheelUp, 0, 0)]),
            (b"\x1b[<2;3;2M\x1b[<35;3;2M", &[]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(inputs(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn keys_of_common_terminals() {
        let cases: [(&[u8], &[Key]); 27] = [
            (b"q", &[Key::Char('q')]),
            (b"\x1bOP\x1b[11~\x1b[[A\x1b[[Bq", &[Key::F1, Key::F1, Key::F1, Key::Char('q')]),
            ("ü漢".as_bytes(), &[Key::Char('ü'), Key::Char('漢')]),
            (b"\x03", &[Key::Ctrl('c')]),
            (b"\r", &[Key::Enter]),
            (b"\t\x1b[Z", &[Key::Tab, Key::BackTab]),
            (b"\x7f", &[Key::Backspace]),
            (b"\x1b", &[Key::Esc]),
            (b"\x1b\x1b", &[Key::Esc, Key::Esc]),
            (b"\x1b[A\x1b[B", &[Key::Up, Key::Down]),
            (b"\x1bOC\x1bOD", &[Key::Right, Key::Left]),
            (b"\x1b[1;5A", &[Key::Up]),
            (b"\x1b[5~\x1b[6~", &[Key::PageUp, Key::PageDown]),
            (b"\x1b[H\x1b[F", &[Key::Home, Key::End]),
            (b"\x1b[1~\x1b[4~", &[Key::Home, Key::End]),
            (b"\x1bOH", &[Key::Home]),
            (b"\x1b[7~\x1b[8~", &[Key::Home, Key::End]),
            (b"\x1b[15~", &[]),
            (b"\x1bq", &[]),
            (b"\x1b[?1;2c", &[]),
            (b"\x1b[2", &[Key::Esc]),
            (b"\x1b[200~qy\x03\x1b[201~j", &[Key::Char('j')]),
            (b"\x1b[200~qy", &[]),
            (b"\xff\xc3j", &[Key::Char('j')]),
            (b"\x00\x1c", &[Key::Ctrl('@')]),
            (b"\x1b[\x03", &[Key::Ctrl('c')]),
            (b"\x1b[I\x1b[O", &[]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(keys(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_interrupt_gets_through_a_broken_sequence() {
        let mut found = Vec::new();
        let mut decoder = Decoder::default();
        decoder.feed(&[b"\x1b[".as_slice(), &[b'1'; 200]].concat(), &mut found);
        decoder.feed(b"\x03", &mut found);
        assert_eq!(found, [Key::Ctrl('c').into()]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            bytes in prop::collection::vec(prop_oneof![
                any::<u8>(), Just(0x1b), Just(b'['), Just(b'~'), Just(b'2'), Just(b'0'), Just(b'1'), Just(b'M'), Just(b'<'), Just(b';'),
            ], 0..60),
            cut in 0usize..60,
        ) {
            let cut = cut.min(bytes.len());
            let mut split = Vec::new();
            let mut decoder = Decoder::default();
            decoder.feed(&bytes[..cut], &mut split);
            decoder.feed(&bytes[cut..], &mut split);
            decoder.settle(&mut split);
            prop_assert_eq!(split, inputs(&bytes));
        }
    }
}
