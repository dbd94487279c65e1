//! The beginning and the end of what a worker printed, in bounded memory.

use std::borrow::Cow;

use roboppi_ipc::OutputStream;

/// Bytes kept from the beginning of a stream.
pub const HEAD_BYTES: usize = 8 * 1024;
/// Bytes kept from the end of a stream.
pub const TAIL_BYTES: usize = 64 * 1024;

/// Digest of both streams of a worker.
#[derive(Clone, Debug, Default)]
pub struct OutputDigest {
    /// Of standard output, as it may be shown.
    pub stdout: StreamDigest,
    /// Of standard error, as it may be shown.
    pub stderr: StreamDigest,
    /// Of standard output as it came, once that is not the same.
    plain: Option<StreamDigest>,
}

impl OutputDigest {
    /// Takes the next bytes of a stream.
    pub fn push(&mut self, stream: OutputStream, bytes: &[u8]) {
        self.push_both(stream, bytes, bytes);
    }

    /// Takes the next bytes of a stream: as they came, and what of them may be shown.
    pub fn push_both(&mut self, stream: OutputStream, bytes: &[u8], shown: &[u8]) {
        match stream {
            OutputStream::Stdout => {
                if self.plain.is_none() && bytes != shown {
                    self.plain = Some(self.stdout.clone());
                }
                if let Some(plain) = &mut self.plain {
                    plain.push(bytes);
                }
                self.stdout.push(shown);
            }
            OutputStream::Stderr => self.stderr.push(shown),
        }
    }

    /// Standard output as it came, to decide by. Nothing of it may be shown.
    #[must_use]
    pub fn plain_stdout(&self) -> &StreamDigest {
        self.plain.as_ref().unwrap_or(&self.stdout)
    }
}

/// Digest of one stream: head, tail and length. A stream that fits into both is kept whole.
#[derive(Clone, Debug, Default)]
pub struct StreamDigest {
    head: Vec<u8>,
    /// What follows the head; up to twice [`TAIL_BYTES`], so that dropping is rare.
    rest: Vec<u8>,
    total: u64,
}

impl StreamDigest {
    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.head.len() < HEAD_BYTES {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
        }
        if bytes.len() >= TAIL_BYTES {
            self.rest.clear();
            self.rest.extend_from_slice(&bytes[bytes.len() - TAIL_BYTES..]);
        } else {
            if self.rest.len() + bytes.len() > 2 * TAIL_BYTES {
                self.rest.drain(..self.rest.len() - TAIL_BYTES);
            }
            self.rest.extend_from_slice(bytes);
        }
    }

    /// Bytes that came.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The first [`HEAD_BYTES`].
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The last [`TAIL_BYTES`] of what follows the head.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        &self.rest[self.rest.len().saturating_sub(TAIL_BYTES)..]
    }

    /// All of it, when nothing had to be dropped.
    #[must_use]
    pub fn whole(&self) -> Option<Vec<u8>> {
        let tail = self.tail();
        (self.head.len() as u64 + tail.len() as u64 == self.total).then(|| [&self.head, tail].concat())
    }

    /// All that is kept as text: the whole, or head and tail with `...` on a line of its own between them.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.whole() {
            Some(whole) => Cow::Owned(String::from_utf8_lossy(&whole).into_owned()),
            None => Cow::Owned(format!(
                "{}\n...\n{}",
                String::from_utf8_lossy(&self.head),
                String::from_utf8_lossy(self.tail())
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_hidden_can_still_be_decided_by() {
        let mut digest = OutputDigest::default();
        digest.push(OutputStream::Stdout, b"same ");
        digest.push_both(OutputStream::Stderr, b"secret", b"***");
        assert_eq!(digest.plain_stdout().text(), "same ");
        digest.push_both(OutputStream::Stdout, b"secret", b"");
        digest.push_both(OutputStream::Stdout, b"!", b"***!");
        assert_eq!(
            (digest.stdout.text(), digest.plain_stdout().text()),
            ("same ***!".into(), "same secret!".into())
        );
        assert_eq!(digest.stderr.text(), "***");
    }

    proptest! {
        #[test]
        fn any_chunking_keeps_the_same_head_and_tail(
            sizes in proptest::collection::vec(0_usize..90_000, 0..8),
        ) {
            let all: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|n| (n % 251) as u8).collect();
            let mut digest = StreamDigest::default();
            let mut at = 0;
            for size in sizes {
                digest.push(&all[at..at + size]);
                at += size;
            }
            let (head, rest) = all.split_at(all.len().min(HEAD_BYTES));
            prop_assert_eq!(digest.head(), head);
            prop_assert_eq!(digest.tail(), &rest[rest.len().saturating_sub(TAIL_BYTES)..]);
            prop_assert_eq!(digest.total(), all.len() as u64);
            prop_assert_eq!(digest.whole().is_some(), all.len() <= HEAD_BYTES + TAIL_BYTES);
            if let Some(whole) = digest.whole() {
                prop_assert_eq!(whole, all);
            }
        }
    }
}
