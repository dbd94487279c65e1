//! The asking side of the wire.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Incoming, MessageReader, Trace};
use crate::{DecodeError, Message, Mono, PendingRequests, RequestId, Settled};

/// Requests that may wait to be written. A full queue makes the asker wait; the runner never asks for
/// more than a few things per running step.
const OUTGOING: usize = 256;

/// Bytes that are written at once, and one message more. What waits in the queue goes together.
const WRITE: usize = 64 * 1024;

/// Messages read in a row before others get their turn: those who take what was read, and requests whose time is
/// over. A flood must not keep either from it. Messages that came before a deadline are few enough to be among them.
const IN_A_ROW: u32 = 64;

/// Why a request has no answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// No answer in time.
    #[error("no answer to {request} within {} ms", limit.as_millis())]
    TimedOut {
        /// `type` of the request.
        request: String,
        /// The time it had.
        limit: Duration,
    },
    /// The other side is gone.
    #[error("the connection closed before {request} was answered")]
    Closed {
        /// `type` of the request.
        request: String,
    },
    /// The answer cannot be read.
    #[error("the answer to {request} is no message: {detail}")]
    BadAnswer {
        /// `type` of the request.
        request: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A newer request took the same id.
    #[error("another request took the id of {request}")]
    Replaced {
        /// `type` of the request.
        request: String,
    },
}

/// How a [`Peer`] behaves.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// How long a request may wait for its answer.
    pub request_timeout: Duration,
    /// Who is told of every message.
    pub trace: Option<Trace>,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self { request_timeout: Duration::from_secs(120), trace: None }
    }
}

/// Asks. Cheap to clone; every clone speaks over the same connection.
#[derive(Clone, Debug)]
pub struct Peer {
    outgoing: mpsc::Sender<Outgoing>,
    request_timeout: Duration,
}

#[derive(Debug)]
enum Outgoing {
    Send(Message),
    Request { id: RequestId, message: Message, deadline: Instant, answer: oneshot::Sender<Answer> },
}

type Answer = Result<Message, Gone>;

#[derive(Clone, Debug)]
enum Gone {
    TimedOut,
    BadAnswer(String),
    Closed,
    Replaced,
}

/// What the other side said that answers no request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub enum PeerEvent {
    /// A message.
    Message(Message),
    /// A line that is not a message.
    Bad(DecodeError),
    /// A line longer than this many bytes.
    TooLong(usize),
}

impl Peer {
    /// A peer and the driver that must run for it to work.
    pub fn new<R, W>(reader: R, writer: W, options: PeerOptions) -> (Self, PeerDriver<R, W>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let driver = PeerDriver {
            reader: MessageReader::new(reader).traced(options.trace.clone()),
            writer,
            queue,
            pending: PendingRequests::default(),
            origin: Instant::now(),
            unwritten: Vec::new(),
            trace: options.trace,
        };
        (Self { outgoing, request_timeout: options.request_timeout }, driver)
    }

    /// Sends a message that has no answer. Quietly nothing when the connection is closed: whoever drives
    /// it knows.
    pub async fn send(&self, message: Message) {
        let _ = self.outgoing.send(Outgoing::Send(message)).await;
    }

    /// Asks and waits for the answer. The message must carry a `requestId` no other request under way has.
    ///
    /// # Errors
    /// When there is no answer in time or the connection closes. An `error` message is an answer.
    pub async fn request(&self, message: Message) -> Result<Message, RequestError> {
        let request = message.kind().to_owned();
        let Some(id) = message.request_id().cloned() else {
            self.send(message).await;
            return Err(RequestError::Closed { request });
        };
        let limit = self.request_timeout;
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + limit;
        if self.outgoing.send(Outgoing::Request { id, message, deadline, answer }).await.is_err() {
            return Err(RequestError::Closed { request });
        }
        match answered.await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(Gone::TimedOut)) => Err(RequestError::TimedOut { request, limit }),
            Ok(Err(Gone::BadAnswer(detail))) => Err(RequestError::BadAnswer { request, detail }),
            Ok(Err(Gone::Replaced)) => Err(RequestError::Replaced { request }),
            Ok(Err(Gone::Closed)) | Err(_) => Err(RequestError::Closed { request }),
        }
    }
}

/// Moves the bytes of a [`Peer`].
#[derive(Debug)]
pub struct PeerDriver<R, W> {
    reader: MessageReader<R>,
    writer: W,
    queue: mpsc::Receiver<Outgoing>,
    pending: PendingRequests<oneshot::Sender<Answer>>,
    origin: Instant,
    unwritten: Vec<u8>,
    trace: Option<Trace>,
}

