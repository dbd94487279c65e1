//! Takes secrets out of one stream.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::mask::MaskFilter;
use crate::matcher::Matchers;
use crate::{MARKER, Secrets, Taken};

/// Bytes that are looked at together, so that memory does not depend on what a caller pushes at once.
const PIECE: usize = 64 * 1024;

/// Stands in one stream of bytes and lets everything through but secrets.
///
/// However the stream is cut into pushes, the output is the same. Bytes that could be the beginning of a secret are
/// held back until the next ones decide it, or [`finish`](Self::finish); there is no timer. At most the longest
/// pattern and six bytes are held.
///
/// The output has its own offsets: everything after a replaced range moves. What is recorded, numbered and shown is
/// the redacted stream; no table leads back to offsets of the original.
///
/// A replaced range never leaves half of a JSON escape (`\n`, `\u00e9`) behind: the rest of the escape is hidden
/// with it. So a line of JSON stays JSON when the secrets are in its strings.
pub struct Redactor {
    secrets: Secrets,
    version: u64,
    matchers: Arc<Matchers>,
    masks: Option<MaskFilter>,
    /// A value was to be masked, and there was no room for it.
    refused: bool,
    /// Not decided yet. Begins neither within an escape nor after half a one.
    held: Zeroizing<Vec<u8>>,
    /// How many bytes of `held` are hidden by the marker written last; none when that marker is further back.
    hidden: Option<usize>,
    ranges: Vec<Range<usize>>,
}

impl Redactor {
    /// A redactor at the beginning of a stream. It follows the growth of `secrets`.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            version: secrets.version(),
            matchers: secrets.matchers(),
            secrets: secrets.clone(),
            masks: None,
            refused: false,
            held: Zeroizing::default(),
            hidden: None,
            ranges: Vec::new(),
        }
    }

    /// Also obeys lines `::add-mask::VALUE`: the value is hidden in that line and, when it is long enough, becomes
    /// one of the secrets before the next line is read.
    #[must_use]
    pub fn with_masks(mut self) -> Self {
        self.masks = Some(MaskFilter::default());
        self
    }

    /// Takes the next bytes of the stream and appends to `out` what can be seen of it.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.take(input, out, None);
    }

    /// As [`push`](Self::push), and appends to `plain` what came, for who decides by it and shows nothing of it. There
    /// only the values of mask commands are hidden.
    pub fn push_both(&mut self, input: &[u8], out: &mut Vec<u8>, plain: &mut Vec<u8>) {
        self.take(input, out, Some(plain));
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>, mut plain: Option<&mut Vec<u8>>) {
        let mut pass = |this: &mut Self, shown: &[u8], out: &mut Vec<u8>| {
            if let Some(plain) = &mut plain {
                plain.extend_from_slice(shown);
            }
            this.redact(shown, false, out);
        };
        for piece in input.chunks(PIECE) {
            let Some(mut masks) = self.masks.take() else {
                pass(self, piece, out);
                continue;
            };
            let mut rest = piece;
            while !rest.is_empty() {
                if masks.passes(rest) {
                    pass(self, rest, out);
                    break;
                }
                let mut shown = Vec::new();
                let mask = masks.push(&mut rest, &mut shown);
                pass(self, &shown, out);
                self.mask(mask);
            }
            self.masks = Some(masks);
        }
    }

    /// Appends what was held back. Call it when the stream has ended; the redactor then stands at the beginning of
    /// another one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.finish_both(out, &mut Vec::new());
    }

    /// As [`finish`](Self::finish), after [`push_both`](Self::push_both).
    pub fn finish_both(&mut self, out: &mut Vec<u8>, plain: &mut Vec<u8>) {
        if let Some(mut masks) = self.masks.take() {
            let mut shown = Vec::new();
            let mask = masks.finish(&mut shown);
            plain.extend_from_slice(&shown);
            self.redact(&shown, false, out);
            self.mask(mask);
            self.masks = Some(masks);
        }
        self.redact(b"", true, out);
        self.hidden = None;
    }

    /// Whether, since this was last asked, a mask command had a value for which there was no room
    /// ([`Taken::Full`]).
    pub fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Bytes that are held back at the moment.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len() + self.masks.as_ref().map_or(0, MaskFilter::held)
    }

    fn mask(&mut self, mask: Option<Zeroizing<Vec<u8>>>) {
        if let Some(value) = mask {
            // A short one cannot be hidden elsewhere; the set remembers that there was one.
            self.refused |= self.secrets.add("add-mask", &value) == Taken::Full;
        }
    }

    fn redact(&mut self, input: &[u8], last: bool, out: &mut Vec<u8>) {
        if self.version != self.secrets.version() {
            // In this order a growth between both lines is seen next time.
            self.version = self.secrets.version();
            self.matchers = self.secrets.matchers();
        }
        if self.matchers.is_empty() {
            out.extend_from_slice(input);
        } else if self.held.is_empty() {
            let keep = self.decide(input, last, out);
            self.held.extend_from_slice(&input[keep..]);
        } else {
            let mut text = std::mem::take(&mut self.held);
            text.extend_from_slice(input);
            let keep = self.decide(&text, last, out);
            self.held.extend_from_slice(&text[keep..]);
        }
    }

    /// Writes what is certain of `text` and returns from where on it is to be held.
    fn decide(&mut self, text: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
        let matchers = Arc::clone(&self.matchers);
        let end = if last { text.len() } else { escape_start(text, matchers.undecided(text)) };
        let mut ranges = std::mem::take(&mut self.ranges);
        matchers.find(text, &mut ranges);

        let mut done = self.hidden.map_or(0, |hidden| past_quote(text, hidden));
        let mut touching = self.hidden.is_some();
        for range in &ranges {
            let start = escape_start(text, range.start);
            if start >= end {
                break;
            }
            if start > done || !touching {
                out.extend_from_slice(&text[done..start]);
                out.extend_from_slice(MARKER.as_bytes());
                touching = true;
            }
            done = done.max(past_quote(text, range.end));
        }
        self.ranges = ranges;
        if done < end {
            out.extend_from_slice(&text[done..end]);
            touching = false;
        }
        self.hidden = touching.then(|| done.saturating_sub(end));
        end
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.secrets).field("held", &self.held()).finish()
    }
}

