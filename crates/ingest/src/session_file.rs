//! The file in which Claude Code keeps a session.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claude::{self, result_text};
use crate::emission::{Emission, Figures};
use crate::{Session, Stamp};

/// Records of its own that are no part of what the agent did.
const INTERNAL: [&str; 11] = [
    "ai-title",
    "attachment",
    "custom-title",
    "file-history-snapshot",
    "last-prompt",
    "mode",
    "permission-mode",
    "progress",
    "queue-operation",
    "agent-name",
    "pr-link",
];

/// What is remembered of a session from line to line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionFile {
    /// Totals of all messages but the last.
    before: [u64; 3],
    /// The last message: one message is written in several lines, each with its figures.
    last: Option<String>,
    figures: [u64; 3],
    is_known: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(rename = "type")]
    kind: String,
    session_id: Option<String>,
    cwd: Option<String>,
    timestamp: Option<String>,
    #[serde(default)]
    is_meta: bool,
    message: Option<Message>,
    summary: Option<String>,
    content: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    #[serde(default)]
    content: Value,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
}

/// What a line reports.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) session: Option<Session>,
    pub(crate) at: Option<Stamp>,
    pub(crate) emissions: Vec<Emission>,
}

impl SessionFile {
    /// Reads a line; `None` of one that is no record.
    pub(crate) fn read(&mut self, text: &str) -> Option<Read> {
        let record: Record = serde_json::from_str(text).ok()?;
        let session = record.session_id.map(|id| Session { id, cwd: record.cwd });
        let at = record.timestamp.as_deref().and_then(Stamp::read);
        let mut emissions = Vec::new();
        match (record.kind.as_str(), record.message) {
            ("assistant", Some(message)) => self.assistant(message, session.as_ref(), &mut emissions),
            ("user", Some(message)) => user(message.content, record.is_meta, &mut emissions),
            ("summary", _) => {
                let summary = record.summary.unwrap_or_default();
                emissions.push(claude::progress("summary", &summary));
            }
            ("system", _) => {
                if let Some(Value::String(content)) = record.content {
                    emissions.push(claude::progress("system", &content));
                }
            }
            (kind, _) if INTERNAL.contains(&kind) => {}
            _ => emissions.push(Emission::Unknown { raw: text.to_owned() }),
        }
        Some(Read { session, at, emissions })
    }

    fn assistant(&mut self, message: Message, session: Option<&Session>, out: &mut Vec<Emission>) {
        if !self.is_known
            && let Some(session) = session
        {
            self.is_known = true;
            out.push(Emission::Session { id: session.id.clone(), model: message.model.clone() });
        }
        let Value::Array(blocks) = message.content else { return };
        for block in &blocks {
            out.extend(block_report(block));
        }
        if let Some(usage) = message.usage {
            out.push(self.usage(message.id, usage));
        }
    }

    fn usage(&mut self, message: Option<String>, usage: Usage) -> Emission {
        if message.is_none() || message != self.last {
            self.before = self.totals();
            self.last = message;
        }
        let input = usage.input_tokens.saturating_add(usage.cache_creation_input_tokens);
        self.figures = [input, usage.output_tokens, usage.cache_read_input_tokens];
        let [input_tokens, output_tokens, cache_read_tokens] = self.totals();
        Emission::Usage(Figures { input_tokens, output_tokens, cache_read_tokens, cost_usd: None })
    }

    fn totals(&self) -> [u64; 3] {
        [0, 1, 2].map(|at| self.before[at].saturating_add(self.figures[at]))
    }
}

