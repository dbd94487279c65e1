//! Other ways the same output may arrive: in pieces, cut off, with lines in between.

use std::fmt;

use roboppi_ipc::{Frame, LineFramer, OutputStream};

/// Recorded output: what was printed where, in its order.
pub(super) type Chunks = [(OutputStream, Vec<u8>)];

/// More cuts than this are thinned out evenly: the work grows with the square of the length.
const MOST_CUTS: usize = 300;

/// Every chunk in pieces of `size` bytes; the order of the streams stays.
pub(super) fn pieces(chunks: &Chunks, size: usize) -> Vec<(OutputStream, Vec<u8>)> {
    chunks
        .iter()
        .flat_map(|(stream, bytes)| bytes.chunks(size).map(|piece| (*stream, piece.to_vec())))
        .collect()
}

/// Lines that belong to no program, between the lines of the transcript.
pub(super) fn with_odd_lines(chunks: &Chunks) -> Vec<(OutputStream, Vec<u8>)> {
    let odd: [&[u8]; 7] =
        [b"", b"\xff\xfe", b"{", b"null", b"{\"type\":\"hologram\",\"id\":[1]}", b"{\"type\":7}", b"[[[[[["];
    let mut out = Vec::new();
    let mut unfinished = [false, false];
    for (stream, bytes) in chunks {
        let in_line = &mut unfinished[*stream as usize];
        let mut mixed = Vec::new();
        let add = |mixed: &mut Vec<u8>| {
            for line in odd {
                mixed.extend_from_slice(line);
                mixed.push(b'\n');
            }
        };
        if !*in_line {
            add(&mut mixed);
        }
        let mut framer = LineFramer::new(crate::LINE_LIMIT);
        framer.push(bytes, |frame| {
            if let Frame::Line(line) = frame {
                mixed.extend_from_slice(line);
                mixed.push(b'\n');
                add(&mut mixed);
            }
        });
        mixed.extend_from_slice(framer.incomplete());
        *in_line = !framer.incomplete().is_empty() || (*in_line && !bytes.contains(&b'\n'));
        out.push((*stream, mixed));
    }
    out
}

/// A place where output may end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    chunk: usize,
    bytes: usize,
    /// Lines of standard output that are all there.
    pub(super) lines: usize,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines, at byte {} of chunk {}", self.lines, self.bytes, self.chunk)
    }
}

/// The output up to a cut.
pub(super) fn before(chunks: &Chunks, cut: &Cut) -> Vec<(OutputStream, Vec<u8>)> {
    let mut out = chunks[..=cut.chunk].to_vec();
    if let Some((_, last)) = out.last_mut() {
        last.truncate(cut.bytes);
    }
    out
}

/// Before each line, after its first byte, in its middle, before its last byte, before its newline, and at the very end.
pub(super) fn everywhere(chunks: &Chunks) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (chunk, (_, bytes)) in chunks.iter().enumerate() {
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line).len();
            for offset in [0, 1, text / 2, text.saturating_sub(1), text] {
                cuts.push((chunk, start + offset.min(text)));
            }
            start += line.len();
        }
        cuts.push((chunk, bytes.len()));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let step = cuts.len().div_ceil(MOST_CUTS).max(1);
    // Counted from the end, so that the last lines are always among them.
    let mut kept: Vec<_> = cuts.into_iter().rev().step_by(step).collect();
    kept.reverse();
    kept.into_iter()
        .map(|(chunk, bytes)| Cut { chunk, bytes, lines: lines_before(chunks, chunk, bytes) })
        .collect()
}

/// Lines of standard output, an unfinished one among them.
pub(super) fn lines(chunks: &Chunks) -> usize {
    let stdout = stdout(chunks);
    stdout.split_inclusive(|byte| *byte == b'\n').count()
}

fn stdout(chunks: &Chunks) -> Vec<u8> {
    let of = chunks.iter().filter(|(stream, _)| *stream == OutputStream::Stdout);
    of.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
}

/// Lines of standard output that are whole before a cut: all their text is there, the newline may be missing.
fn lines_before(chunks: &Chunks, chunk: usize, bytes: usize) -> usize {
    let all = stdout(chunks);
    let mut kept = stdout(&chunks[..chunk]).len();
    if chunks[chunk].0 == OutputStream::Stdout {
        kept += bytes;
    }
    let mut end = 0;
    all.split_inclusive(|byte| *byte == b'\n')
        .take_while(|line| {
            let text = line.strip_suffix(b"\n").unwrap_or(line).len();
            let whole = end + text <= kept && text > 0;
            end += line.len();
            whole
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_with_its_text() {
        let chunks = [
            (OutputStream::Stdout, b"ab\ncd".to_vec()),
            (OutputStream::Stderr, b"x\n".to_vec()),
            (OutputStream::Stdout, b"ef\ng".to_vec()),
        ];
        assert_eq!(lines(&chunks), 3);
        let whole: Vec<_> = everywhere(&chunks).iter().map(|cut| (cut.chunk, cut.bytes, cut.lines)).collect();
        assert_eq!(
            whole,
            [
                (0, 0, 0),
                (0, 1, 0),
                (0, 2, 1),
                (0, 3, 1),
                (0, 4, 1),
                (0, 5, 1),
                (1, 0, 1),
                (1, 1, 1),
                (1, 2, 1),
                (2, 0, 1),
                (2, 1, 1),
                (2, 2, 2),
                (2, 3, 2),
                (2, 4, 3),
            ]
        );
    }

    #[test]
    fn odd_lines_stand_between_lines_only() {
        let chunks = [(OutputStream::Stdout, b"ab\nc".to_vec()), (OutputStream::Stdout, b"d\n".to_vec())];
        let mixed: Vec<u8> = with_odd_lines(&chunks).into_iter().flat_map(|(_, bytes)| bytes).collect();
        let mixed = String::from_utf8_lossy(&mixed).into_owned();
        assert_eq!(mixed.matches("[[[[[[\n").count(), 3, "{mixed}");
        assert!(mixed.contains("[[[[[[\nab\n") && mixed.contains("[[[[[[\ncd\n"), "{mixed}");
    }
}
