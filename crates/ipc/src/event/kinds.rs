//! How an event is read. There may be hundreds of thousands of one worker, so nothing is kept of one in between.

use serde::{Deserialize, Deserializer};

use super::{
    AgentDelta, AgentText, ChangeKind, Gap, LogGrew, Patch, PlanItem, Progress, SessionInfo, ToolCall,
    ToolResult, Usage, Waiting, WorkerEvent, WorkerOutput, WorkspaceChanges,
};
use crate::{Resources, decode_kind_first};

/// Kinds in the spelling of the wire; anything else decodes to [`WorkerEvent::Unknown`].
const KINDS: [&str; 20] = [
    "stdout",
    "stderr",
    "log_grew",
    "progress",
    "patch",
    "text",
    "text_delta",
    "thinking",
    "thinking_delta",
    "plan",
    "tool_call",
    "tool_result",
    "file_changed",
    "workspace_changes",
    "usage",
    "session",
    "waiting",
    "resources",
    "gap",
    "unknown",
];

/// The variants of [`WorkerEvent`], as they are read once their kind is known.
#[derive(Deserialize)]
#[serde(remote = "WorkerEvent", rename_all = "snake_case")]
enum Variants {
    Stdout(WorkerOutput),
    Stderr(WorkerOutput),
    LogGrew(LogGrew),
    Progress(Progress),
    Patch(Patch),
    Text(AgentText),
    TextDelta(AgentDelta),
    Thinking(AgentText),
    ThinkingDelta(AgentDelta),
    Plan {
        items: Vec<PlanItem>,
    },
    ToolCall(ToolCall),
    ToolResult(ToolResult),
    FileChanged {
        path: String,
        action: ChangeKind,
        #[serde(default)]
        by: Option<String>,
        #[serde(default)]
        seen: bool,
    },
    WorkspaceChanges(WorkspaceChanges),
    Usage(Usage),
    Session(SessionInfo),
    Waiting(Waiting),
    Resources(Resources),
    Gap(Gap),
    Unknown {
        raw: String,
    },
}

/// An event of a known kind.
#[derive(Deserialize)]
#[serde(transparent)]
struct Known(#[serde(with = "Variants")] WorkerEvent);

impl From<Known> for WorkerEvent {
    fn from(Known(event): Known) -> Self {
        event
    }
}

impl<'de> Deserialize<'de> for WorkerEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_kind_first::<Known, _, _>(deserializer, &KINDS, |raw| Self::Unknown { raw })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// One of each kind, with all of its fields.
    fn samples() -> Vec<Value> {
        vec![
            json!({"type": "stdout", "data": "a\n", "offset": 1, "len": 2, "partial": true}),
            json!({"type": "stderr", "data": "b"}),
            json!({"type": "log_grew", "offset": 1, "len": 2, "stdout": true, "stderr": true}),
            json!({"type": "progress", "message": "m", "percent": 50, "phase": "p", "basis": "b", "level": "warning"}),
            json!({"type": "patch", "filePath": "f", "diff": "d", "seen": true}),
            json!({"type": "text", "id": "i", "text": "t\"\u{e9}", "parent": "p", "blob": "b"}),
            json!({"type": "text_delta", "id": "i", "delta": "d", "parent": "p", "restart": true}),
            json!({"type": "thinking", "text": "t"}),
            json!({"type": "thinking_delta", "delta": "d"}),
            json!({"type": "plan", "items": [{"text": "t", "status": "pending"}, {"text": "u", "status": "later"}]}),
            json!({"type": "tool_call", "id": "i", "name": "n", "input": {"a": [1, null, {"b": 1.5}]}, "parent": "p",
                "agents": [{"id": "a", "status": "running", "name": "n"}]}),
            json!({"type": "tool_result", "id": "i", "ok": true, "preview": "p", "bytes": 1, "durationMs": 7,
                "agents": [{"id": "a", "status": "later", "message": "m"}]}),
            json!({"type": "file_changed", "path": "p", "action": "created", "by": "i"}),
            json!({"type": "workspace_changes", "complete": false, "missed": "m", "changes": 2, "shared": true,
                "list": "l", "diffs": "d"}),
            json!({"type": "usage", "inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 3, "cacheWriteTokens": 4,
                "costUsd": 0.5, "turns": 6}),
            json!({"type": "session", "id": "i", "model": "m", "version": "v"}),
            json!({"type": "waiting", "why": "w", "cause": "retry", "delayMs": 5, "until": 6}),
            json!({"type": "resources", "cpuMs": 1, "cpuPercent": 2, "memoryBytes": 3, "peakMemoryBytes": 4}),
            json!({"type": "gap", "fromSeq": 1, "toSeq": 2, "fromOffset": 3, "toOffset": 4, "events": 5, "bytes": 6,
                "recorded": 7, "atLeast": true}),
            json!({"type": "unknown", "raw": "{}"}),
        ]
    }

    #[test]
    fn every_kind_is_read_and_written_back_whole() {
        let kinds: Vec<_> =
            samples().iter().map(|sample| sample["type"].as_str().unwrap().to_owned()).collect();
        assert_eq!(kinds, KINDS);
        for sample in samples() {
            let event: WorkerEvent = serde_json::from_str(&sample.to_string()).unwrap();
            let is_unknown = matches!(event, WorkerEvent::Unknown { .. });
            assert_eq!(is_unknown, sample["type"] == "unknown", "{sample}");
            let mut expected = sample.clone();
            // A percentage is a number, however it is written.
            if let Some(percent) = expected.get_mut("percent") {
                *percent = json!(50);
            }
            assert_eq!(serde_json::to_value(&event).unwrap(), expected);
            assert_eq!(WorkerEvent::deserialize(sample).unwrap(), event, "from a tree");
        }
    }

    #[test]
    fn what_is_not_known_is_kept_with_its_keys_in_order() {
        for line in [
            r#"{"type":"hologram","x":1,"a":{"type":"stdout"}}"#,
            r#"{"x":1,"type":"hologram","a":{"type":"stdout"}}"#,
            r#"{"a":{"type":"stdout"},"x":1,"type":"holo\u0067ram"}"#,
        ] {
            let raw = r#"{"a":{"type":"stdout"},"type":"hologram","x":1}"#.to_owned();
            assert_eq!(serde_json::from_str::<WorkerEvent>(line).unwrap(), WorkerEvent::Unknown { raw });
        }
        for line in
            ["[]", "7", "\"text\"", "{}", r#"{"type":7}"#, r#"{"x":1,"type":null}"#, r#"{"type":"stdout"}"#]
        {
            assert!(serde_json::from_str::<WorkerEvent>(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_fields_does_not_matter(
            (sample, order) in prop::sample::select(samples()).prop_flat_map(|sample| {
                let names: Vec<String> = sample.as_object().unwrap().keys().cloned().collect();
                (Just(sample), Just(names).prop_shuffle())
            })
        ) {
            let fields: Vec<_> =
                order.iter().map(|name| format!("{}:{}", Value::from(name.as_str()), sample[name])).collect();
            let line = format!("{{{},\"of_a_later_version\":[1,{{}}]}}", fields.join(","));
            let event: WorkerEvent = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(event, WorkerEvent::deserialize(sample).unwrap());
        }
    }
}