fn text_of(block: &Value, field: &str) -> String {
    block.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a block of an answer reports.
fn block_report(block: &Value) -> Option<Emission> {
    match text_of(block, "type").as_str() {
        "text" => Some(Emission::Activity { text: text_of(block, "text"), step: None }),
        "thinking" => {
            let text = text_of(block, "thinking");
            (!text.is_empty()).then_some(Emission::Thinking { text, step: None })
        }
        "tool_use" => Some(Emission::ToolCall {
            id: text_of(block, "id"),
            tool: text_of(block, "name"),
            input: block.get("input").cloned().unwrap_or_default(),
            parent: None,
            step: None,
        }),
        "redacted_thinking" => None,
        _ => Some(Emission::Unknown { raw: block.to_string() }),
    }
}

/// What a message to the agent reports: a prompt, or results.
fn user(content: Value, is_meta: bool, out: &mut Vec<Emission>) {
    let blocks = match content {
        Value::String(text) if !is_meta => return out.push(claude::progress("prompt", &text)),
        Value::Array(blocks) => blocks,
        _ => return,
    };
    for block in blocks {
        match text_of(&block, "type").as_str() {
            "tool_result" => {
                let content = match block.get("content") {
                    Some(Value::Array(parts)) => {
                        let texts: Vec<_> = parts.iter().map(|part| text_of(part, "text")).collect();
                        texts.join("\n")
                    }
                    Some(other) => result_text(other),
                    None => String::new(),
                };
                let ok = block.get("is_error") != Some(&Value::Bool(true));
                let id = text_of(&block, "tool_use_id");
                out.push(Emission::ToolResult { id, ok, text: content, duration_ms: None, step: None });
            }
            "text" if !is_meta => out.push(claude::progress("prompt", &text_of(&block, "text"))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_prompts_calls_results_and_totals() {
        let mut file = SessionFile::default();
        let mut read = |text: &str| file.read(text).unwrap_or_else(|| panic!("{text}"));
        let head = r#""sessionId":"s1","cwd":"/w","timestamp":"2026-01-06T16:03:53.693Z""#;
        let prompt =
            read(&format!(r#"{{"type":"user",{head},"message":{{"role":"user","content":"fix it"}}}}"#));
        assert_eq!(prompt.session, Some(Session { id: "s1".into(), cwd: Some("/w".into()) }));
        assert!(
            matches!(&prompt.emissions[..], [Emission::Progress { message, .. }] if message == "prompt: fix it")
        );
        let said = |id: &str, block: &str, output: u64| {
            format!(
                r#"{{"type":"assistant",{head},"message":{{"id":"{id}","model":"m","content":[{block}],"usage":{{"input_tokens":3,"cache_creation_input_tokens":2,"cache_read_input_tokens":7,"output_tokens":{output}}}}}}}"#
            )
        };
        let first = read(&said("m1", r#"{"type":"thinking","thinking":"hm","signature":"x"}"#, 1));
        assert!(matches!(
            &first.emissions[..],
            [Emission::Session { .. }, Emission::Thinking { .. }, Emission::Usage(_)]
        ));
        // The same message: its figures are not added again.
        let call =
            read(&said("m1", r#"{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}"#, 9));
        let totals = |read: &Read| match read.emissions.last() {
            Some(Emission::Usage(figures)) => {
                (figures.input_tokens, figures.output_tokens, figures.cache_read_tokens)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(totals(&call), (5, 9, 7));
        assert!(
            matches!(&call.emissions[0], Emission::ToolCall { id, tool, .. } if id == "t1" && tool == "Bash")
        );
        assert_eq!(totals(&read(&said("m2", r#"{"type":"text","text":"Done."}"#, 4))), (10, 13, 14));
        for (content, expected) in
            [(r#""a""#, "a"), (r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#, "a\nb")]
        {
            let result = read(&format!(
                r#"{{"type":"user",{head},"message":{{"content":[{{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":{content}}}]}}}}"#
            ));
            assert!(
                matches!(&result.emissions[..], [Emission::ToolResult { id, ok: false, text, .. }] if id == "t1" && text == expected)
            );
        }
        assert_eq!(read(r#"{"type":"file-history-snapshot","snapshot":{}}"#).emissions, []);
        assert!(matches!(read(r#"{"type":"dance"}"#).emissions[..], [Emission::Unknown { .. }]));
        assert!(SessionFile::default().read("{").is_none());
    }
}
