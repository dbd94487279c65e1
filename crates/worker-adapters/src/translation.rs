//! Feeds a session: bytes to lines, effects in order, one result whatever the session does.

use roboppi_ipc::{CancelReason, Frame, Mono, OutputStream};

use crate::scanner::Scanner;
use crate::{
    CommandSpec, HostReply, OutputDigest, SessionEffect, SessionInput, StreamPlan, TimerId, WorkerEnd,
    WorkerSession, verdict,
};

/// One worker's session with what it needs around it: its lines, its digest and its promises kept.
///
/// A session that breaks a promise harms nobody: what it says after its result is dropped, and a result
/// it owes at the exit is made from the exit.
pub struct Translation {
    session: Box<dyn WorkerSession>,
    stdout: Stream,
    stderr: Stream,
    digest: OutputDigest,
    has_result: bool,
}

struct Stream {
    scanner: Scanner,
    raw: bool,
}

impl Stream {
    fn new(plan: &StreamPlan) -> Self {
        Self { scanner: Scanner::new(&plan.lines), raw: plan.raw }
    }
}

impl std::fmt::Debug for Translation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translation").field("has_result", &self.has_result).finish_non_exhaustive()
    }
}

impl Translation {
    /// A translation by `session` of what the command `spec` prints.
    #[must_use]
    pub fn new(session: Box<dyn WorkerSession>, spec: &CommandSpec) -> Self {
        Self {
            session,
            stdout: Stream::new(&spec.stdout),
            stderr: Stream::new(&spec.stderr),
            digest: OutputDigest::default(),
            has_result: false,
        }
    }

    /// Whether the text of a stream is shown as it is.
    #[must_use]
    pub const fn is_raw(&self, stream: OutputStream) -> bool {
        match stream {
            OutputStream::Stdout => self.stdout.raw,
            OutputStream::Stderr => self.stderr.raw,
        }
    }

    /// The digest so far.
    #[must_use]
    pub const fn digest(&self) -> &OutputDigest {
        &self.digest
    }

    /// The worker is alive.
    pub fn started(&mut self, now: Mono, out: &mut Vec<SessionEffect>) {
        self.handle(now, SessionInput::Started, out);
    }

    /// The worker printed `bytes`, and people may see all of it.
    pub fn output(&mut self, now: Mono, stream: OutputStream, bytes: &[u8], out: &mut Vec<SessionEffect>) {
        self.output_both(now, stream, bytes, bytes, out);
    }

    /// The worker printed `bytes`, of which people may see `shown`. The session is given the lines as they are: a
    /// secret that is a word of the program's own language must not change what the program said. Whoever takes the
    /// effects hides secrets in their texts ([`FreeText`](roboppi_ipc::FreeText)); the digest quotes what may be shown.
    pub fn output_both(
        &mut self,
        now: Mono,
        stream: OutputStream,
        bytes: &[u8],
        shown: &[u8],
        out: &mut Vec<SessionEffect>,
    ) {
        self.digest.push_both(stream, bytes, shown);
        let first = out.len();
        let session = &mut self.session;
        let source = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        source.scanner.push(bytes, |frame| {
            let input = match frame {
                Frame::Line(line) => SessionInput::Line(stream, line),
                Frame::TooLong { .. } => SessionInput::LongLine(stream),
            };
            session.handle(now, input, out);
        });
        self.keep_promises(first, out);
    }

