//! The common case: a program that prints lines and ends.

use roboppi_ipc::{Mono, OutputStream, WorkerEvent, WorkerResult};

use crate::{SessionEffect, SessionInput, WorkerEnd, WorkerSession};

/// Translates lines. Wrapped in a [`LineSession`] it is a whole session.
pub trait LineTranslator: Send {
    /// What a line says, added to `events`. A line that says nothing adds nothing.
    fn line(&mut self, stream: OutputStream, line: &[u8], events: &mut Vec<WorkerEvent>);

    /// How it ended.
    fn result(&mut self, end: &WorkerEnd<'_>) -> WorkerResult;
}

/// A session that only listens.
#[derive(Debug)]
pub struct LineSession<T> {
    translator: T,
    events: Vec<WorkerEvent>,
}

impl<T: LineTranslator> LineSession<T> {
    /// A session around a translator.
    pub const fn new(translator: T) -> Self {
        Self { translator, events: Vec::new() }
    }
}

impl<T: LineTranslator> WorkerSession for LineSession<T> {
    fn handle(&mut self, _now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        match input {
            SessionInput::Line(stream, line) => {
                self.translator.line(stream, line, &mut self.events);
                out.extend(self.events.drain(..).map(SessionEffect::Event));
            }
            SessionInput::Exit(end) => out.push(SessionEffect::Result(self.translator.result(&end))),
            SessionInput::Started
            | SessionInput::LongLine(_)
            | SessionInput::Timer(_)
            | SessionInput::Cancel(_)
            | SessionInput::Reply(_) => {}
        }
    }
}
