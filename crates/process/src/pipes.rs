//! The three pipes of a child, our ends of them.

mod slice;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use roboppi_ipc::OutputStream;
use rustix::fs::OFlags;
use tokio::net::unix::pipe::{Receiver, Sender};

use slice::{LARGEST, Slice, TURN};

/// What a pipe is enlarged to when its child writes a lot.
#[cfg(target_os = "linux")]
const WIDE_PIPE: usize = 1024 * 1024;
/// Rounds that empty any pipe nobody writes to any more.
const EMPTYING: usize = 64;

thread_local! {
    /// One buffer serves all children of a thread: what was read is handed on before anybody else reads.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// stdout and stderr.
#[derive(Debug)]
pub(crate) struct Outputs {
    streams: [Stream; 2],
}

#[derive(Debug)]
struct Stream {
    name: OutputStream,
    /// `None` after its end.
    pipe: Option<Receiver>,
    wide: bool,
    slice: Slice,
}

/// When a turn ends, unless there is nothing left.
#[derive(Clone, Copy)]
enum Turn {
    /// After this time.
    Time(Duration),
    /// After so many rounds.
    Rounds(usize),
}

/// Where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// All that is there was read.
    Empty,
    /// There is more; others should get their turn first.
    More,
}

impl Outputs {
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            streams: [Stream::new(OutputStream::Stdout, stdout)?, Stream::new(OutputStream::Stderr, stderr)?],
        })
    }

    /// Whether both have come to their end.
    pub(crate) fn closed(&self) -> bool {
        self.streams.iter().all(|stream| stream.pipe.is_none())
    }

    /// Waits until there may be something to read or an end to see; for ever when both are closed.
    pub(crate) async fn readable(&self) {
        let [stdout, stderr] = &self.streams;
        tokio::select! {
            () = stdout.readable() => {}
            () = stderr.readable() => {}
        }
    }

    /// Hands on what there is, the streams by turns, up to the share of one turn.
    pub(crate) fn pump(&mut self, emit: &mut impl FnMut(OutputStream, &[u8])) -> Pumped {
        self.read(Turn::Time(TURN), Stream::read_when_ready, emit)
    }

    /// The same without waiting to be told that there is something: for the exit of the child, when the runtime may not
    /// have heard yet of the last bytes.
    pub(crate) fn pump_now(&mut self, emit: &mut impl FnMut(OutputStream, &[u8])) -> Pumped {
        self.read(Turn::Time(TURN), Stream::read_now, emit)
    }

    /// Hands on all that is there, however long that takes: for the end, after which nothing is read any more.
    pub(crate) fn empty(&mut self, emit: &mut impl FnMut(OutputStream, &[u8])) -> Pumped {
        self.read(Turn::Rounds(EMPTYING), Stream::read_now, emit)
    }

    fn read(
        &mut self,
        turn: Turn,
        read: impl Fn(&Receiver, &mut [u8]) -> io::Result<usize>,
        emit: &mut impl FnMut(OutputStream, &[u8]),
    ) -> Pumped {
        let mut buffer = BUFFER.take();
        buffer.resize(LARGEST, 0);
        let begin = Instant::now();
        let mut time = begin;
        let mut rounds = 0;
        let pumped = loop {
            let mut any = false;
            for stream in &mut self.streams {
                let size = match turn {
                    Turn::Time(_) => stream.slice.size(),
                    Turn::Rounds(_) => LARGEST,
                };
                if let Some(length) = stream.step(&read, &mut buffer[..size]) {
                    emit(stream.name, &buffer[..length]);
                    any = true;
                    let before = std::mem::replace(&mut time, Instant::now());
                    stream.slice.handled(length, time - before);
                }
            }
            rounds += 1;
            let is_over = match turn {
                Turn::Time(turn) => time - begin >= turn,
                Turn::Rounds(most) => rounds >= most,
            };
            if !any {
                break Pumped::Empty;
            }
            if is_over {
                break Pumped::More;
            }
        };
        BUFFER.set(buffer);
        pumped
    }
}

impl Stream {
    fn new(name: OutputStream, pipe: OwnedFd) -> io::Result<Self> {
        let pipe = Receiver::from_owned_fd_unchecked(never_blocking(pipe)?)?;
        Ok(Self { name, pipe: Some(pipe), wide: false, slice: Slice::default() })
    }

    async fn readable(&self) {
        match &self.pipe {
            // An error is met again, and handled, by the read that follows.
            Some(pipe) => drop(pipe.readable().await),
            None => pending().await,
        }
    }

    /// One read: how much it gave, or `None` when there is nothing now or never again.
    fn step(
        &mut self,
        read: impl Fn(&Receiver, &mut [u8]) -> io::Result<usize>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let pipe = self.pipe.as_ref()?;
        match read(pipe, buffer) {
            Ok(0) => {
                self.pipe = None;
                None
            }
            Ok(length) => {
                if length == LARGEST && !self.wide {
                    self.wide = true;
                    widen(pipe);
                }
                Some(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            // A pipe does not fail. If it did, nothing would come any more.
            Err(_) => {
                self.pipe = None;
                None
            }
        }
    }

    fn read_when_ready(pipe: &Receiver, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match pipe.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn read_now(pipe: &Receiver, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *buffer))?)
    }
}

/// A new pipe whose reads and writes say that they would have to wait. It is known to be a pipe, and nothing else was set.
fn never_blocking(pipe: OwnedFd) -> io::Result<OwnedFd> {
    rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    Ok(pipe)
}

/// Fewer, larger turns for a child that writes a lot. Only for those: what a user's pipes may hold
/// altogether is limited, and who is over it gets tiny ones.
#[cfg(target_os = "linux")]
fn widen(pipe: &Receiver) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, WIDE_PIPE);
}

#[cfg(not(target_os = "linux"))]
const fn widen(_: &Receiver) {}

/// stdin, and what waits to be written to it.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    pipe: Option<Sender>,
    waiting: VecDeque<Vec<u8>>,
    /// How much of the first waiting piece is written.
    written: usize,
    /// Bytes in `waiting`.
    backlog: usize,
    /// Close as soon as nothing waits.
    closing: bool,
}

impl Stdin {
    pub(crate) fn open(&mut self, pipe: OwnedFd) -> io::Result<()> {
        self.pipe = Some(Sender::from_owned_fd_unchecked(never_blocking(pipe)?)?);
        self.write();
        Ok(())
    }

    /// Bytes that wait to be written.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog
    }

    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        if self.closing || bytes.is_empty() {
            return;
        }
        self.backlog += bytes.len();
        self.waiting.push_back(bytes);
        self.write();
    }

    /// End of file for the child, after what waits.
    pub(crate) fn close_when_written(&mut self) {
        self.closing = true;
        self.write();
    }

    /// Forgets what waits and takes no more.
    pub(crate) fn close(&mut self) {
        *self = Self { closing: true, ..Self::default() };
    }

    /// Waits until more can be written; for ever when nothing waits.
    pub(crate) async fn writable(&self) {
        match &self.pipe {
            Some(pipe) if !self.waiting.is_empty() => drop(pipe.writable().await),
            Some(_) | None => pending().await,
        }
    }

    /// Writes what the pipe takes now.
    pub(crate) fn write(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        while let Some(first) = self.waiting.front() {
            match pipe.try_write(&first[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    self.backlog -= length;
                    if self.written == first.len() {
                        self.waiting.pop_front();
                        self.written = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The child does not want to read any more.
                Err(_) => return self.close(),
            }
        }
        if self.closing {
            self.pipe = None;
        }
    }
}
