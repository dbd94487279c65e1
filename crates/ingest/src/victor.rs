//! The log of Victor, and its file of events.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::emission::{Emission, Ending, Figures};
use crate::{Session, Stamp, literal};

/// Sessions whose open calls and totals are remembered.
const SESSIONS: usize = 256;

/// Open calls of a session that are remembered.
const CALLS: usize = 256;

/// The logger of events.
const EVENTS: &str = "victor.events";

/// A line of the log with its prefix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogLine<'t> {
    pub(crate) at: Stamp,
    pub(crate) session: &'t str,
    pub(crate) logger: &'t str,
    pub(crate) level: &'t str,
    pub(crate) message: &'t str,
}

/// An event, of either file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) category: String,
    pub(crate) name: String,
    pub(crate) data: Map<String, Value>,
    /// The text of the data, where JSON has no word for all of it.
    pub(crate) raw: Option<String>,
}

/// Reads a line of the log; `None` of one without a prefix.
pub(crate) fn log_line(text: &str) -> Option<LogLine<'_>> {
    const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    let at = Stamp::read(text.get(..23)?)?;
    let rest = text.get(23..)?.strip_prefix(" - ")?;
    // A session may have dots, spaces and ` - `: the first level behind the name of a logger ends it.
    let mut from = 0;
    while let Some(found) = rest[from..].find(" - ") {
        let end = from + found;
        let after = &rest[end + 3..];
        let level = LEVELS.into_iter().find(|level| {
            after.strip_prefix(level).is_some_and(|tail| tail.is_empty() || tail.starts_with(" - "))
        });
        let (session, logger) = match rest[..end].rfind(" - ") {
            Some(begin) => (&rest[..begin], &rest[begin + 3..end]),
            None => ("", &rest[..end]),
        };
        let is_logger =
            !logger.is_empty() && logger.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if let Some(level) = level.filter(|_| is_logger) {
            let message = after[level.len()..].strip_prefix(" - ").unwrap_or_default();
            return Some(LogLine { at, session, logger, level, message });
        }
        from = end + 3;
    }
    None
}

/// The event that a line of the log is; `None` of any other message.
pub(crate) fn event(line: &LogLine<'_>) -> Option<Event> {
    if line.logger != EVENTS {
        return None;
    }
    let (category, rest) = line.message.strip_prefix('[')?.split_once("] ")?;
    if category.is_empty() || !category.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
        return None;
    }
    let (name, data) =
        rest.split_once(": {").map_or((rest, None), |(name, _)| (name, Some(&rest[name.len() + 2..])));
    let mut event =
        Event { category: category.to_owned(), name: name.to_owned(), data: Map::new(), raw: None };
    if let Some(text) = data {
        match literal(text) {
            Some(found) => {
                if let Value::Object(fields) = found.value {
                    event.data = fields;
                }
                event.raw = found.lossy.then(|| text.to_owned());
            }
            // Cut off, or of no Python that is known.
            None => event.raw = Some(text.to_owned()),
        }
    }
    Some(event)
}

/// A record of the file of events: session, time and event. `None` of anything else.
pub(crate) fn record(text: &str) -> Option<(Session, Option<Stamp>, Event)> {
    #[derive(Deserialize)]
    struct Record {
        topic: Option<String>,
        category: Option<String>,
        name: Option<String>,
        #[serde(default)]
        data: Map<String, Value>,
        timestamp: Option<Value>,
        session_id: Option<String>,
        correlation_id: Option<String>,
        #[serde(default)]
        headers: Map<String, Value>,
    }

    let record: Record = serde_json::from_str(text).ok()?;
    let (category, name) = match (record.topic, record.category, record.name) {
        (Some(topic), ..) => {
            let (category, name) = topic.split_once('.').unwrap_or((&topic, ""));
            (category.to_owned(), name.to_owned())
        }
        (None, Some(category), Some(name)) => (category, name),
        _ => return None,
    };
    let at = record.timestamp.and_then(|time| match time {
        Value::String(text) => Stamp::read(&text),
        number => number.as_f64().and_then(Stamp::of_number),
    });
    let named = record.headers.get("session_id").or_else(|| record.data.get("session_id"));
    let session = named.and_then(Value::as_str).map(str::to_owned);
    let id = session.or(record.session_id).or(record.correlation_id).unwrap_or_default();
    let category = category.to_uppercase();
    let category = if category == "LIFECYCLE" || category != "ERROR" { category } else { "ERROR".to_owned() };
    Some((Session::of(id), at, Event { category, name, data: record.data, raw: None }))
}

/// What is remembered from event to event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sessions {
    known: BTreeMap<String, Memory>,
    /// Their order, oldest first.
    order: VecDeque<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Calls without a result, as the tool and the id.
    calls: VecDeque<(String, String)>,
    input_tokens: u64,
    output_tokens: u64,
}

impl Sessions {
    fn memory(&mut self, session: &str) -> &mut Memory {
        if !self.known.contains_key(session) {
            if self.order.len() >= SESSIONS
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(session.to_owned());
        }
        self.known.entry(session.to_owned()).or_default()
    }

