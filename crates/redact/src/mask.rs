//! Finds `::add-mask::VALUE` lines in a stream and hides the value in them.

use memchr::{memchr, memmem, memrchr};
use zeroize::Zeroizing;

use crate::MARKER;

/// Bytes of a masked value that are kept. Of a longer line everything is hidden, but it masks nothing elsewhere.
pub const LONGEST_MASK: usize = 64 * 1024;

const COMMAND: &[u8] = b"::add-mask::";

/// Where in a line the stream stands.
enum Place {
    /// Only white space so far.
    Start,
    /// So many bytes of the command, which are held back.
    Command(usize),
    /// Nothing more to expect of this line.
    Other,
    /// The value, and whether the marker has been written for it.
    Value { value: Zeroizing<Vec<u8>>, too_long: bool, marked: bool },
}

/// Lets a stream through, line for line, except for the values of mask commands.
///
/// As in GitHub's runner a command stands at the beginning of a line, white space aside, and `%25`, `%0D` and `%0A`
/// in the value stand for `%`, carriage return and newline.
pub(crate) struct MaskFilter {
    place: Place,
}

impl Default for MaskFilter {
    fn default() -> Self {
        Self { place: Place::Start }
    }
}

impl MaskFilter {
    /// Bytes of a command that is not complete.
    pub(crate) fn held(&self) -> usize {
        match &self.place {
            Place::Command(seen) => *seen,
            Place::Value { value, .. } => value.len(),
            Place::Start | Place::Other => 0,
        }
    }

    /// Takes all of `input` when it goes through as it is, which nearly all of nearly every stream does.
    pub(crate) fn passes(&mut self, input: &[u8]) -> bool {
        let within = match self.place {
            // A line may begin with the input.
            Place::Start => true,
            Place::Other => false,
            Place::Command(_) | Place::Value { .. } => return false,
        };
        if memmem::find(input, COMMAND).is_some() {
            return false;
        }
        let line = memrchr(b'\n', input);
        let tail = input[line.map_or(0, |at| at + 1)..].trim_ascii_start();
        if (line.is_some() || within) && COMMAND.starts_with(tail) {
            if !tail.is_empty() {
                return false;
            }
            self.place = Place::Start;
        } else {
            self.place = Place::Other;
        }
        true
    }

    /// Takes bytes from `input` until it is empty or a value is complete, which is returned.
    pub(crate) fn push(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        while let Some(&byte) = input.first() {
            match &mut self.place {
                Place::Start => match byte {
                    b':' => self.place = Place::Command(1),
                    _ => {
                        out.push(byte);
                        if !byte.is_ascii_whitespace() {
                            self.place = Place::Other;
                        }
                    }
                },
                Place::Command(seen) => {
                    if byte == COMMAND[*seen] {
                        *seen += 1;
                        if *seen == COMMAND.len() {
                            out.extend_from_slice(COMMAND);
                            let value = Zeroizing::default();
                            self.place = Place::Value { value, too_long: false, marked: false };
                        }
                    } else {
                        out.extend_from_slice(&COMMAND[..*seen]);
                        self.place = Place::Other;
                        continue;
                    }
                }
                Place::Other => {
                    let end = memchr(b'\n', input).map_or(input.len(), |at| at + 1);
                    out.extend_from_slice(&input[..end]);
                    if input[end - 1] == b'\n' {
                        self.place = Place::Start;
                    }
                    *input = &input[end..];
                    continue;
                }
                Place::Value { value, too_long, marked } => {
                    let end = memchr(b'\n', input).unwrap_or(input.len());
                    let part = &input[..end];
                    if !*marked && !part.iter().all(|byte| *byte == b'\r') {
                        out.extend_from_slice(MARKER.as_bytes());
                        *marked = true;
                    }
                    *too_long |= value.len() + part.len() > LONGEST_MASK;
                    if !*too_long {
                        value.extend_from_slice(part);
                    }
                    *input = &input[end..];
                    if input.is_empty() {
                        return None;
                    }
                    let mask = (!*too_long).then(|| decoded(value));
                    if value.last() == Some(&b'\r') {
                        out.push(b'\r');
                    }
                    out.push(b'\n');
                    *input = &input[1..];
                    self.place = Place::Start;
                    return mask;
                }
            }
            *input = &input[1..];
        }
        None
    }

