//! The kit: runs an adapter over recorded output and says which promise it breaks.
//!
//! ```no_run
//! # use roboppi_worker_adapters::{CustomAdapter, ExitKind, conformance::{Transcript, check}};
//! # fn task() -> roboppi_ipc::WorkerTask { unimplemented!() }
//! let transcript = Transcript::new(task()).stdout(b"hello\n").exit(ExitKind::Code(0));
//! let outcome = check(&CustomAdapter, &transcript).expect("the adapter keeps its promises");
//! assert!(outcome.events.is_empty());
//! ```

use std::time::Duration;

use roboppi_ipc::{
    CancelReason, Frame, LineFramer, Mono, OutputStream, WorkerEvent, WorkerResult, WorkerStatus, WorkerTask,
};
use thiserror::Error;

use crate::scanner::Scanner;
use crate::{
    CommandSpec, ExitKind, OutputDigest, PlanError, SessionEffect, SessionInput, StreamPlan, TimerId,
    WorkerAdapter, WorkerEnd, WorkerSession,
};

/// What a worker printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Transcript {
    task: WorkerTask,
    chunks: Vec<(OutputStream, Vec<u8>)>,
    exit: ExitKind,
}

impl Transcript {
    /// A worker that printed nothing and exited with 0.
    #[must_use]
    pub const fn new(task: WorkerTask) -> Self {
        Self { task, chunks: Vec::new(), exit: ExitKind::Code(0) }
    }

    /// Adds what it then printed on standard output.
    #[must_use]
    pub fn stdout(mut self, bytes: &[u8]) -> Self {
        self.chunks.push((OutputStream::Stdout, bytes.to_vec()));
        self
    }

    /// Adds what it then printed on standard error.
    #[must_use]
    pub fn stderr(mut self, bytes: &[u8]) -> Self {
        self.chunks.push((OutputStream::Stderr, bytes.to_vec()));
        self
    }

    /// Sets how it ended.
    #[must_use]
    pub const fn exit(mut self, exit: ExitKind) -> Self {
        self.exit = exit;
        self
    }
}

/// What the adapter made of a transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Events in order, without the text the core shows by itself.
    pub events: Vec<WorkerEvent>,
    /// The result.
    pub result: WorkerResult,
}

/// A broken promise.
#[derive(Debug, Error)]
pub enum Violation {
    /// The adapter has no command for the task.
    #[error("cannot plan the worker: {0}")]
    Plan(#[from] PlanError),
    /// The command names no program.
    #[error("the command names no program")]
    NoProgram,
    /// Not exactly one result.
    #[error("{scenario}: {count} results, expected one")]
    Results {
        /// What was being done.
        scenario: String,
        /// How many came.
        count: usize,
    },
    /// Something came after the result.
    #[error("{scenario}: an event after the result: {event}")]
    AfterResult {
        /// What was being done.
        scenario: String,
        /// The event.
        event: String,
    },
    /// A cancelled worker was called a success.
    #[error("{scenario}: a cancelled worker has succeeded")]
    CancelledSucceeded {
        /// What was being done.
        scenario: String,
    },
    /// The same bytes in other pieces gave something else.
    #[error("pieces of {piece} bytes: not the same events and result as in one piece")]
    Chunking {
        /// Size of the pieces.
        piece: usize,
    },
    /// Something that only the core makes.
    #[error("{scenario}: a session never makes {event} events for a stream that is shown as it is")]
    NotItsEvent {
        /// What was being done.
        scenario: String,
        /// Kind of the event.
        event: &'static str,
    },
}

/// Runs `adapter` over `transcript`: as recorded, in pieces of several sizes, with lines no adapter
/// knows in between, cut short at every recorded chunk, and cancelled before and after each of them.
///
/// # Errors
/// The first promise that is broken.
///
/// # Panics
/// When the adapter does; that is the broken promise.
pub fn check(adapter: &dyn WorkerAdapter, transcript: &Transcript) -> Result<Outcome, Violation> {
    let spec = adapter.plan(&transcript.task)?;
    if spec.programs.is_empty() {
        return Err(Violation::NoProgram);
    }
    let kit = Kit { adapter, spec, transcript };
    let outcome = kit.run("as recorded", &transcript.chunks, None)?;
    for piece in [1, 7, 64] {
        if kit.run("in pieces", &pieces(&transcript.chunks, piece), None)? != outcome {
            return Err(Violation::Chunking { piece });
        }
    }
    kit.run("with unknown lines", &with_unknown_lines(&transcript.chunks), None)?;
    for cut in 0..=transcript.chunks.len() {
        kit.run("cut short", &transcript.chunks[..cut], None)?;
        for reason in [CancelReason::User, CancelReason::Timeout, CancelReason::Parent] {
            let scenario = format!("cancelled ({}) after chunk {cut}", reason.name());
            let cancelled = kit.run(&scenario, &transcript.chunks, Some((cut, reason)))?;
            if cancelled.result.status == WorkerStatus::Succeeded {
                return Err(Violation::CancelledSucceeded { scenario });
            }
        }
    }
    Ok(outcome)
}

type Chunks = [(OutputStream, Vec<u8>)];

/// Every chunk in pieces of `size` bytes; the order of the streams stays.
fn pieces(chunks: &Chunks, size: usize) -> Vec<(OutputStream, Vec<u8>)> {
    chunks
        .iter()
        .flat_map(|(stream, bytes)| bytes.chunks(size).map(|piece| (*stream, piece.to_vec())))
        .collect()
}

/// Lines that belong to no program, between the lines of the transcript.
fn with_unknown_lines(chunks: &Chunks) -> Vec<(OutputStream, Vec<u8>)> {
    let unknown: [&[u8]; 7] =
        [b"", b"\xff\xfe", b"{", b"null", b"{\"type\":\"hologram\",\"id\":[1]}", b"{\"type\":7}", b"[[[[[["];
    let mut out = Vec::new();
    for (stream, bytes) in chunks {
        let mut mixed = Vec::new();
        let mut add = |frame: Frame<'_>| {
            if let Frame::Line(line) = frame {
                mixed.extend_from_slice(line);
                mixed.push(b'\n');
                for line in unknown {
                    mixed.extend_from_slice(line);
                    mixed.push(b'\n');
                }
            }
        };
        add(Frame::Line(b""));
        let mut framer = LineFramer::new(crate::LINE_LIMIT);
        framer.push(bytes, add);
        mixed.extend_from_slice(framer.incomplete());
        out.push((*stream, mixed));
    }
    out
}

