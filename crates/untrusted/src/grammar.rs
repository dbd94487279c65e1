//! What an escape sequence is: where it ends, and what it is made of.

/// What an escape sequence begins with.
pub(crate) const ESC: u8 = b'\x1b';

/// What begins with ESC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// A control sequence (CSI). [`control`] reads the rest of it.
    Control,
    /// A control string. [`StringEnds`] finds the end of it.
    String,
    /// Another sequence, with so many bytes behind ESC.
    Other(usize),
}

/// Bytes of the introducers of [`Escape::Control`] and [`Escape::String`] behind ESC.
pub(crate) const INTRODUCER: usize = 1;

/// What begins with an ESC that has `behind` behind it.
#[inline]
pub(crate) fn escape(behind: &[u8]) -> Escape {
    match behind.first() {
        Some(b'[') => Escape::Control,
        Some(b']' | b'P' | b'X' | b'^' | b'_') => Escape::String,
        _ => {
            let middle = behind.iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
            let last = behind.get(middle).is_some_and(|byte| (0x30..0x7f).contains(byte));
            Escape::Other(middle + usize::from(last))
        }
    }
}

/// A control sequence behind its introducer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// Bytes of its parameters.
    pub(crate) parameters: usize,
    /// The parameters are standardized: digits, `:` and `;`.
    pub(crate) is_standard: bool,
    /// The byte behind them that says what it does. A sequence that is not complete, because of a byte that cannot belong
    /// to it, ends with its parameters.
    pub(crate) action: Option<u8>,
}

impl Sequence {
    /// Bytes of all of it.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.parameters + usize::from(self.action.is_some())
    }
}

/// The control sequence that has `behind` behind its introducer.
#[inline]
pub(crate) fn control(behind: &[u8]) -> Sequence {
    let (mut parameters, mut is_standard) = (0, true);
    loop {
        match behind.get(parameters) {
            Some(b'0'..=b';') => {}
            Some(b' '..=b'?') => is_standard = false,
            action => {
                let action = action.copied().filter(|byte| (0x40..0x7f).contains(byte));
                return Sequence { parameters, is_standard, action };
            }
        }
        parameters += 1;
    }
}

/// Finds the ends of the control strings of one text, front to back. Remembers where there is none: a text full of strings
/// without an end is searched once.
#[derive(Clone, Debug)]
pub(crate) struct StringEnds {
    /// No string ends before only so many bytes are left.
    endless: usize,
}

impl StringEnds {
    pub(crate) const fn new() -> Self {
        Self { endless: usize::MAX }
    }

    /// The length of a string behind its introducer, with its end: BEL or ST, in the same line. `None` for one without an end.
    /// `behind` reaches to the end of the text.
    pub(crate) fn find(&mut self, behind: &[u8]) -> Option<usize> {
        if behind.len() >= self.endless {
            return None;
        }
        for (at, byte) in behind.iter().enumerate() {
            match (byte, behind.get(at + 1)) {
                (b'\x07', _) => return Some(at + 1),
                (b'\x1b', Some(b'\\')) | (b'\xc2', Some(b'\x9c')) => return Some(at + 2),
                (b'\n', _) => {
                    self.endless = behind.len() - at;
                    return None;
                }
                _ => {}
            }
        }
        self.endless = 0;
        None
    }
}

/// How much a string without an end would swallow, behind its introducer: up to the next ESC, or the end of the line.
pub(crate) fn endless_len(behind: &[u8]) -> usize {
    behind.iter().position(|byte| matches!(byte, b'\n' | b'\x1b')).unwrap_or(behind.len())
}