impl<R, W> PeerDriver<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// Runs until the other side closes the connection, it fails, or every [`Peer`] is dropped. What
    /// answers nothing goes to `event`, in order. Every wait has ended when this returns.
    ///
    /// # Errors
    /// When reading fails. A failed write is not an error of its own: the other side is gone, and reading
    /// finds out.
    pub async fn run(mut self, mut event: impl FnMut(PeerEvent)) -> io::Result<()> {
        let result = self.exchange(&mut event).await;
        self.queue.close();
        while let Ok(outgoing) = self.queue.try_recv() {
            if let Outgoing::Request { answer, .. } = outgoing {
                let _ = answer.send(Err(Gone::Closed));
            }
        }
        for answer in self.pending.drain() {
            let _ = answer.send(Err(Gone::Closed));
        }
        result
    }

    async fn exchange(&mut self, event: &mut impl FnMut(PeerEvent)) -> io::Result<()> {
        let (mut writable, mut in_a_row) = (true, 0);
        loop {
            let deadline = self.pending.next_deadline().map(|at| self.origin + at.since_origin());
            // Writing comes first: it is never much, while reading may never pause.
            tokio::select! {
                biased;
                written = self.writer.write(&self.unwritten), if writable && !self.unwritten.is_empty() => {
                    match written {
                        Ok(count) if count > 0 => { self.unwritten.drain(..count); }
                        Ok(_) | Err(_) => writable = false,
                    }
                }
                outgoing = self.queue.recv(), if self.unwritten.is_empty() || !writable => match outgoing {
                    None => return Ok(()),
                    Some(outgoing) => {
                        self.take(outgoing);
                        while self.unwritten.len() < WRITE
                            && let Ok(outgoing) = self.queue.try_recv()
                        {
                            self.take(outgoing);
                        }
                    }
                },
                incoming = self.reader.next() => {
                    match incoming? {
                        None => return Ok(()),
                        Some(Incoming::Message(message)) => self.settle(message, event),
                        Some(Incoming::Bad(error)) => self.bad(error, event),
                        Some(Incoming::TooLong { limit }) => event(PeerEvent::TooLong(limit)),
                    }
                    in_a_row += 1;
                    if in_a_row == IN_A_ROW {
                        in_a_row = 0;
                        self.expire();
                        tokio::task::yield_now().await;
                    }
                }
                () = sleep_until(deadline), if deadline.is_some() => self.expire(),
            }
        }
    }

    fn expire(&mut self) {
        let now = self.now();
        for answer in self.pending.expire(now) {
            let _ = answer.send(Err(Gone::TimedOut));
        }
    }

    /// Who waits for an answer that cannot be read waits no longer.
    fn bad(&mut self, error: DecodeError, event: &mut impl FnMut(PeerEvent)) {
        if let Some(answer) = error.request_id.as_ref().and_then(|id| self.pending.take(id)) {
            let _ = answer.send(Err(Gone::BadAnswer(error.to_string())));
        }
        event(PeerEvent::Bad(error));
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }

    fn settle(&mut self, message: Message, event: &mut impl FnMut(PeerEvent)) {
        match self.pending.settle(message) {
            Settled::Answer(answer, message) => {
                let _ = answer.send(Ok(message));
            }
            Settled::WrongType(message) | Settled::NotAnAnswer(message) => event(PeerEvent::Message(message)),
        }
    }

    fn take(&mut self, outgoing: Outgoing) {
        let before = self.unwritten.len();
        self.encode(outgoing);
        if let Some(trace) = &self.trace {
            trace.sent(&self.unwritten[before..]);
        }
    }

    fn encode(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Send(message) => message.encode(&mut self.unwritten),
            Outgoing::Request { id, message, deadline, answer } => {
                message.encode(&mut self.unwritten);
                let deadline = Mono::from_origin(deadline.saturating_duration_since(self.origin));
                if let Some(older) = self.pending.register(id, message, deadline, answer) {
                    let _ = older.send(Err(Gone::Replaced));
                }
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split};

    use super::*;
    use crate::{Ack, CancelJob, Heartbeat, UtcMillis};

    type Far = (BufReader<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>);

    fn connect(timeout: Duration) -> (Peer, tokio::task::JoinHandle<Vec<String>>, Far) {
        let (near, far) = duplex(4096);
        let (reader, writer) = split(near);
        let (peer, driver) =
            Peer::new(reader, writer, PeerOptions { request_timeout: timeout, ..PeerOptions::default() });
        let driving = tokio::spawn(async move {
            let mut seen = Vec::new();
            driver
                .run(|event| {
                    seen.push(match event {
                        PeerEvent::Message(message) => message.kind().to_owned(),
                        PeerEvent::Bad(error) => error.to_string(),
                        PeerEvent::TooLong(limit) => limit.to_string(),
                    });
                })
                .await
                .unwrap();
            seen
        });
        let (reader, writer) = split(far);
        (peer, driving, (BufReader::new(reader), writer))
    }

    fn cancel(id: &str) -> Message {
        Message::CancelJob(CancelJob {
            request_id: id.into(),
            job_id: "j".into(),
            reason: "user".into(),
            force: false,
        })
    }

    async fn say(far: &mut Far, line: &str) {
        far.1.write_all(line.as_bytes()).await.unwrap();
        far.1.write_all(b"\n").await.unwrap();
    }

    #[tokio::test]
    async fn answers_find_their_requests_in_any_order_and_the_rest_is_handed_on() {
        let (peer, driving, mut far) = connect(Duration::from_secs(60));
        let (first, second) = (peer.request(cancel("a")), peer.request(cancel("b")));
        let far_side = async {
            let mut line = String::new();
            far.0.read_line(&mut line).await.unwrap();
            far.0.read_line(&mut line).await.unwrap();
            assert_eq!(line.lines().count(), 2, "{line}");
            say(&mut far, r#"{"type":"job_cancelled","jobId":"j","reason":"user","requestId":"b"}"#).await;
            say(&mut far, r#"{"type":"heartbeat_ack","timestamp":3}"#).await;
            say(&mut far, r#"{"type":"ack","jobId":"j","requestId":"a"}"#).await;
            say(&mut far, r#"{"type":"error","code":"JOB_NOT_FOUND","message":"no","requestId":"a"}"#).await;
            drop(far);
        };
        let (first, second, ()) = tokio::join!(first, second, far_side);
        assert!(matches!(first, Ok(Message::Error(_))), "{first:?}");
        assert!(matches!(second, Ok(Message::JobCancelled(_))), "{second:?}");
        assert_eq!(driving.await.unwrap(), ["heartbeat_ack", "ack"]);
    }

    #[tokio::test]
    async fn a_closed_connection_ends_every_wait() {
        let (peer, driving, far) = connect(Duration::from_secs(60));
        let asked = peer.request(cancel("a"));
        let (asked, ()) = tokio::join!(asked, async { drop(far) });
        assert_eq!(asked, Err(RequestError::Closed { request: "cancel_job".into() }));
        driving.await.unwrap();
        let late = peer.request(cancel("b")).await;
        assert_eq!(late, Err(RequestError::Closed { request: "cancel_job".into() }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_a_deadline() {
        let (peer, _driving, _far) = connect(Duration::from_secs(7));
        let error = peer.request(cancel("a")).await.unwrap_err();
        insta::assert_snapshot!(error, @"no answer to cancel_job within 7000 ms");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_ends_the_wait() {
        let (peer, driving, mut far) = connect(Duration::from_secs(60));
        let asked = peer.request(cancel("a"));
        let far_side = async {
            far.0.read_line(&mut String::new()).await.unwrap();
            say(&mut far, r#"{"type":"job_cancelled","requestId":"b","jobId":7,"reason":"x"}"#).await;
            say(&mut far, r#"{"type":"job_cancelled","requestId":"a","jobId":7,"reason":"x"}"#).await;
            drop(far);
        };
        let (answer, ()) = tokio::join!(asked, far_side);
        insta::assert_snapshot!(
            answer.unwrap_err(),
            @"the answer to cancel_job is no message: bad job_cancelled: invalid type: integer `7`, expected a string at line 1 column 49"
        );
        assert_eq!(driving.await.unwrap().len(), 2);
    }

    /// Says the same for ever, and is never done saying it.
    struct Chatter;

    impl AsyncRead for Chatter {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let line = b"{\"type\":\"heartbeat_ack\",\"timestamp\":3}\n";
            while buffer.remaining() >= line.len() {
                buffer.put_slice(line);
            }
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_flood_delays_neither_requests_nor_their_deadlines() {
        let (near, far) = duplex(4096);
        let options = PeerOptions { request_timeout: Duration::from_millis(1), ..PeerOptions::default() };
        let (peer, driver) = Peer::new(Chatter, near, options);
        let driving = tokio::spawn(driver.run(|_| {}));
        let error = peer.request(cancel("a")).await.unwrap_err();
        assert!(matches!(error, RequestError::TimedOut { .. }), "{error}");
        let mut line = String::new();
        BufReader::new(far).read_line(&mut line).await.unwrap();
        assert!(line.contains("cancel_job"), "{line}");
        drop(peer);
        driving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn sending_does_not_wait_for_a_reader_that_is_busy_writing() {
        let (peer, driving, mut far) = connect(Duration::from_secs(60));
        let flood = async {
            for _ in 0..2_000 {
                say(&mut far, r#"{"type":"heartbeat_ack","timestamp":3}"#).await;
            }
            let ack = Ack { request_id: "x".into(), job_id: "j".into() };
            let mut line = Vec::new();
            Message::Ack(ack).encode(&mut line);
            far.1.write_all(&line).await.unwrap();
            far
        };
        let sending = async {
            for _ in 0..50 {
                peer.send(Message::Heartbeat(Heartbeat { timestamp: UtcMillis(1) })).await;
            }
        };
        let (far, ()) = tokio::join!(flood, sending);
        drop(far);
        assert_eq!(driving.await.unwrap().len(), 2_001);
    }
}
