//! Frames for WebSockets: none is longer than its bound.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::run::{Run, RunRow};
use crate::feed::Sent;
use crate::problem::Problem;

/// Bytes of a frame beside events: its type, its subscription, cursors.
const OVERHEAD: usize = 256;

/// Attempts of a step that would not fit.
const ATTEMPTS: usize = 3;

/// Events for one frame.
#[derive(Debug)]
pub(crate) struct Batch {
    parts: Vec<String>,
    bytes: usize,
    most: usize,
}

impl Batch {
    pub(crate) fn new(frame_bytes: u32) -> Self {
        Self { parts: Vec::new(), bytes: 0, most: frame_bytes as usize }
    }

    /// Whether an event fits. The first one always does: it is reduced to what it is about.
    pub(crate) fn has_room(&self, event: &Sent, cursor: &str) -> bool {
        // The cursors of the frame are not shorter than that of the event.
        self.parts.is_empty() || self.bytes + event.len(cursor) + 3 * cursor.len() + OVERHEAD <= self.most
    }

    pub(crate) fn push(&mut self, event: &Sent, cursor: &str) {
        let fits = event.len(cursor) + 3 * cursor.len() + OVERHEAD <= self.most;
        let text = if fits { event.with_cursor(cursor) } else { reduced(event, cursor) };
        self.bytes += text.len() + 1;
        self.parts.push(text);
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The frame, with the cursors before and behind its events.
    pub(crate) fn frame(&self, sub: &str, from: &str, to: &str, fetched: bool) -> String {
        let fetched = if fetched { r#","fetched":true"# } else { "" };
        let (sub, events) = (Value::from(sub), self.parts.join(","));
        format!(r#"{{"type":"batch","sub":{sub},"from":"{from}","to":"{to}"{fetched},"events":[{events}]}}"#)
    }
}

/// An event without what it tells: the client reads that by a request.
fn reduced(event: &Sent, cursor: &str) -> String {
    let whole: Map<String, Value> = serde_json::from_str(&event.with_cursor(cursor)).unwrap_or_default();
    let mut fields = Map::new();
    let short = |value: &Value| value.as_str().is_none_or(|text| text.len() <= 1000) && !value.is_array();
    for (name, value) in whole {
        match value {
            Value::Object(inner) => {
                let kept = ["seq", "kind", "at", "id", "path", "state", "tool", "ok", "code"];
                let inner =
                    inner.into_iter().filter(|(name, value)| kept.contains(&name.as_str()) && short(value));
                fields.insert(name, Value::Object(inner.collect()));
            }
            value if short(&value) => {
                fields.insert(name, value);
            }
            _ => {}
        }
    }
    fields.insert("cut".to_owned(), true.into());
    Value::Object(fields).to_string()
}

/// The frames that tell the state of a run: the first one has the run, all have a part of its lists.
pub(crate) fn of_run(sub: &str, mut run: Run, most: u32) -> Vec<String> {
    let cursor = std::mem::take(&mut run.cursor);
    let steps = std::mem::take(&mut run.steps).into_iter().map(|mut step| {
        if json_len(&step) > most as usize / 2 {
            let left_out = step.attempts.len().saturating_sub(ATTEMPTS);
            step.attempts.drain(..left_out);
            step.attempts_left_out = Some(left_out);
            step.attempts.iter_mut().for_each(|attempt| attempt.result = None);
            step.artifacts.truncate(10);
            step.depends_on.truncate(50);
        }
        ("steps", json!(step))
    });
    let steps: Vec<_> = steps.collect();
    let commands = std::mem::take(&mut run.commands).into_iter().map(|command| ("commands", json!(command)));
    let warnings = std::mem::take(&mut run.warnings).into_iter().map(|warning| ("warnings", json!(warning)));
    let mut base = json!(run);
    base["cursor"] = cursor.clone().into();
    parts(sub, &cursor, "run", base, commands.chain(warnings).chain(steps), most)
}

/// The frames that tell the list of runs, newest first.
pub(crate) fn of_runs(sub: &str, rows: &[std::sync::Arc<RunRow>], cursor: &str, most: u32) -> Vec<String> {
    let mut frames = Vec::new();
    let mut part = Vec::new();
    let mut bytes = 0;
    let frame = |part: &mut Vec<String>, more: bool, first: bool| {
        let (sub, rows) = (Value::from(sub), std::mem::take(part).join(","));
        format!(
            r#"{{"type":"snapshot","sub":{sub},"cursor":"{cursor}","part":{},"more":{more},"runs":[{rows}]}}"#,
            u8::from(!first)
        )
    };
    for row in rows {
        let text = serde_json::to_string(row).unwrap_or_default();
        if bytes + text.len() + OVERHEAD + cursor.len() > most as usize && !part.is_empty() {
            let first = frames.is_empty();
            frames.push(frame(&mut part, true, first));
            bytes = 0;
        }
        bytes += text.len() + 1;
        part.push(text);
    }
    let first = frames.is_empty();
    frames.push(frame(&mut part, false, first));
    frames
}

fn json_len(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

/// Puts parts of lists into as few frames as they fit into.
fn parts(
    sub: &str,
    cursor: &str,
    name: &str,
    base: Value,
    items: impl Iterator<Item = (&'static str, Value)>,
    most: u32,
) -> Vec<String> {
    let mut frames: Vec<Value> = Vec::new();
    let room = (most as usize).saturating_sub(OVERHEAD + 2 * cursor.len() + sub.len());
    let mut bytes = base.to_string().len() + 60;
    let mut part = base;
    for list in ["commands", "warnings", "steps"] {
        part[list] = json!([]);
    }
    for (list, item) in items {
        let len = item.to_string().len() + 1;
        if bytes + len > room && bytes > 100 {
            frames.push(std::mem::replace(&mut part, json!({"commands": [], "warnings": [], "steps": []})));
            bytes = 60;
        }
        bytes += len;
        if let Some(list) = part[list].as_array_mut() {
            list.push(item);
        }
    }
    frames.push(part);
    let last = frames.len() - 1;
    let frame = |(index, part): (usize, Value)| {
        let mut frame =
            json!({"type": "snapshot", "sub": sub, "cursor": cursor, "part": index, "more": index < last});
        frame[name] = part;
        frame.to_string()
    };
    frames.into_iter().enumerate().map(frame).collect()
}

/// An error about a subscription, or about the connection.
pub(crate) fn error(sub: Option<&str>, problem: &Problem) -> String {
    let mut frame =
        json!({"type": "error", "status": problem.status, "title": problem.title, "detail": problem.detail});
    if let Some(sub) = sub {
        frame["sub"] = sub.into();
    }
    if let Some(hint) = &problem.hint {
        frame["hint"] = hint.as_str().into();
    }
    frame.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::feed::Place;

    fn event(body: String) -> Sent {
        Sent {
            place: Place::Attempt { attempt: 1, seq: 0 },
            kind: "activity",
            tool: None,
            important: false,
            body,
        }
    }

    #[test]
    fn no_frame_is_longer_than_its_bound() {
        let most = 16 * 1024;
        let long = event(
            json!({"at": 1, "kind": "activity", "item": {"seq": 7, "text": "x".repeat(50_000)}}).to_string()
                [1..]
                .to_owned(),
        );
        let short =
            event(json!({"at": 1, "kind": "activity", "item": {"seq": 8}}).to_string()[1..].to_owned());
        let mut batch = Batch::new(most);
        assert!(batch.has_room(&long, "1.1"));
        batch.push(&long, "1.1");
        assert!(batch.has_room(&short, "1.2"));
        batch.push(&short, "1.2");
        let frame = batch.frame("s", "1.0", "1.2", false);
        assert!(frame.len() <= most as usize);
        let frame: Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(
            (&frame["events"][0]["cut"], &frame["events"][0]["item"]["seq"]),
            (&json!(true), &json!(7))
        );
        assert_eq!(frame["events"][1]["cursor"], "1.2");
    }

    #[test]
    fn a_large_state_comes_in_parts_with_everything_once() {
        let most = 16 * 1024;
        let items = (0..1000)
            .map(|number| ("steps", json!({"path": format!("step-{number}"), "text": "x".repeat(50)})));
        let frames = parts("s", "1.0", "run", json!({"id": "r"}), items, most);
        assert!(frames.len() > 3);
        let mut paths = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            assert!(frame.len() <= most as usize, "{}", frame.len());
            let frame: Value = serde_json::from_str(frame).unwrap();
            assert_eq!(frame["more"], index + 1 < frames.len());
            paths.extend(frame["run"]["steps"].as_array().unwrap().iter().map(|step| step["path"].clone()));
        }
        let expected: Vec<_> = (0..1000).map(|number| json!(format!("step-{number}"))).collect();
        assert_eq!(paths, expected);
        let rows: Vec<Arc<RunRow>> = Vec::new();
        assert_eq!(of_runs("s", &rows, "e-0", most).len(), 1);
    }
}
