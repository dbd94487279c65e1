//! The session of an agent that prints one JSON object a line.

use std::time::Duration;

use roboppi_ipc::{Mono, OutputStream};
use serde::Deserialize;

use super::facts::Facts;
use super::{Agent, json};
use crate::{SessionEffect, SessionInput, TimerId, WorkerEnd, WorkerSession};

/// Time an agent has to leave after it has said that its work is done. Then it is ended, which is no failure.
pub const AFTER_END: Duration = Duration::from_secs(30);

/// Runs out when an agent has not left.
const LEAVE: TimerId = TimerId(u32::MAX);

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
    is_leaving: bool,
}

impl<T: AgentTranslator> AgentSession<T> {
    /// A session whose agent reads nothing.
    pub fn new(translator: T) -> Self {
        Self { translator, prompt: None, facts: Facts::default(), is_leaving: false }
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
        if let Ok(line) = serde_json::from_str(&text) {
            agent.facts.broken = false;
            self.translator.line(line, &text, &mut agent);
        } else if let Some(repaired) = json::with_repaired_text(&text)
            && let Ok(line) = serde_json::from_str(&repaired)
        {
            agent.facts.broken = false;
            self.translator.line(line, &repaired, &mut agent);
        } else {
            agent.facts.broken = text.trim_start().starts_with('{');
            agent.unknown(&text);
        }
        let is_done = self.translator.is_done();
        if is_done && !self.is_leaving {
            out.push(SessionEffect::SetTimer(LEAVE, AFTER_END));
        }
        self.is_leaving = is_done;
    }
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
                let mut agent = Agent { now, facts: &mut self.facts, out };
                self.translator.error_line(&json::text(line), &mut agent);
            }
            SessionInput::LongLine(OutputStream::Stdout) => self.facts.too_long += 1,
            SessionInput::Timer(LEAVE) => {
                if self.is_leaving {
                    self.facts.let_go = true;
                    out.push(SessionEffect::End(None));
                }
            }
            SessionInput::Exit(end) => {
                let mut agent = Agent { now, facts: &mut self.facts, out };
                self.translator.ended(&end, &mut agent);
                let result = self.facts.result(&end);
                out.push(SessionEffect::Result(result));
            }
            SessionInput::LongLine(OutputStream::Stderr)
            | SessionInput::Timer(_)
            | SessionInput::Cancel(_)
            | SessionInput::Reply(_) => {}
        }
    }
}
