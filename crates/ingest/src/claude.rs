//! What Claude Code hands to its hooks, one JSON object on standard input.

use roboppi_ipc::WorkerKind;
use serde::Deserialize;
use serde_json::Value;

use crate::Emission;
use crate::emission::{Ending, StepUpdate};

/// The kind of worker.
pub const WORKER: WorkerKind = WorkerKind::CLAUDE_CODE;

/// The step that stands for a session.
const SESSION: &str = "session";

/// Characters of a prompt that are shown as progress.
const PROMPT: usize = 500;

/// What a hook was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The session: its hooks are one run.
    pub session: String,
    /// Where it works.
    pub cwd: Option<String>,
    /// What it reports.
    pub emissions: Vec<Emission>,
}

#[derive(Deserialize)]
struct Payload {
    session_id: String,
    hook_event_name: String,
    cwd: Option<String>,
    model: Option<Value>,
    tool_name: Option<String>,
    tool_input: Option<Value>,
    tool_response: Option<Value>,
    tool_use_id: Option<String>,
    duration_ms: Option<u64>,
    error: Option<Value>,
    prompt: Option<String>,
    message: Option<String>,
    notification_type: Option<String>,
    last_assistant_message: Option<String>,
    reason: Option<String>,
    source: Option<String>,
    trigger: Option<String>,
}

/// Reads what a hook was given.
///
/// # Errors
/// When it is not the input of a hook.
pub fn hook(text: &str) -> Result<Hook, String> {
    let payload: Payload = serde_json::from_str(text)
        .map_err(|error| format!("not the input of a Claude Code hook: {error}"))?;
    let (session, cwd) = (payload.session_id.clone(), payload.cwd.clone());
    let mut emissions = Vec::new();
    let event = payload.hook_event_name.clone();
    match event.as_str() {
        "SessionStart" => begin(payload, &mut emissions),
        "UserPromptSubmit" => emissions.push(progress("prompt", &payload.prompt.unwrap_or_default())),
        "PreToolUse" => emissions.push(Emission::ToolCall {
            id: call_id(&payload),
            tool: payload.tool_name.unwrap_or_default(),
            input: payload.tool_input.unwrap_or_default(),
            parent: None,
            step: None,
        }),
        "PostToolUse" | "PostToolUseFailure" => {
            let ok = event == "PostToolUse" && !is_failure(payload.tool_response.as_ref());
            let text = payload.error.as_ref().or(payload.tool_response.as_ref()).map(result_text);
            emissions.push(Emission::ToolResult {
                id: call_id(&payload),
                ok,
                text: text.unwrap_or_default(),
                duration_ms: payload.duration_ms,
                step: None,
            });
        }
        "Notification" => {
            let permission = payload.notification_type.as_deref() == Some("permission_prompt");
            emissions.push(Emission::Waiting { why: payload.message.unwrap_or_default(), permission });
        }
        "PermissionRequest" => {
            let why = format!("permission for {}", payload.tool_name.unwrap_or_default());
            emissions.push(Emission::Waiting { why, permission: true });
        }
        "Stop" => emissions.push(match payload.last_assistant_message {
            Some(text) if !text.is_empty() => Emission::Activity { text, step: None },
            _ => progress("turn", "ended"),
        }),
        "SubagentStart" => emissions.push(progress("sub-agent", "started")),
        "SubagentStop" => emissions.push(progress("sub-agent", "ended")),
        "PreCompact" => emissions
            .push(progress("context", &format!("compacted ({})", payload.trigger.unwrap_or_default()))),
        "SessionEnd" => {
            let detail = payload.reason.map(|reason| format!("the session ended: {reason}"));
            emissions.push(Emission::Complete { outcome: Ending::Succeeded, detail });
        }
        _ => emissions.push(Emission::Unknown { raw: text.to_owned() }),
    }
    Ok(Hook { session, cwd, emissions })
}

fn begin(payload: Payload, emissions: &mut Vec<Emission>) {
    let model = payload.model.and_then(|model| match model {
        Value::String(name) => Some(name),
        other => other.get("id").and_then(Value::as_str).map(str::to_owned),
    });
    emissions.push(Emission::Step(StepUpdate {
        step: SESSION.to_owned(),
        state: None,
        detail: None,
        duration_ms: None,
    }));
    emissions.push(Emission::Session { id: payload.session_id, model });
    if let Some(source) = payload.source {
        emissions.push(progress("session", &source));
    }
}

pub(crate) fn progress(phase: &str, text: &str) -> Emission {
    let end = text.char_indices().nth(PROMPT).map_or(text.len(), |(at, _)| at);
    Emission::Progress {
        message: format!("{phase}: {}", &text[..end]),
        percent: None,
        phase: None,
        step: None,
    }
}

