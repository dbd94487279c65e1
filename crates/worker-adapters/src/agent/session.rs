//! The session of an agent that prints one JSON object a line.

use std::time::Duration;

use roboppi_ipc::{Mono, OutputStream};
use roboppi_untrusted::TerminalBytes;
use serde::Deserialize;

use super::facts::Facts;
use super::failures::{MOST_TRUST_LINES, is_about_trust};
use super::{Agent, json, terminal};
use crate::{SessionEffect, SessionInput, TimerId, WorkerEnd, WorkerSession};

/// Time an agent has to leave after it has said that its work is done. Then it is ended, which is no failure. What it left
/// running has the same time, counted from when it last did something.
pub const AFTER_END: Duration = Duration::from_secs(30);

/// Runs out when an agent has not left.
const LEAVE: TimerId = TimerId(u32::MAX);
/// Runs out when all that an agent left running has been quiet.
const QUIET: TimerId = TimerId(u32::MAX - 1);

/// How far an agent is, as its last line left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is work, or it waits for some.
    #[default]
    Works,
    /// Its work is done, and something it started still runs that nothing waits for: a server, a watcher.
    LeftRunning,
    /// It waits for nothing any more and is only to leave.
    Done,
}

/// Says what the lines of one agent program mean.
pub trait AgentTranslator: Send {
    /// A line. Its fields should be lenient (see [`lenient`](super::lenient)): a line that cannot be read is unknown.
    type Line<'a>: Deserialize<'a>;

    /// A line of standard output. `raw` is the line itself, for [`Agent::unknown`].
    fn line(&mut self, line: Self::Line<'_>, raw: &str, agent: &mut Agent<'_>);

    /// A line of standard error, where the adapter asked for them.
    fn error_line(&mut self, line: &str, agent: &mut Agent<'_>) {
        let _ = (line, agent);
    }

    /// Whether it waits for nothing any more and is only to leave. Asked after each line.
    fn is_done(&self) -> bool;

    /// Whether something it started still runs that none of its work waits for: a server, a watcher. Asked when it is done.
    fn has_left_running(&self) -> bool {
        false
    }

    /// The agent has ended; last occasion to say what that means.
    fn ended(&mut self, end: &WorkerEnd<'_>, agent: &mut Agent<'_>) {
        let _ = (end, agent);
    }
}

/// A session around a translator.
#[derive(Debug)]
pub struct AgentSession<T> {
    translator: T,
    /// What is written to standard input, which is then closed.
    prompt: Option<String>,
    facts: Facts,
    stage: Stage,
}

impl<T: AgentTranslator> AgentSession<T> {
    /// A session whose agent reads nothing.
    pub fn new(translator: T) -> Self {
        Self { translator, prompt: None, facts: Facts::default(), stage: Stage::Works }
    }

    /// A session whose agent reads this on its standard input, and then its end. The command must ask for
    /// [`StdinPlan::Piped`](crate::StdinPlan::Piped).
    pub fn with_prompt(translator: T, prompt: impl Into<String>) -> Self {
        Self { prompt: Some(prompt.into()), ..Self::new(translator) }
    }

    fn line(&mut self, now: Mono, line: &[u8], out: &mut Vec<SessionEffect>) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let text = json::text(line);
        let mut agent = Agent { now, facts: &mut self.facts, out };
        if !object(&mut self.translator, &text, &mut agent) {
            if TerminalBytes::may_be_in(text.trim()) {
                parts(&mut self.translator, &text, &mut agent);
            } else {
                not_understood(&text, &mut agent);
            }
        }
        let stage = match (self.translator.is_done(), self.translator.has_left_running()) {
            (false, _) => Stage::Works,
            (true, true) => Stage::LeftRunning,
            (true, false) => Stage::Done,
        };
        if stage != self.stage {
            match stage {
                Stage::Works => {}
                Stage::LeftRunning => out.push(SessionEffect::SetQuietTimer(QUIET, AFTER_END)),
                Stage::Done => out.push(SessionEffect::SetTimer(LEAVE, AFTER_END)),
            }
        }
        self.stage = stage;
    }

    /// Its work is done, so it is ended without harm to that.
    fn let_go(&mut self, out: &mut Vec<SessionEffect>) {
        self.facts.let_go = true;
        self.facts.has_left_running = self.stage == Stage::LeftRunning;
        out.push(SessionEffect::End(None));
    }
}