    /// The worker printed a line that did not come whole.
    pub fn lost_line(&mut self, now: Mono, stream: OutputStream, out: &mut Vec<SessionEffect>) {
        let source = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        };
        if source.scanner.takes_lines() {
            self.handle(now, SessionInput::LongLine(stream), out);
        }
    }

    /// A timer of the session has run out.
    pub fn timer(&mut self, now: Mono, timer: TimerId, out: &mut Vec<SessionEffect>) {
        self.handle(now, SessionInput::Timer(timer), out);
    }

    /// The worker is to end.
    pub fn cancel(&mut self, now: Mono, reason: CancelReason, out: &mut Vec<SessionEffect>) {
        self.handle(now, SessionInput::Cancel(reason), out);
    }

    /// The host answers.
    pub fn reply(&mut self, now: Mono, reply: HostReply, out: &mut Vec<SessionEffect>) {
        self.handle(now, SessionInput::Reply(reply), out);
    }

    /// The worker has ended, and all its output was given. `end` gets the digest to put into it.
    pub fn exit<'a>(
        &'a mut self,
        now: Mono,
        end: impl FnOnce(&'a OutputDigest) -> WorkerEnd<'a>,
        out: &mut Vec<SessionEffect>,
    ) {
        let first = out.len();
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let source = match stream {
                OutputStream::Stdout => &mut self.stdout,
                OutputStream::Stderr => &mut self.stderr,
            };
            if let Some(line) = source.scanner.finish() {
                self.session.handle(now, SessionInput::Line(stream, &line), out);
            }
        }
        self.keep_promises(first, out);
        let first = out.len();
        let end = end(&self.digest);
        self.session.handle(now, SessionInput::Exit(end), out);
        keep_promises(&mut self.has_result, first, out);
        if !self.has_result {
            self.has_result = true;
            out.push(SessionEffect::Result(verdict(&end)));
        }
    }

    fn handle(&mut self, now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        let first = out.len();
        self.session.handle(now, input, out);
        self.keep_promises(first, out);
    }

    fn keep_promises(&mut self, first: usize, out: &mut Vec<SessionEffect>) {
        keep_promises(&mut self.has_result, first, out);
    }
}

/// Drops events and results that come after the result, from `first` on.
fn keep_promises(has_result: &mut bool, first: usize, out: &mut Vec<SessionEffect>) {
    let mut index = 0;
    out.retain(|effect| {
        index += 1;
        if index <= first {
            return true;
        }
        match effect {
            SessionEffect::Result(_) => !std::mem::replace(has_result, true),
            SessionEffect::Event(_) => !*has_result,
            _ => true,
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use roboppi_ipc::{AgentText, WorkerEvent, WorkerStatus};

    use super::*;
    use crate::{ExitKind, LineFilter};

    /// Says every line, and whatever the lines `result` and `twice` ask for.
    struct Unruly;

    impl WorkerSession for Unruly {
        fn handle(&mut self, _now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
            let SessionInput::Line(_, line) = input else { return };
            let text = String::from_utf8_lossy(line).into_owned();
            let result = |status| {
                let output = OutputDigest::default();
                let (exit, duration) = (ExitKind::Code(0), Duration::ZERO);
                let mut result = verdict(&WorkerEnd::new(exit, &output, duration));
                result.status = status;
                SessionEffect::Result(result)
            };
            match text.as_str() {
                "result" => out.push(result(WorkerStatus::Succeeded)),
                "twice" => out.extend([result(WorkerStatus::Failed), result(WorkerStatus::Succeeded)]),
                _ => out.push(SessionEffect::Event(WorkerEvent::Text(AgentText::new(text)))),
            }
        }
    }

    /// Runs the unruly session over standard output that comes in two pieces.
    fn translated(pieces: [&str; 2]) -> Vec<String> {
        let mut spec = CommandSpec::new(["x"]);
        spec.stdout = StreamPlan { lines: LineFilter::All, raw: false };
        let mut translation = Translation::new(Box::new(Unruly), &spec);
        let mut out = Vec::new();
        translation.started(Mono::ZERO, &mut out);
        for piece in pieces {
            translation.output(Mono::ZERO, OutputStream::Stdout, piece.as_bytes(), &mut out);
            translation.output(Mono::ZERO, OutputStream::Stderr, b"not for the session\n", &mut out);
        }
        let end = |output| WorkerEnd::new(ExitKind::Code(3), output, Duration::ZERO);
        translation.exit(Mono::ZERO, end, &mut out);
        out.into_iter()
            .map(|effect| match effect {
                SessionEffect::Event(WorkerEvent::Text(AgentText { text, .. })) => text,
                SessionEffect::Result(result) => format!("{:?}", result.status),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn there_is_one_result_and_nothing_after_it() {
        assert_eq!(translated(["a\nb", "c\nlast"]), ["a", "bc", "last", "Failed"], "made from the exit");
        assert_eq!(translated(["a\nresult\n", "b\nc"]), ["a", "Succeeded"]);
        assert_eq!(translated(["twice\na\n", "result\n"]), ["Failed"]);
        assert_eq!(translated(["", "result"]), ["Succeeded"], "in an unfinished last line");
    }
}
