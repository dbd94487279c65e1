//! Lines of a byte stream become messages.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Trace;
use crate::{DEFAULT_LINE_LIMIT, DecodeError, Frame, LineFramer, Message, decode};

/// Bytes asked for at a time.
const CHUNK: usize = 64 * 1024;

/// One line of the other side.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub enum Incoming {
    /// A message.
    Message(Message),
    /// A line that is not one.
    Bad(DecodeError),
    /// A line longer than `limit` bytes; it was dropped.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Reads messages. Bad lines are reported and reading goes on with the next line.
#[derive(Debug)]
pub struct MessageReader<R> {
    stream: R,
    framer: LineFramer,
    chunk: Box<[u8]>,
    ready: VecDeque<Incoming>,
    trace: Option<Trace>,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// Reads from `stream`, lines up to [`DEFAULT_LINE_LIMIT`].
    pub fn new(stream: R) -> Self {
        Self {
            stream,
            framer: LineFramer::new(DEFAULT_LINE_LIMIT),
            chunk: vec![0; CHUNK].into_boxed_slice(),
            ready: VecDeque::new(),
            trace: None,
        }
    }

    /// Lets every line be traced.
    #[must_use]
    pub fn traced(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// The next line, or `None` at the end of the stream; an incomplete last line is not a message.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn next(&mut self) -> io::Result<Option<Incoming>> {
        loop {
            if let Some(incoming) = self.ready.pop_front() {
                return Ok(Some(incoming));
            }
            let count = self.stream.read(&mut self.chunk).await?;
            if count == 0 {
                return Ok(None);
            }
            let (ready, trace) = (&mut self.ready, &self.trace);
            self.framer.push(&self.chunk[..count], |frame| match frame {
                Frame::Line(line) => {
                    if let Some(trace) = trace
                        && !line.trim_ascii().is_empty()
                    {
                        trace.received(line);
                    }
                    ready.extend(decode(line).map(|decoded| match decoded {
                        Ok(message) => Incoming::Message(message),
                        Err(error) => Incoming::Bad(error),
                    }));
                }
                Frame::TooLong { limit } => ready.push_back(Incoming::TooLong { limit }),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bad_lines_do_not_end_the_stream() {
        let bytes: &[u8] = b"nonsense\n\n{\"type\":\"heartbeat\",\"timestamp\":1}\n{\"type\":\"heart";
        let mut reader = MessageReader::new(bytes);
        assert!(matches!(reader.next().await.unwrap(), Some(Incoming::Bad(_))));
        assert!(matches!(reader.next().await.unwrap(), Some(Incoming::Message(Message::Heartbeat(_)))));
        assert!(reader.next().await.unwrap().is_none());
    }
}
