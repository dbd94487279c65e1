//! Plays recorded output to a session.

use std::time::Duration;

use roboppi_ipc::{CancelReason, Frame, Mono, OutputStream, UtcMillis};

use super::cuts::Chunks;
use super::judge::{Outcome, judge};
use super::{Transcript, Violation};
use crate::scanner::Scanner;
use crate::{
    CommandSpec, ExitKind, OutputDigest, SessionEffect, SessionInput, TimerId, WallTime, WorkerAdapter,
    WorkerEnd, WorkerSession,
};

/// The time of day at the end of what is played: 2026-11-30 00:53 UTC.
const WALL: WallTime = WallTime::new(UtcMillis(1_796_000_000_000), 0);

/// Why the output ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The worker exits.
    Exit(ExitKind),
    /// Every timer the session has set runs out, then the worker exits.
    LateExit(ExitKind),
    /// It is told to end before chunk `at`, and TERM ends it.
    Cancel { at: usize, reason: CancelReason },
}

/// An adapter with all that is needed to play to it.
pub(super) struct Rehearsal<'a> {
    pub(super) adapter: &'a dyn WorkerAdapter,
    pub(super) spec: &'a CommandSpec,
    pub(super) transcript: &'a Transcript,
}

struct Talk {
    session: Box<dyn WorkerSession>,
    now: Mono,
    effects: Vec<SessionEffect>,
    timers: Vec<TimerId>,
}

impl Talk {
    fn feed(&mut self, input: SessionInput<'_>) {
        self.now = self.now + Duration::from_millis(1);
        let first = self.effects.len();
        self.session.handle(self.now, input, &mut self.effects);
        for effect in &self.effects[first..] {
            if let SessionEffect::SetTimer(timer, _) | SessionEffect::SetQuietTimer(timer, _) = effect {
                self.timers.push(*timer);
            }
        }
    }
}

impl Rehearsal<'_> {
    pub(super) fn run(&self, scenario: &str, chunks: &Chunks, ending: Ending) -> Result<Outcome, Violation> {
        let mut talk = Talk {
            session: self.adapter.session(&self.transcript.task),
            now: Mono::ZERO,
            effects: Vec::new(),
            timers: Vec::new(),
        };
        let mut digest = OutputDigest::default();
        let mut scanners = [Scanner::new(&self.spec.stdout.lines), Scanner::new(&self.spec.stderr.lines)];
        talk.feed(SessionInput::Started);
        for (index, (stream, bytes)) in chunks.iter().enumerate() {
            cancel_at(&mut talk, ending, index);
            digest.push(*stream, bytes);
            scanners[*stream as usize].push(bytes, |frame| match frame {
                Frame::Line(line) => talk.feed(SessionInput::Line(*stream, line)),
                Frame::TooLong { .. } => talk.feed(SessionInput::LongLine(*stream)),
            });
        }
        cancel_at(&mut talk, ending, chunks.len());
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            if let Some(line) = scanners[stream as usize].finish() {
                talk.feed(SessionInput::Line(stream, &line));
            }
        }
        if let Ending::LateExit(_) = ending {
            for timer in std::mem::take(&mut talk.timers) {
                talk.feed(SessionInput::Timer(timer));
            }
        }
        let (exit, cancelled) = match ending {
            Ending::Exit(exit) | Ending::LateExit(exit) => (exit, None),
            Ending::Cancel { reason, .. } => (ExitKind::Signal(15), Some(reason)),
        };
        let duration = Duration::from_secs(1);
        talk.feed(SessionInput::Exit(
            WorkerEnd::new(exit, &digest, duration).with_cancelled(cancelled).with_wall(Some(WALL)),
        ));
        judge(scenario, self.spec, talk.effects)
    }
}

fn cancel_at(talk: &mut Talk, ending: Ending, index: usize) {
    if let Ending::Cancel { at, reason } = ending
        && at == index
    {
        talk.feed(SessionInput::Cancel(reason));
    }
}