    /// Ends the last line, which has no line end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        match std::mem::replace(&mut self.place, Place::Start) {
            Place::Command(seen) => out.extend_from_slice(&COMMAND[..seen]),
            Place::Value { value, too_long: false, .. } => return Some(decoded(&value)),
            Place::Start | Place::Other | Place::Value { .. } => {}
        }
        None
    }
}

fn decoded(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    let mut out = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let code = rest.get(..3).map(<[u8]>::to_ascii_uppercase);
        let plain = match code.as_deref() {
            Some(b"%25") => Some(b'%'),
            Some(b"%0D") => Some(b'\r'),
            Some(b"%0A") => Some(b'\n'),
            _ => None,
        };
        out.push(plain.unwrap_or(byte));
        rest = if plain.is_some() { &rest[3..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Redactor, Secrets};

    /// What is seen of a text, the same for every length of pushes.
    fn seen(text: &str) -> (String, usize) {
        let mut results = (1..=text.len()).map(|length| {
            let secrets = Secrets::default();
            let mut redactor = Redactor::new(&secrets).with_masks();
            let mut out = Vec::new();
            text.as_bytes().chunks(length).for_each(|chunk| redactor.push(chunk, &mut out));
            redactor.finish(&mut out);
            (String::from_utf8_lossy(&out).into_owned(), secrets.len())
        });
        let first = results.next().unwrap_or_default();
        for (at, result) in results.enumerate() {
            assert_eq!(result, first, "pushes of {} bytes", at + 2);
        }
        first
    }

    #[test]
    fn a_mask_holds_from_its_own_line_on() {
        assert_eq!(
            seen("before s3cretvalue\n::add-mask::s3cretvalue\nthen s3cretvalue\n"),
            ("before s3cretvalue\n::add-mask::***\nthen ***\n".into(), 1)
        );
        assert_eq!(seen("  ::add-mask::s3cretvalue\r\ns3cretvalue"), ("  ::add-mask::***\r\n***".into(), 1));
        assert_eq!(seen("::add-mask::s3cretvalue"), ("::add-mask::***".into(), 1));
    }

    #[test]
    fn codes_in_the_value() {
        assert_eq!(seen("::add-mask::100%25 of%0Ait\n100% of\nit\n"), ("::add-mask::***\n***\n".into(), 1));
        assert_eq!(*decoded(b"%0d%0A%2525%2"), b"\r\n%25%2".to_vec());
    }

    #[test]
    fn a_short_value_is_hidden_in_its_line_alone() {
        assert_eq!(seen("::add-mask::abc\nabc\n"), ("::add-mask::***\nabc\n".into(), 0));
        assert_eq!(seen("::add-mask::\n::add-mask::\r\n"), ("::add-mask::\n::add-mask::\r\n".into(), 0));
    }

    #[test]
    fn other_lines_pass() {
        for text in [
            "x ::add-mask::s3cretvalue\ns3cretvalue\n",
            "::add-mask\n::add-masks::abcdefgh\n:",
            ":::add-mask::a\n",
        ] {
            assert_eq!(seen(text), (text.into(), 0));
        }
    }

    #[test]
    fn an_endless_value_is_hidden_and_forgotten() {
        let secrets = Secrets::default();
        let mut redactor = Redactor::new(&secrets).with_masks();
        let mut out = Vec::new();
        redactor.push(b"::add-mask::", &mut out);
        for _ in 0..100 {
            redactor.push(&[b'v'; 4096], &mut out);
            assert!(redactor.held() <= LONGEST_MASK);
        }
        redactor.push(b"\nend\n", &mut out);
        assert_eq!(out, b"::add-mask::***\nend\n");
        assert!(secrets.is_empty());
    }
}
