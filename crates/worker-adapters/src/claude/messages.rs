//! Which part of which message a piece or a whole belongs to.

use std::collections::HashMap;

use super::wire::StreamEvent;
use crate::agent::Agent;

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    Text,
    Thinking,
    Other,
}

impl PartKind {
    fn of(block: &str) -> Self {
        match block {
            "text" => Self::Text,
            "thinking" => Self::Thinking,
            _ => Self::Other,
        }
    }
}

/// The message each agent (the main one, and sub-agents by their call) is saying.
///
/// Pieces name their part by its index, the whole comes without one: it ends the first part of its kind that is open.
#[derive(Debug, Default)]
pub(super) struct Messages {
    by_agent: HashMap<String, Message>,
}

#[derive(Debug, Default)]
struct Message {
    id: String,
    /// Parts that were whole.
    whole: u64,
    open: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    index: u64,
    kind: PartKind,
    has_pieces: bool,
}

impl Messages {
    /// Takes an event of the stream of `parent`, or of the main agent.
    pub(super) fn stream(&mut self, event: &StreamEvent<'_>, parent: Option<&str>, agent: &mut Agent<'_>) {
        match event.kind.as_deref() {
            Some("message_start") => {
                self.abandon(parent, agent);
                let id = event.message.as_ref().and_then(|message| message.id.as_deref());
                self.begin(id.unwrap_or_default(), parent);
            }
            Some("content_block_start") => {
                let block = event.content_block.as_ref().and_then(|block| block.kind.as_deref());
                let kind = PartKind::of(block.unwrap_or_default());
                if let (Some(index), Some(message)) = (event.index, self.of(parent)) {
                    message.open.push(Part { index, kind, has_pieces: false });
                }
            }
            Some("content_block_delta") => self.piece(event, parent, agent),
            Some("message_stop") if event.abandoned_blocks.is_some() => self.abandon(parent, agent),
            _ => {}
        }
    }

    fn piece(&mut self, event: &StreamEvent<'_>, parent: Option<&str>, agent: &mut Agent<'_>) {
        let (Some(index), Some(delta), Some(message)) = (event.index, &event.delta, self.of(parent)) else {
            return;
        };
        let Some(part) = message.open.iter_mut().find(|part| part.index == index) else { return };
        let id = || format!("{}/{index}", message.id);
        match (part.kind, &delta.text, &delta.thinking) {
            (PartKind::Text, Some(text), _) => agent.text_delta(&id(), text, parent),
            (PartKind::Thinking, _, Some(thought)) => agent.thinking_delta(&id(), thought, parent),
            _ => return,
        }
        part.has_pieces = true;
    }

    /// The id of the part that has come whole in message `id`.
    pub(super) fn whole(&mut self, id: &str, kind: PartKind, parent: Option<&str>) -> String {
        if self.of(parent).is_none_or(|message| message.id != id) {
            self.begin(id, parent);
        }
        let Some(message) = self.of(parent) else { return String::new() };
        let open = message.open.iter().position(|part| part.kind == kind);
        let index = open.map_or(message.whole, |position| message.open.remove(position).index);
        message.whole = index + 1;
        format!("{id}/{index}")
    }

    /// What is open will not become whole.
    pub(super) fn abandon(&mut self, parent: Option<&str>, agent: &mut Agent<'_>) {
        let Some(message) = self.of(parent) else { return };
        for part in message.open.drain(..).filter(|part| part.has_pieces) {
            let id = format!("{}/{}", message.id, part.index);
            match part.kind {
                PartKind::Text => agent.abandon_text(&id, parent),
                PartKind::Thinking => agent.abandon_thinking(&id, parent),
                PartKind::Other => {}
            }
        }
    }

    fn begin(&mut self, id: &str, parent: Option<&str>) {
        let message = Message { id: id.to_owned(), ..Message::default() };
        self.by_agent.insert(parent.unwrap_or_default().to_owned(), message);
    }

    fn of(&mut self, parent: Option<&str>) -> Option<&mut Message> {
        self.by_agent.get_mut(parent.unwrap_or_default())
    }

    /// The id of the message that is being said.
    pub(super) fn current(&self, parent: Option<&str>) -> Option<&str> {
        self.by_agent.get(parent.unwrap_or_default()).map(|message| message.id.as_str())
    }
}