struct Kit<'a> {
    adapter: &'a dyn WorkerAdapter,
    spec: CommandSpec,
    transcript: &'a Transcript,
}

struct Talk {
    session: Box<dyn WorkerSession>,
    now: Mono,
    effects: Vec<SessionEffect>,
    timers: Vec<TimerId>,
}

impl Talk {
    fn tell(&mut self, input: SessionInput<'_>) {
        self.now = self.now + Duration::from_millis(1);
        let first = self.effects.len();
        self.session.handle(self.now, input, &mut self.effects);
        for effect in &self.effects[first..] {
            if let SessionEffect::SetTimer(timer, _) = effect {
                self.timers.push(*timer);
            }
        }
    }
}

impl Kit<'_> {
    fn run(
        &self,
        scenario: &str,
        chunks: &Chunks,
        cancel: Option<(usize, CancelReason)>,
    ) -> Result<Outcome, Violation> {
        let mut talk = Talk {
            session: self.adapter.session(&self.transcript.task),
            now: Mono::ZERO,
            effects: Vec::new(),
            timers: Vec::new(),
        };
        let mut digest = OutputDigest::default();
        let mut scanners = (Scanner::new(&self.spec.stdout.lines), Scanner::new(&self.spec.stderr.lines));
        talk.tell(SessionInput::Started);
        for (index, (stream, bytes)) in chunks.iter().enumerate() {
            cancel_at(&mut talk, cancel, index);
            digest.push(*stream, bytes);
            scanner(&mut scanners, *stream).push(bytes, |frame| match frame {
                Frame::Line(line) => talk.tell(SessionInput::Line(*stream, line)),
                Frame::TooLong { .. } => talk.tell(SessionInput::LongLine(*stream)),
            });
        }
        cancel_at(&mut talk, cancel, chunks.len());
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            if let Some(line) = scanner(&mut scanners, stream).finish() {
                talk.tell(SessionInput::Line(stream, &line));
            }
        }
        for timer in std::mem::take(&mut talk.timers) {
            talk.tell(SessionInput::Timer(timer));
        }
        talk.tell(SessionInput::Exit(WorkerEnd {
            exit: if cancel.is_some() { ExitKind::Signal(15) } else { self.transcript.exit },
            output: &digest,
            cancelled: cancel.map(|(_, reason)| reason),
            killed: false,
            duration: Duration::from_secs(1),
        }));
        self.judge(scenario, talk.effects)
    }

    fn judge(&self, scenario: &str, effects: Vec<SessionEffect>) -> Result<Outcome, Violation> {
        let scenario = || scenario.to_owned();
        let mut events = Vec::new();
        let mut results = Vec::new();
        for effect in effects {
            match effect {
                SessionEffect::Event(event) if !results.is_empty() => {
                    return Err(Violation::AfterResult { scenario: scenario(), event: format!("{event:?}") });
                }
                SessionEffect::Event(event) => {
                    if let Some(kind) = shown_twice(&event, &self.spec.stdout, &self.spec.stderr) {
                        return Err(Violation::NotItsEvent { scenario: scenario(), event: kind });
                    }
                    events.push(event);
                }
                SessionEffect::Result(result) => results.push(result),
                _ => {}
            }
        }
        let count = results.len();
        match results.pop() {
            Some(result) if count == 1 => Ok(Outcome { events, result }),
            _ => Err(Violation::Results { scenario: scenario(), count }),
        }
    }
}

fn cancel_at(talk: &mut Talk, cancel: Option<(usize, CancelReason)>, index: usize) {
    if let Some((at, reason)) = cancel
        && at == index
    {
        talk.tell(SessionInput::Cancel(reason));
    }
}

fn scanner(scanners: &mut (Scanner, Scanner), stream: OutputStream) -> &mut Scanner {
    match stream {
        OutputStream::Stdout => &mut scanners.0,
        OutputStream::Stderr => &mut scanners.1,
    }
}

/// Text the core shows by itself, and gaps, which only the live plane makes.
fn shown_twice(event: &WorkerEvent, stdout: &StreamPlan, stderr: &StreamPlan) -> Option<&'static str> {
    match event {
        WorkerEvent::Stdout(_) if stdout.raw => Some("stdout"),
        WorkerEvent::Stderr(_) if stderr.raw => Some("stderr"),
        WorkerEvent::Gap(_) => Some("gap"),
        _ => None,
    }
}