#[cfg(any(test, feature = "conformance"))]
impl<T: AgentTranslator> AgentSession<T> {
    /// What was passed over in the lines so far.
    pub(crate) fn unfamiliar(&self) -> &[String] {
        &self.facts.unfamiliar
    }
}

/// Reads one object. Says whether it is one.
fn object<T: AgentTranslator>(translator: &mut T, text: &str, agent: &mut Agent<'_>) -> bool {
    if let Ok(line) = serde_json::from_str(text) {
        agent.facts.broken = false;
        translator.line(line, text, agent);
        return true;
    }
    let Some(repaired) = json::with_repaired_text(text) else { return false };
    let Ok(line) = serde_json::from_str(&repaired) else { return false };
    agent.facts.broken = false;
    translator.line(line, &repaired, agent);
    true
}

fn not_understood(text: &str, agent: &mut Agent<'_>) {
    agent.facts.broken = text.trim_start().starts_with('{');
    agent.unknown(text);
}

/// Reads the objects of a line with bytes for a terminal around and between them.
fn parts<T: AgentTranslator>(translator: &mut T, text: &str, agent: &mut Agent<'_>) {
    let mut bytes = TerminalBytes::new();
    let mut rest = text.trim();
    let mut is_counted = false;
    loop {
        let skipped = bytes.leading(rest);
        is_counted |= skipped > 0;
        rest = rest[skipped..].trim_start();
        if rest.is_empty() {
            break;
        }
        let length = json::length_of_object(rest);
        if length == 0 || !object(translator, &rest[..length], agent) {
            not_understood(rest, agent);
            break;
        }
        rest = rest[length..].trim_start();
    }
    agent.facts.with_terminal_bytes += u64::from(is_counted);
}

impl<T: AgentTranslator> WorkerSession for AgentSession<T> {
    fn handle(&mut self, now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        match input {
            SessionInput::Started => {
                if let Some(prompt) = self.prompt.take() {
                    out.push(SessionEffect::Stdin(prompt.into_bytes()));
                    out.push(SessionEffect::CloseStdin);
                }
            }
            SessionInput::Line(OutputStream::Stdout, line) => self.line(now, line, out),
            SessionInput::Line(OutputStream::Stderr, line) => {
                let text = json::text(line);
                let mut agent = Agent { now, facts: &mut self.facts, out };
                if is_about_trust(&text) && agent.facts.trust_lines < MOST_TRUST_LINES {
                    agent.facts.trust_lines += 1;
                    agent.warn(&terminal::without(text.trim()));
                }
                self.translator.error_line(&text, &mut agent);
            }
            SessionInput::LongLine(OutputStream::Stdout) => self.facts.too_long += 1,
            SessionInput::Timer(LEAVE) if self.stage == Stage::Done => self.let_go(out),
            SessionInput::Timer(QUIET) if self.stage == Stage::LeftRunning => self.let_go(out),
            SessionInput::Exit(end) => {
                let mut agent = Agent { now, facts: &mut self.facts, out };
                self.translator.ended(&end, &mut agent);
                let result = self.facts.result(&end);
                out.push(SessionEffect::Result(result));
            }
            SessionInput::Cancel(_) => {
                let stage = self.stage;
                self.facts.was_done.get_or_insert(stage != Stage::Works);
            }
            SessionInput::LongLine(OutputStream::Stderr)
            | SessionInput::Timer(_)
            | SessionInput::Reply(_) => {}
        }
    }
}
