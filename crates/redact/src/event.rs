//! Secrets in what a session made of the output. It is given the lines as they are, since a secret may be a word of the
//! language that its program speaks; so its events are cleaned here, in their free texts and nowhere else.

use std::collections::VecDeque;

use roboppi_ipc::{AgentDelta, FreeText, WorkerEvent};

use crate::{Redactor, Secrets};

/// Unfinished texts whose pieces are looked at together; more at a time are not written by anybody.
const PARTS: usize = 64;

/// Takes secrets out of the events of one worker.
#[derive(Debug, Default)]
pub struct EventRedaction {
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    is_thought: bool,
    id: Option<String>,
    parent: Option<String>,
    redactor: Redactor,
}

impl EventRedaction {
    /// Takes them out of one event, in order.
    pub fn clean(&mut self, secrets: &Secrets, event: &mut WorkerEvent) {
        if secrets.is_empty() {
            return;
        }
        match event {
            WorkerEvent::TextDelta(delta) => return self.piece(secrets, delta, false),
            WorkerEvent::ThinkingDelta(delta) => return self.piece(secrets, delta, true),
            WorkerEvent::Text(text) | WorkerEvent::Thinking(text) => {
                self.parts.retain(|part| part.id != text.id || part.parent != text.parent);
            }
            _ => {}
        }
        event.visit_text(&mut |text| secrets.redact(text));
    }

    /// What may be the beginning of a secret is held back until the next piece; the whole text has it in any case.
    fn piece(&mut self, secrets: &Secrets, delta: &mut AgentDelta, is_thought: bool) {
        let is_same =
            |part: &Part| part.is_thought == is_thought && part.id == delta.id && part.parent == delta.parent;
        if delta.restart {
            self.parts.retain(|part| !is_same(part));
        }
        let index = self.parts.iter().position(is_same).unwrap_or_else(|| {
            if self.parts.len() == PARTS {
                self.parts.pop_front();
            }
            let (id, parent) = (delta.id.clone(), delta.parent.clone());
            self.parts.push_back(Part { is_thought, id, parent, redactor: Redactor::new(secrets) });
            self.parts.len() - 1
        });
        let mut out = Vec::new();
        self.parts[index].redactor.push(delta.delta.as_bytes(), &mut out);
        delta.delta = String::from_utf8_lossy(&out).into_owned();
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::AgentText;

    use super::*;

    #[test]
    fn a_secret_in_pieces_is_not_shown() {
        let secrets = Secrets::new([("API_KEY", "correct-horse-battery")]);
        let mut redaction = EventRedaction::default();
        let mut shown = String::new();
        for piece in ["the key is corr", "ect-horse", "-battery, all right?"] {
            let delta = AgentDelta::new(piece).with_id(Some("a".into()));
            let mut event = WorkerEvent::TextDelta(delta);
            redaction.clean(&secrets, &mut event);
            let WorkerEvent::TextDelta(delta) = event else { panic!() };
            shown.push_str(&delta.delta);
        }
        assert!(!shown.contains("horse"), "{shown}");
        let whole = AgentText::new("correct-horse-battery").with_id(Some("a".into()));
        let mut event = WorkerEvent::Text(whole);
        redaction.clean(&secrets, &mut event);
        assert!(!format!("{event:?}").contains("horse"));
        assert!(redaction.parts.is_empty());
    }
}
