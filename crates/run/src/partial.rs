//! What agents are saying right now. Not part of a view: it is gone when the whole text is recorded.

use roboppi_ipc::{AgentDelta, WorkerEvent};

/// Bytes kept of one unfinished text, its end.
const TEXT_BYTES: usize = 64 * 1024;
/// Unfinished texts kept; more than this many at a time are not written by anybody.
const PARTS: usize = 64;

/// The unfinished texts of one attempt, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialTexts {
    parts: Vec<PartialText>,
}

/// A text that is still being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialText {
    /// Id of the part.
    pub id: Option<String>,
    /// Id of the tool call (sub-agent) it belongs to.
    pub parent: Option<String>,
    /// Whether it is a thought.
    pub is_thought: bool,
    /// What there is of it, the latest 64 KiB.
    pub text: String,
    /// Whether something is missing in it: the live plane shed some of it, or it became too long.
    pub has_holes: bool,
}

impl PartialTexts {
    /// Takes an event of the attempt in, and says whether anything changed.
    pub fn apply(&mut self, event: &WorkerEvent) -> bool {
        match event {
            WorkerEvent::TextDelta(delta) => self.lengthen(delta, false),
            WorkerEvent::ThinkingDelta(delta) => self.lengthen(delta, true),
            WorkerEvent::Text(text) => self.end(text.id.as_ref(), text.parent.as_ref(), false),
            WorkerEvent::Thinking(text) => self.end(text.id.as_ref(), text.parent.as_ref(), true),
            WorkerEvent::Gap(_) => {
                self.miss();
                !self.parts.is_empty()
            }
            _ => false,
        }
    }

    /// Some pieces did not come.
    pub fn miss(&mut self) {
        self.parts.iter_mut().for_each(|part| part.has_holes = true);
    }

    /// The unfinished texts, in the order in which they began.
    pub fn iter(&self) -> impl Iterator<Item = &PartialText> {
        self.parts.iter()
    }

    fn lengthen(&mut self, delta: &AgentDelta, is_thought: bool) -> bool {
        let known = self.parts.iter().position(|part| {
            part.is_thought == is_thought && part.id == delta.id && part.parent == delta.parent
        });
        let index = known.unwrap_or_else(|| {
            if self.parts.len() == PARTS {
                self.parts.remove(0);
            }
            self.parts.push(PartialText {
                id: delta.id.clone(),
                parent: delta.parent.clone(),
                is_thought,
                text: String::new(),
                has_holes: false,
            });
            self.parts.len() - 1
        });
        let part = &mut self.parts[index];
        if delta.restart {
            part.text.clear();
            part.has_holes = false;
        }
        part.text.push_str(&delta.delta);
        // In large steps, so that a long text is not moved at every word.
        if part.text.len() > 2 * TEXT_BYTES {
            let from = part.text.ceil_char_boundary(part.text.len() - TEXT_BYTES);
            part.text.drain(..from);
            part.has_holes = true;
        }
        true
    }

    fn end(&mut self, id: Option<&String>, parent: Option<&String>, is_thought: bool) -> bool {
        let before = self.parts.len();
        self.parts.retain(|part| {
            part.is_thought != is_thought || part.id.as_ref() != id || part.parent.as_ref() != parent
        });
        self.parts.len() != before
    }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{AgentText, Gap};

    use super::*;

    fn delta(id: &str, text: &str, restart: bool) -> WorkerEvent {
        let (id, delta, parent) = (Some(id.to_owned()), text.to_owned(), None);
        WorkerEvent::TextDelta(AgentDelta::new(delta).with_id(id).with_parent(parent).with_restart(restart))
    }

    fn shown(partial: &PartialTexts) -> Vec<(&str, bool)> {
        partial.iter().map(|part| (part.text.as_str(), part.has_holes)).collect()
    }

    #[test]
    fn pieces_make_a_text_until_the_whole_is_there() {
        let mut partial = PartialTexts::default();
        for event in [delta("a", "Hel", false), delta("b", "Other", false), delta("a", "lo", false)] {
            assert!(partial.apply(&event));
        }
        assert_eq!(shown(&partial), [("Hello", false), ("Other", false)]);
        partial.apply(&delta("a", "Again", true));
        assert_eq!(shown(&partial), [("Again", false), ("Other", false)]);
        let whole = AgentText::new("Again.").with_id(Some("a".into()));
        assert!(!partial.apply(&WorkerEvent::Thinking(whole.clone())), "a thought of the same id is another");
        assert!(partial.apply(&WorkerEvent::Text(whole)));
        assert_eq!(shown(&partial), [("Other", false)]);
    }

    #[test]
    fn what_was_shed_is_missing_until_the_text_begins_anew() {
        let mut partial = PartialTexts::default();
        let gap = Gap::new(1..2, 0..0).with_missing(1, 0);
        assert!(!partial.apply(&WorkerEvent::Gap(gap)));
        partial.apply(&delta("a", "one", false));
        partial.apply(&WorkerEvent::Gap(gap));
        partial.apply(&delta("a", "three", false));
        assert_eq!(shown(&partial), [("onethree", true)]);
        partial.apply(&delta("a", "one", true));
        assert_eq!(shown(&partial), [("one", false)]);
    }

    #[test]
    fn only_so_much_is_kept() {
        let mut partial = PartialTexts::default();
        for _ in 0..100 {
            partial.apply(&delta("a", &"ä".repeat(5000), false));
        }
        let (text, has_holes) = shown(&partial)[0];
        assert!(has_holes && text.len() <= 2 * TEXT_BYTES && text.len() >= TEXT_BYTES - 1);
        for id in 0..200 {
            partial.apply(&delta(&id.to_string(), "x", false));
        }
        assert_eq!(partial.iter().count(), PARTS);
    }
}
