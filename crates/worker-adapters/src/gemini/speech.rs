//! What Gemini CLI says, which comes in pieces only.
//!
//! When a stream breaks off, it asks again and says everything from the beginning, with nothing in between that says
//! so. The pieces alone would make the text one and a half times.

use roboppi_ipc::{AgentDelta, WorkerEvent};

use crate::agent::Agent;

/// Between a stream that broke off and the next one Gemini CLI waits for a second or longer. Half of it is enough to
/// tell the beginning of a repetition from a model that repeats itself.
const PAUSE_MS: u64 = 500;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The text that is being said.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// Parts before this one.
    parts: u64,
    text: String,
    /// What was said before it seemed to begin anew, until that is certain.
    before: Option<String>,
    /// When the last piece came, in milliseconds of its day.
    last: Option<u64>,
}

impl Speech {
    /// The next piece, with the time its line tells.
    pub(super) fn piece(&mut self, piece: &str, timestamp: Option<&str>, agent: &mut Agent<'_>) {
        let now = timestamp.and_then(time_of_day);
        let paused = match (self.last, now) {
            (Some(last), Some(now)) => (now + DAY_MS - last) % DAY_MS >= PAUSE_MS,
            _ => false,
        };
        self.last = now.or(self.last);
        if paused && self.may_begin_anew(piece) {
            let earlier = std::mem::take(&mut self.text);
            self.before.get_or_insert(earlier);
            self.text.push_str(piece);
            self.add(piece, true, agent);
        } else {
            self.text.push_str(piece);
            self.add(piece, false, agent);
        }
        self.doubt(agent);
    }

    fn may_begin_anew(&self, piece: &str) -> bool {
        let earlier = self.before.as_ref().unwrap_or(&self.text);
        !piece.is_empty()
            && !earlier.is_empty()
            && (earlier.starts_with(piece) || piece.starts_with(earlier.as_str()))
    }

    /// It began anew if it says all again that it had said; it did not if it says anything else.
    fn doubt(&mut self, agent: &mut Agent<'_>) {
        let Some(before) = &self.before else { return };
        if self.text.starts_with(before.as_str()) {
            self.before = None;
        } else if !before.starts_with(&self.text) {
            self.take_back(agent);
        }
    }

    /// It was no repetition: all of it was said.
    fn take_back(&mut self, agent: &mut Agent<'_>) {
        if let Some(before) = self.before.take() {
            self.text.insert_str(0, &before);
            let text = std::mem::take(&mut self.text);
            self.add(&text, true, agent);
            self.text = text;
        }
    }

    /// The text is whole: something else follows.
    pub(super) fn end(&mut self, agent: &mut Agent<'_>) {
        self.take_back(agent);
        self.last = None;
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        agent.text(Some(self.id()), &text, None);
        self.parts += 1;
    }

    fn add(&self, piece: &str, restart: bool, agent: &mut Agent<'_>) {
        let delta = piece.to_owned();
        agent.event(WorkerEvent::TextDelta(
            AgentDelta::new(delta).with_id(Some(self.id())).with_restart(restart),
        ));
    }

    fn id(&self) -> String {
        format!("text-{}", self.parts)
    }
}

/// Milliseconds since midnight of `2026-01-31T23:59:59.999Z`.
fn time_of_day(timestamp: &str) -> Option<u64> {
    let time = timestamp.split_once('T')?.1.strip_suffix('Z')?;
    let mut parts = time.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let (seconds, millis) = parts.next()?.split_once('.')?;
    let (seconds, millis) = (seconds.parse::<u64>().ok()?, millis.parse::<u64>().ok()?);
    (hours < 24 && minutes < 60 && seconds < 61 && millis < 1000)
        .then(|| (((hours * 60 + minutes) * 60 + seconds) * 1000 + millis) % DAY_MS)
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{Mono, OutputStream};
    use serde_json::json;

    use super::super::translator::GeminiTranslator;
    use super::*;
    use crate::agent::AgentSession;
    use crate::{SessionEffect, SessionInput, WorkerSession};

    /// What a viewer sees after pieces that came at these milliseconds, and what the record has in the end.
    fn heard(pieces: &[(u64, &str)]) -> (String, String) {
        let mut heard = Heard::default();
        for (at, text) in pieces {
            let time = format!("2026-01-01T00:00:{:02}.{:03}Z", at / 1000, at % 1000);
            heard
                .feed(&json!({ "type": "message", "role": "assistant", "timestamp": time, "content": text }));
        }
        let live = std::mem::take(&mut heard.live);
        heard.feed(&json!({ "type": "result", "status": "success" }));
        (live, heard.whole)
    }

    struct Heard {
        session: AgentSession<GeminiTranslator>,
        live: String,
        whole: String,
    }

    impl Default for Heard {
        fn default() -> Self {
            let session = AgentSession::new(GeminiTranslator::default());
            Self { session, live: String::new(), whole: String::new() }
        }
    }

    impl Heard {
        fn feed(&mut self, line: &serde_json::Value) {
            let (line, mut out) = (line.to_string(), Vec::new());
            let input = SessionInput::Line(OutputStream::Stdout, line.as_bytes());
            self.session.handle(Mono::ZERO, input, &mut out);
            for effect in out {
                match effect {
                    SessionEffect::Event(WorkerEvent::TextDelta(piece)) => {
                        if piece.restart {
                            self.live.clear();
                        }
                        self.live.push_str(&piece.delta);
                    }
                    SessionEffect::Event(WorkerEvent::Text(text)) => self.whole.push_str(&text.text),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn what_is_said_again_after_a_pause_counts_once() {
        let same = |pieces: &[(u64, &str)]| {
            let (live, whole) = heard(pieces);
            assert_eq!(live, whole, "{pieces:?}");
            whole
        };
        assert_eq!(same(&[(0, "one "), (10, "two")]), "one two");
        assert_eq!(same(&[(0, "one "), (10, "tw"), (1200, "one "), (1210, "two.")]), "one two.");
        assert_eq!(same(&[(0, "one "), (1200, "one two.")]), "one two.", "in larger pieces");
        // Cut off twice.
        assert_eq!(
            same(&[(0, "one "), (9, "two"), (1200, "one "), (2500, "one "), (2600, "two.")]),
            "one two."
        );
        // It repeats itself, at its own pace.
        assert_eq!(same(&[(0, "ha "), (10, "ha "), (20, "ha ")]), "ha ha ha ");
        // It only seemed to begin anew.
        assert_eq!(same(&[(0, "a b "), (2000, "a "), (2010, "c")]), "a b a c");
        assert_eq!(heard(&[(0, "a b "), (2000, "a ")]), ("a ".to_owned(), "a b a ".to_owned()));
    }

    #[test]
    fn times_of_a_day() {
        assert_eq!(time_of_day("2026-11-26T14:27:08.788Z"), Some(52_028_788));
        assert_eq!(time_of_day("2026-11-26T00:00:00.000Z"), Some(0));
        for odd in
            ["", "now", "2026-11-26T25:00:00.000Z", "2026-11-26T14:27:08Z", "T1:2:3.99999999999999999999Z"]
        {
            assert_eq!(time_of_day(odd), None, "{odd}");
        }
    }
}
