//! Cuts the bytes of a log into lines.

use memchr::memchr;
use roboppi_ipc::OutputStream;

use roboppi_untrusted::last_state_start;

/// Room for the beginning of a line that is kept once it is handed on; what a longer one took is given back.
const ROOM: usize = 64 * 1024;

/// A line of a log, without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutLine<'a> {
    /// Stream its first byte came from.
    pub(super) stream: OutputStream,
    /// What it holds.
    pub(super) bytes: &'a [u8],
}

/// Cuts bytes into lines and holds an incomplete one back. A line that is whole in what is pushed is not copied.
#[derive(Debug)]
pub(super) struct LineCutter {
    /// The beginning of a line, if there is a `stream`.
    held: Vec<u8>,
    /// Where the line that is held back came from.
    stream: Option<OutputStream>,
    longest: usize,
    /// Something of the line that is held back was handed on before its end.
    continues: bool,
}

impl LineCutter {
    /// A line longer than `longest` bytes is cut into pieces, after what carriage returns overwrote was
    /// dropped.
    pub(super) fn new(longest: usize) -> Self {
        Self { held: Vec::new(), stream: None, longest: longest.max(1), continues: false }
    }

    /// Takes bytes of one stream and hands on every line they complete.
    pub(super) fn push(&mut self, stream: OutputStream, bytes: &[u8], mut line: impl FnMut(CutLine<'_>)) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (text, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            // Nothing but the end of what was handed on before.
            let is_end_alone = std::mem::take(&mut self.continues) && text.is_empty() && self.held.is_empty();
            if self.stream.is_some() {
                self.held.extend_from_slice(text);
                self.finish(&mut line);
            } else if !is_end_alone {
                line(CutLine { stream, bytes: text });
            }
        }
        if !rest.is_empty() {
            self.hold(stream, rest, line);
        }
    }

    /// Holds back bytes without a newline.
    fn hold(&mut self, stream: OutputStream, bytes: &[u8], line: impl FnMut(CutLine<'_>)) {
        self.stream.get_or_insert(stream);
        self.held.extend_from_slice(bytes);
        if self.held.len() > self.longest {
            self.held.drain(..last_state_start(&self.held));
            if self.held.len() > self.longest {
                self.finish(line);
            }
        }
    }

    /// Bytes of the line that is held back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Hands on what is held back although the line may go on: its rest is a line of its own, unless it is empty.
    pub(super) fn hand_on(&mut self, line: impl FnMut(CutLine<'_>)) {
        if !self.held.is_empty() {
            self.finish(line);
            self.continues = true;
        }
    }

    /// Hands on what was held back: nothing more comes.
    pub(super) fn finish(&mut self, mut line: impl FnMut(CutLine<'_>)) {
        if let Some(stream) = self.stream.take() {
            line(CutLine { stream, bytes: &self.held });
            self.held.clear();
            self.held.shrink_to(ROOM);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAMS: [OutputStream; 2] = [OutputStream::Stdout, OutputStream::Stderr];

    /// What happens to a cutter.
    #[derive(Clone, Debug)]
    enum Doing {
        Push(usize, Vec<u8>),
        HandOn,
    }

    fn doing() -> impl Strategy<Value = Doing> {
        let bytes = prop::collection::vec(prop::sample::select(b"abc \r\n\n".as_slice()), 0..12);
        prop_oneof![
            4 => (0..2_usize, bytes).prop_map(|(stream, bytes)| Doing::Push(stream, bytes)),
            1 => Just(Doing::HandOn),
        ]
    }

    /// One byte after the other.
    fn model(doings: &[Doing], longest: usize) -> Vec<(OutputStream, Vec<u8>)> {
        let mut lines = Vec::new();
        let mut held: Option<(OutputStream, Vec<u8>)> = None;
        let mut continues = false;
        for doing in doings {
            match doing {
                Doing::HandOn => {
                    continues |= held.is_some();
                    lines.extend(held.take());
                }
                Doing::Push(stream, bytes) => {
                    for byte in bytes {
                        let (_, text) = held.get_or_insert((STREAMS[*stream], Vec::new()));
                        if *byte != b'\n' {
                            text.push(*byte);
                        } else {
                            let is_end_alone = std::mem::take(&mut continues) && text.is_empty();
                            lines.extend(held.take().filter(|_| !is_end_alone));
                        }
                    }
                    if let Some((_, text)) = held.as_mut().filter(|(_, text)| text.len() > longest) {
                        text.drain(..last_state_start(text));
                        lines.extend(held.take_if(|(_, text)| text.len() > longest));
                    }
                }
            }
        }
        lines.extend(held);
        lines
    }

    proptest! {
        #[test]
        fn any_way_of_cutting_gives_the_lines_of_the_model(
            doings in prop::collection::vec(doing(), 0..20),
            longest in 1..30_usize,
        ) {
            let mut cutter = LineCutter::new(longest);
            let mut lines = Vec::new();
            let mut line = |line: CutLine<'_>| lines.push((line.stream, line.bytes.to_vec()));
            for doing in &doings {
                match doing {
                    Doing::Push(stream, bytes) => cutter.push(STREAMS[*stream], bytes, &mut line),
                    Doing::HandOn => cutter.hand_on(&mut line),
                }
                assert!(cutter.held() <= longest);
            }
            cutter.finish(&mut line);
            prop_assert_eq!(lines, model(&doings, longest));
        }
    }

    #[test]
    fn what_a_long_line_took_is_given_back() {
        let mut cutter = LineCutter::new(usize::MAX);
        cutter.push(OutputStream::Stdout, &vec![b'x'; 10 * ROOM], |_| {});
        cutter.push(OutputStream::Stdout, b"\n", |line| assert_eq!(line.bytes.len(), 10 * ROOM));
        assert!(cutter.held.capacity() <= ROOM);
    }
}