/// The id of a call. Versions without one make the same calls one after the other.
fn call_id(payload: &Payload) -> String {
    let by_content = || {
        let input = payload.tool_input.as_ref().map(Value::to_string).unwrap_or_default();
        format!(
            "{}:{}",
            payload.tool_name.as_deref().unwrap_or_default(),
            &input[..input.floor_char_boundary(200)]
        )
    };
    payload.tool_use_id.clone().unwrap_or_else(by_content)
}

/// Whether a tool reports that it failed.
fn is_failure(response: Option<&Value>) -> bool {
    let Some(Value::Object(fields)) = response else { return false };
    let is = |name: &str, value: bool| fields.get(name) == Some(&Value::Bool(value));
    is("is_error", true) || is("success", false) || is("interrupted", true)
}

/// The text of a result.
pub(crate) fn result_text(response: &Value) -> String {
    let texts = |fields: &serde_json::Map<String, Value>| {
        let parts =
            ["stdout", "stderr"].map(|name| fields.get(name).and_then(Value::as_str).unwrap_or_default());
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    };
    match response {
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.contains_key("stdout") => texts(fields),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Emission {
        let mut emissions = hook(text).unwrap().emissions;
        assert_eq!(emissions.len(), 1, "{emissions:?}");
        emissions.remove(0)
    }

    #[test]
    fn calls_and_results_have_the_same_id() {
        let with = |event: &str, more: &str| {
            format!(
                r#"{{"session_id":"s1","transcript_path":"/t.jsonl","cwd":"/w","permission_mode":"default","hook_event_name":"{event}","tool_name":"Bash","tool_input":{{"command":"ls"}}{more}}}"#
            )
        };
        for more in ["", r#","tool_use_id":"toolu_1""#] {
            let Emission::ToolCall { id, tool, .. } = one(&with("PreToolUse", more)) else {
                panic!("a call")
            };
            assert_eq!(tool, "Bash");
            for (event, response, expected, text) in [
                ("PostToolUse", r#"{"stdout":"a","stderr":"b","interrupted":false}"#, true, "a\nb"),
                ("PostToolUse", r#"{"success":false}"#, false, r#"{"success":false}"#),
                ("PostToolUse", r#""done""#, true, "done"),
                ("PostToolUseFailure", "null", false, "Exit code 1"),
            ] {
                let error = if event == "PostToolUse" { "" } else { r#","error":"Exit code 1""# };
                let given =
                    with(event, &format!(r#"{more},"duration_ms":12,"tool_response":{response}{error}"#));
                let result = one(&given);
                let expected = Emission::ToolResult {
                    id: id.clone(),
                    ok: expected,
                    text: text.to_owned(),
                    duration_ms: Some(12),
                    step: None,
                };
                assert_eq!(result, expected, "{given}");
            }
        }
    }

    #[test]
    fn a_session_begins_waits_and_ends() {
        let begin = hook(r#"{"session_id":"s1","cwd":"/w","hook_event_name":"SessionStart","source":"startup","model":"claude-sonnet-4-5"}"#)
            .unwrap();
        assert_eq!(
            (begin.session.as_str(), begin.cwd.as_deref(), begin.emissions.len()),
            ("s1", Some("/w"), 3)
        );
        let event = |event: &str, more: &str| {
            one(&format!(r#"{{"session_id":"s1","hook_event_name":"{event}"{more}}}"#))
        };
        let waits = event("Notification", r#","message":"may I?","notification_type":"permission_prompt""#);
        assert_eq!(waits, Emission::Waiting { why: "may I?".into(), permission: true });
        let ends = event("SessionEnd", r#","reason":"logout""#);
        assert!(matches!(ends, Emission::Complete { outcome: Ending::Succeeded, .. }));
        assert_eq!(
            event("Stop", r#","last_assistant_message":"All done.""#),
            Emission::Activity { text: "All done.".into(), step: None }
        );
        assert!(matches!(event("Dance", ""), Emission::Unknown { .. }));
        let long = "é".repeat(2_000);
        let Emission::Progress { message, .. } = event("UserPromptSubmit", &format!(r#","prompt":"{long}""#))
        else {
            panic!("progress")
        };
        assert_eq!(message.chars().count(), PROMPT + "prompt: ".len());
        for bad in ["", "{}", "[]", r#"{"session_id":1}"#] {
            assert!(hook(bad).unwrap_err().starts_with("not the input of a Claude Code hook"), "{bad}");
        }
    }
}