/// Where the JSON escape begins that `at` is in the middle of, or `at`.
fn escape_start(text: &[u8], at: usize) -> usize {
    for start in (at.saturating_sub(5)..at).rev() {
        match text[start] {
            b'\\' if escapes(text, start + 1) && (at == start + 1 || text[start + 1] == b'u') => {
                return start;
            }
            b'\\' => return at,
            b'u' if start > 0 && text[start - 1] == b'\\' => {}
            byte if byte.is_ascii_hexdigit() => {}
            _ => return at,
        }
    }
    at
}

/// Whether the byte at `at` is escaped: an odd number of backslashes stands before it.
fn escapes(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The end of a hidden range, moved past a quote that would lose its backslash.
fn past_quote(text: &[u8], end: usize) -> usize {
    if text.get(end) == Some(&b'"') && escapes(text, end) { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secrets: &[&str], text: &str) -> String {
        let secrets = Secrets::new(secrets.iter().map(|value| ("S", value)));
        let mut out = Vec::new();
        let mut redactor = Redactor::new(&secrets);
        redactor.push(text.as_bytes(), &mut out);
        redactor.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn escapes_are_left_whole_or_not_at_all() {
        assert_eq!(redacted(&["nabcdefgh"], r#""x\nabcdefgh""#), r#""x***""#);
        assert_eq!(redacted(&["nabcdefgh"], r#""x\\nabcdefgh""#), r#""x\\***""#);
        assert_eq!(redacted(&["00e9abcdefgh"], r#""x\u00e9abcdefgh""#), r#""x***""#);
        assert_eq!(redacted(&["9abcdefgh"], r#""x\u00e9abcdefgh""#), r#""x***""#);
        assert_eq!(redacted(&["abcdefghi"], r#""x\u00e9abcdefghi""#), r#""x\u00e9***""#);
        assert_eq!(redacted(&["abcdefgh\\"], r#""abcdefgh\"x""#), r#""***x""#);
        assert_eq!(redacted(&["abcdefgh\\"], r#""abcdefgh\\""#), r#""***""#);
        assert_eq!(redacted(&["abcdefgh\\"], r#""abcdefgh\nx""#), r#""***nx""#);
        assert_eq!(redacted(&["\\\\\\\\\\\\\\\\"], r#""\\\\\\\\\" ""#), r#""*** ""#);
    }

    #[test]
    fn what_overlaps_or_touches_is_one() {
        assert_eq!(redacted(&["abcdefgh", "efghijkl"], "-abcdefghijkl-"), "-***-");
        assert_eq!(redacted(&["abcdefgh", "12345678"], "-abcdefgh12345678-abcdefgh"), "-***-***");
        assert_eq!(redacted(&["aaaaaaaa"], &"a".repeat(100)), "***");
        assert_eq!(redacted(&["bcdefghi", "abcdefghijkl"], "abcdefghijk"), "a***jk");
    }

    #[test]
    fn what_came_is_given_as_it_is_but_for_the_values_of_mask_commands() {
        let secrets = Secrets::new([("S", "tool_result")]);
        let mut redactor = Redactor::new(&secrets).with_masks();
        let (mut out, mut plain) = (Vec::new(), Vec::new());
        for byte in b"{\"type\":\"tool_result\"}\n::add-mask::abc\n::add-mask::assistant\nassistant\n::add-" {
            redactor.push_both(&[*byte], &mut out, &mut plain);
        }
        redactor.finish_both(&mut out, &mut plain);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert_eq!(text(out), "{\"type\":\"***\"}\n::add-mask::***\n::add-mask::***\n***\n::add-");
        assert_eq!(
            text(plain),
            "{\"type\":\"tool_result\"}\n::add-mask::***\n::add-mask::***\nassistant\n::add-"
        );
    }

    #[test]
    fn a_value_for_which_there_is_no_room_is_told_once() {
        let secrets = Secrets::new((0..crate::MOST_VALUES).map(|at| ("N", format!("value-{at:06}"))));
        let mut redactor = Redactor::new(&secrets).with_masks();
        let mut out = Vec::new();
        redactor.push(b"::add-mask::value-000001\n::add-mask::short\n", &mut out);
        assert!(!redactor.take_refused());
        redactor.push(b"::add-mask::one too many\n", &mut out);
        assert_eq!((redactor.take_refused(), redactor.take_refused()), (true, false));
    }

    #[test]
    fn only_what_may_become_a_secret_is_held() {
        let secrets = Secrets::new([("S", "opensesame")]);
        let mut redactor = Redactor::new(&secrets);
        let mut out = Vec::new();
        redactor.push(b"Password? ", &mut out);
        assert_eq!((out.as_slice(), redactor.held()), (b"Password? ".as_slice(), 0));
        redactor.push(b"opens", &mut out);
        assert_eq!((out.as_slice(), redactor.held()), (b"Password? ".as_slice(), 5));
        redactor.push(b" up", &mut out);
        assert_eq!((out.as_slice(), redactor.held()), (b"Password? opens up".as_slice(), 0));
    }
}
