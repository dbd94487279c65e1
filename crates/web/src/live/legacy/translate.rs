//! Events of a run in the words of AgentGate.

use serde_json::{Value, json};

use super::PREVIEW;
use crate::api::text::cut;

/// What was reported of a run, as later messages need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    status: Option<String>,
    tools: u64,
    began: Option<u64>,
}

/// A message: its type, its time, and its fields.
pub(crate) type Message = (&'static str, u64, Value);

/// The messages of an event, given as JSON.
pub(crate) fn translate(id: &str, event: &str, reported: &mut Reported) -> Vec<Message> {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let at = event["at"].as_u64().unwrap_or(0);
    match event["kind"].as_str().unwrap_or_default() {
        "activity" => activity(id, &event["item"], reported)
            .into_iter()
            .map(|(kind, fields)| (kind, at, fields))
            .collect(),
        "runChanged" => run_changed(id, at, &event["run"], reported),
        "stepChanged" => {
            let state = event["step"]["state"].as_str().unwrap_or_default();
            if event["step"]["iteration"].is_u64() && state == "running" {
                let fields = json!({"workOrderId": id, "runId": id, "iterationNumber": event["step"]["iteration"],
                    "totalIterations": event["step"]["maxIterations"], "verificationPassed": false});
                return vec![("run_iteration", at, fields)];
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn run_changed(id: &str, at: u64, run: &Value, reported: &mut Reported) -> Vec<Message> {
    let state = run["state"].as_str().unwrap_or_default().to_owned();
    let mut messages = Vec::new();
    if reported.began.is_none() {
        reported.began = run["startedAt"].as_u64();
        if reported.status.is_none() && state == "running" {
            messages.push(("run_started", at, json!({"workOrderId": id, "runId": id, "runNumber": 1})));
        }
    }
    if reported.status.as_ref() == Some(&state) {
        return messages;
    }
    let previous = reported.status.replace(state.clone());
    let mut fields = json!({"workOrderId": id, "status": state});
    if let Some(previous) = previous {
        fields["previousStatus"] = previous.into();
    }
    messages.push(("work_order_updated", at, fields));
    match state.as_str() {
        "running" | "ending" | "unknown" | "elsewhere" => {}
        "succeeded" => messages.push(("run_completed", at, json!({"workOrderId": id, "runId": id}))),
        other => {
            let error = run["detail"].as_str().unwrap_or(other);
            messages.push(("run_failed", at, json!({"workOrderId": id, "runId": id, "error": error})));
        }
    }
    messages
}

fn activity(id: &str, item: &Value, reported: &mut Reported) -> Option<(&'static str, Value)> {
    let base = json!({"workOrderId": id, "runId": id});
    let with = |fields: Value| {
        let mut base = base.clone();
        if let (Some(base), Value::Object(fields)) = (base.as_object_mut(), fields) {
            base.extend(fields);
        }
        base
    };
    let (kind, fields) = match item["kind"].as_str()? {
        "toolCall" => {
            reported.tools += 1;
            // The input is an object there.
            let input = if item["input"].is_object() {
                item["input"].clone()
            } else {
                json!({"text": item["input"]})
            };
            ("agent_tool_call", json!({"toolUseId": item["id"], "tool": item["tool"], "input": input}))
        }
        "toolResult" => {
            let preview = match cut(item["preview"].as_str().unwrap_or_default(), PREVIEW) {
                (text, false) => text.to_owned(),
                (text, true) => format!("{text}..."),
            };
            let fields = json!({"toolUseId": item["id"], "success": item["ok"], "contentPreview": preview,
                "contentLength": item["bytes"], "durationMs": item["durationMs"].as_u64().unwrap_or(0)});
            ("agent_tool_result", fields)
        }
        "text" => ("agent_output", json!({"content": item["text"]})),
        "fileChanged" => ("file_changed", json!({"path": item["path"], "action": item["change"]})),
        "progress" => {
            let elapsed = reported
                .began
                .zip(item["at"].as_u64())
                .map_or(0, |(began, at)| at.saturating_sub(began) / 1000);
            let phase = item["phase"].as_str().or(item["message"].as_str()).unwrap_or_default();
            let fields = json!({"percentage": item["percent"].as_f64().unwrap_or(0.0), "currentPhase": phase,
                "toolCallCount": reported.tools, "elapsedSeconds": elapsed});
            ("progress_update", fields)
        }
        _ => return None,
    };
    Some((kind, with(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_names_and_fields_of_the_other_program() {
        let mut reported = Reported::default();
        let mut translated = |event: Value| translate("r1", &event.to_string(), &mut reported);
        let running = json!({"at": 1, "kind": "runChanged", "run": {"state": "running", "startedAt": 1}});
        let kinds: Vec<_> = translated(running.clone()).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, ["run_started", "work_order_updated"]);
        assert!(translated(running).is_empty(), "it was reported");
        let call = json!({"at": 2, "kind": "activity", "item": {"kind": "toolCall", "id": "t", "tool": "Bash", "input": {"command": "ls"}}});
        assert_eq!(
            translated(call),
            [(
                "agent_tool_call",
                2,
                json!({"workOrderId": "r1", "runId": "r1", "toolUseId": "t", "tool": "Bash", "input": {"command": "ls"}})
            )]
        );
        let result = json!({"at": 3, "kind": "activity", "item": {"kind": "toolResult", "id": "t", "ok": true, "preview": "x".repeat(600), "bytes": 600}});
        let (_, _, fields) = translated(result).remove(0);
        assert_eq!(
            (fields["contentPreview"].as_str().unwrap().len(), &fields["contentLength"]),
            (503, &json!(600))
        );
        let failed = json!({"at": 4, "kind": "runChanged", "run": {"state": "failed", "detail": "no", "startedAt": 1}});
        let messages = translated(failed);
        assert_eq!(messages[0].2["previousStatus"], "running");
        assert_eq!((messages[1].0, &messages[1].2["error"]), ("run_failed", &json!("no")));
    }
}