    /// What an event reports. `pos` is its position.
    pub(crate) fn emissions(&mut self, session: &str, pos: u64, event: &Event) -> Vec<Emission> {
        let memory = self.memory(session);
        let name = event.name.as_str();
        let (head, last) = name.rsplit_once('.').unwrap_or((name, name));
        match (event.category.as_str(), last) {
            ("LIFECYCLE", "start") if name == "session.start" => begin(session, event),
            ("LIFECYCLE", "end") if name == "session.end" => vec![end(event)],
            ("TOOL", "start") => vec![memory.call(pos, head, event)],
            ("TOOL", "end" | "result") => memory.result(pos, head, event, is_true(event, "success", true)),
            ("TOOL", "error") => memory.result(pos, head, event, false),
            ("ERROR", "error") if name.starts_with("tool.") => {
                memory.result(pos, head.trim_start_matches("tool."), event, false)
            }
            ("METRIC", _) => vec![metric(event)],
            ("ERROR", _) => vec![error(event)],
            ("STATE", _) if text(event, "new_stage").is_some() => {
                let stage = |field| text(event, field).unwrap_or("?");
                let message = format!("stage {} → {}", stage("old_stage"), stage("new_stage"));
                vec![progress(event, message)]
            }
            ("MODEL", "request") => {
                memory.input_tokens += number(event, "prompt_tokens");
                vec![described(event)]
            }
            ("MODEL", "response") => {
                let output = number(event, "completion_tokens");
                memory.output_tokens += output;
                let usage = Figures {
                    input_tokens: memory.input_tokens,
                    output_tokens: memory.output_tokens,
                    ..Figures::default()
                };
                let usage = (output > 0).then_some(Emission::Usage(usage));
                std::iter::once(described(event)).chain(usage).collect()
            }
            // Parts of a text that follows as a whole.
            ("MODEL", "streaming_delta") => Vec::new(),
            _ => vec![described(event)],
        }
    }
}

impl Memory {
    fn call(&mut self, pos: u64, head: &str, event: &Event) -> Emission {
        let tool = tool(head, event);
        let id = text(event, "tool_id").map_or_else(|| format!("{tool}@{pos}"), str::to_owned);
        if self.calls.len() >= CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back((tool.clone(), id.clone()));
        let input = event.data.get("arguments").cloned().or_else(|| event.raw.clone().map(Value::String));
        Emission::ToolCall { id, tool, input: input.unwrap_or_default(), parent: None, step: None }
    }

    /// The result of a call. Where the call was not seen, it is reported as well.
    fn result(&mut self, pos: u64, head: &str, event: &Event, ok: bool) -> Vec<Emission> {
        let tool = tool(head, event);
        let id = text(event, "tool_id");
        let open = self.calls.iter().position(|(name, known)| id.map_or(*name == tool, |id| known == id));
        let mut emissions = Vec::new();
        let id = match open.and_then(|open| self.calls.remove(open)) {
            Some((_, id)) => id,
            None => {
                let id = id.map_or_else(|| format!("{tool}@{pos}"), str::to_owned);
                let call =
                    Emission::ToolCall { id: id.clone(), tool, input: Value::Null, parent: None, step: None };
                emissions.push(call);
                id
            }
        };
        let shown =
            event.data.get("error").or_else(|| event.data.get("result")).filter(|value| !value.is_null());
        let shown = match shown {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => event.raw.clone().unwrap_or_default(),
        };
        let duration = event.data.get("duration_ms").and_then(Value::as_f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        let duration_ms = duration.filter(|ms| *ms >= 0.0).map(|ms| ms.round() as u64);
        emissions.push(Emission::ToolResult { id, ok, text: shown, duration_ms, step: None });
        emissions
    }
}

fn text<'e>(event: &'e Event, field: &str) -> Option<&'e str> {
    event.data.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn number(event: &Event, field: &str) -> u64 {
    event.data.get(field).and_then(Value::as_u64).unwrap_or_default()
}

fn is_true(event: &Event, field: &str, otherwise: bool) -> bool {
    event.data.get(field).and_then(Value::as_bool).unwrap_or(otherwise)
}

/// The tool: the name in the data, or that of the event.
fn tool(head: &str, event: &Event) -> String {
    text(event, "tool_name").unwrap_or(head).to_owned()
}

fn begin(session: &str, event: &Event) -> Vec<Emission> {
    let model = text(event, "model").map(str::to_owned);
    let id = text(event, "session_id").unwrap_or(session).to_owned();
    vec![Emission::Session { id, model }, described(event)]
}

fn end(event: &Event) -> Emission {
    let outcome = if is_true(event, "success", true) { Ending::Succeeded } else { Ending::Failed };
    let detail = (!event.data.is_empty()).then(|| Value::Object(event.data.clone()).to_string());
    Emission::Complete { outcome, detail }
}

fn metric(event: &Event) -> Emission {
    let unit = text(event, "unit").unwrap_or_default();
    match event.data.get("value").and_then(Value::as_f64) {
        Some(value) => {
            Emission::Metric { name: event.name.clone(), value, unit: unit.to_owned(), step: None }
        }
        None => described(event),
    }
}

fn error(event: &Event) -> Emission {
    let why = text(event, "message").or_else(|| text(event, "error")).map(str::to_owned);
    let why =
        why.or_else(|| event.raw.clone()).unwrap_or_else(|| Value::Object(event.data.clone()).to_string());
    Emission::Error { message: format!("{}: {why}", event.name), step: None }
}

fn progress(event: &Event, message: String) -> Emission {
    Emission::Progress { message, percent: None, phase: Some(event.category.clone()), step: None }
}

/// The name of the event and all of its data.
fn described(event: &Event) -> Emission {
    let data = match &event.raw {
        Some(raw) => raw.clone(),
        None if event.data.is_empty() => String::new(),
        None => Value::Object(event.data.clone()).to_string(),
    };
    progress(event, format!("{} {data}", event.name).trim_end().to_owned())
}
