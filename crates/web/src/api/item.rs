//! What a worker did, event by event.

use roboppi_ipc::{AgentText, PlanItem, WorkerEvent};
use roboppi_run::{AttemptRecord, tool_words};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::{cut, shortened};

/// Longest text of an item of a page.
pub(crate) const PAGE_TEXT: usize = 64 * 1024;
/// Longest text of an item of a live event. A page reads the rest with the item.
pub(crate) const EVENT_TEXT: usize = 8 * 1024;
/// Longest summary of a tool call.
const ARGUMENT: usize = 300;

/// One thing a worker said or did.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    /// Number of its event in the attempt.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: u64,
    /// Id of the tool call (sub-agent) that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// `text`, `thinking`, `toolCall`, `toolResult`, `fileChanged`, `patch`, `plan`, `usage`, `waiting`, `progress`, `session`,
    /// `gap`, or `other`.
    pub(crate) kind: &'static str,
    /// A text of it is cut here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cut: bool,
    /// What it tells, by its kind.
    #[serde(flatten)]
    pub(crate) fields: Map<String, Value>,
}

impl Item {
    /// The item of an event, with texts of at most `most` bytes. `None` of output and of what is no news.
    pub(crate) fn of(record: &AttemptRecord, most: usize) -> Option<Self> {
        let mut cutter = Cutter { most, cut: false };
        let (kind, parent, fields) = cutter.item(&record.event)?;
        let fields = match fields {
            Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        Some(Self { seq: record.seq, at: record.ts.0, parent, kind, cut: cutter.cut, fields })
    }

    /// The tool of a call.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.fields.get("tool").and_then(Value::as_str)
    }
}

struct Cutter {
    most: usize,
    cut: bool,
}

impl Cutter {
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        let (text, is_cut) = cut(text, self.most);
        self.cut |= is_cut;
        text
    }

    fn value(&mut self, value: &Value) -> Value {
        let text = value.to_string();
        if text.len() <= self.most { value.clone() } else { Value::from(self.text(&text)) }
    }

    fn agent_text(&mut self, text: &AgentText) -> Value {
        json!({"id": text.id, "text": self.text(&text.text), "blob": text.blob})
    }

    fn item(&mut self, event: &WorkerEvent) -> Option<(&'static str, Option<String>, Value)> {
        let item = match event {
            WorkerEvent::Text(text) => ("text", text.parent.clone(), self.agent_text(text)),
            WorkerEvent::Thinking(text) => ("thinking", text.parent.clone(), self.agent_text(text)),
            WorkerEvent::ToolCall(call) => {
                let argument = argument(&call.name, &call.input);
                let input = self.value(&call.input);
                let fields = json!({"id": call.id, "tool": call.name, "argument": argument, "input": input,
                    "blob": call.blob});
                ("toolCall", call.parent.clone(), fields)
            }
            WorkerEvent::ToolResult(result) => {
                let fields = json!({"id": result.id, "ok": result.ok, "preview": self.text(&result.preview),
                    "bytes": result.bytes, "blob": result.blob, "durationMs": result.duration_ms});
                ("toolResult", None, fields)
            }
            WorkerEvent::FileChanged { path, action, by, seen: _ } => {
                let fields = json!({"path": self.text(path), "change": action.name(), "cause": by});
                ("fileChanged", None, fields)
            }
            WorkerEvent::Patch(patch) => {
                let fields = json!({"path": self.text(&patch.file_path), "diff": self.text(&patch.diff)});
                ("patch", None, fields)
            }
            WorkerEvent::Plan { items } => ("plan", None, self.plan(items)),
            WorkerEvent::Usage(usage) => ("usage", None, usage_fields(usage)),
            WorkerEvent::Waiting(waiting) => {
                let cause = waiting.cause.as_ref().map(|cause| cause.name().to_owned());
                let until = waiting.until.map(|until| until.0);
                ("waiting", None, json!({"why": self.text(&waiting.why), "cause": cause, "until": until}))
            }
            WorkerEvent::Progress(progress) => {
                let level = progress.level.as_ref().map(|level| level.name().to_owned());
                let fields = json!({"message": self.text(&progress.message), "percent": progress.percent,
                    "phase": progress.phase, "basis": progress.basis, "level": level});
                ("progress", None, fields)
            }
            WorkerEvent::Session(session) => {
                ("session", None, json!({"id": session.id, "model": session.model}))
            }
            WorkerEvent::Gap(gap) => {
                let fields = json!({"events": gap.events, "bytes": gap.bytes, "fromOffset": gap.from_offset,
                    "toOffset": gap.to_offset, "recorded": gap.recorded, "atLeast": gap.at_least});
                ("gap", None, fields)
            }
            WorkerEvent::Unknown { raw } => {
                ("other", None, json!({"name": name_of(raw), "text": self.text(raw)}))
            }
            WorkerEvent::Stdout(_)
            | WorkerEvent::Stderr(_)
            | WorkerEvent::LogGrew(_)
            | WorkerEvent::TextDelta(_)
            | WorkerEvent::ThinkingDelta(_)
            | WorkerEvent::Resources(_)
            | WorkerEvent::WorkspaceChanges(_) => return None,
        };
        Some(item)
    }

    fn plan(&mut self, items: &[PlanItem]) -> Value {
        let most = self.most / items.len().max(1);
        let items = items.iter().map(|item| {
            self.cut |= item.text.len() > most;
            json!({"text": cut(&item.text, most).0, "status": item.status.name()})
        });
        json!({"items": items.collect::<Vec<_>>()})
    }
}

/// What a tool call is about, without the name of the tool.
pub(crate) fn argument(name: &str, input: &Value) -> Option<String> {
    let words = tool_words(name, input);
    let argument = words.strip_prefix(name).map_or(words.as_str(), str::trim);
    (!argument.is_empty()).then(|| shortened(argument, ARGUMENT))
}

fn usage_fields(usage: &roboppi_ipc::Usage) -> Value {
    json!({"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens, "cacheWriteTokens": usage.cache_write_tokens,
        "costUsd": usage.cost_usd, "turns": usage.turns})
}

/// The type of an event of a later version.
fn name_of(raw: &str) -> String {
    let value: Option<Value> = serde_json::from_str(raw).ok();
    let name = value.as_ref().and_then(|value| value.get("type")).and_then(Value::as_str);
    shortened(name.unwrap_or("unknown"), 100)
}
