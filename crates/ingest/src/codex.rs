//! What Codex hands to its `notify` program, one JSON object as the last argument.

use roboppi_ipc::WorkerKind;
use serde::Deserialize;

use crate::Emission;
use crate::emission::{Ending, StepUpdate};

/// The kind of worker.
pub const WORKER: WorkerKind = WorkerKind::CODEX_CLI;

/// A turn that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Where it worked.
    pub cwd: Option<String>,
    /// What it reports: one run from its beginning to its end, because no notification follows a conversation.
    pub emissions: Vec<Emission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    input_messages: Vec<String>,
    #[serde(default)]
    last_assistant_message: Option<String>,
}

/// Reads a notification; `None` of one that is not the end of a turn.
///
/// # Errors
/// When it is not a notification of Codex.
pub fn turn(text: &str) -> Result<Option<Turn>, String> {
    let payload: Payload =
        serde_json::from_str(text).map_err(|error| format!("not a notification of Codex: {error}"))?;
    if payload.kind != "agent-turn-complete" {
        return Ok(None);
    }
    let step =
        |state| Emission::Step(StepUpdate { step: "turn".into(), state, detail: None, duration_ms: None });
    let mut emissions = vec![step(None)];
    if let Some(id) = payload.thread_id {
        emissions.push(Emission::Session { id, model: None });
    }
    if !payload.input_messages.is_empty() {
        let message = format!("prompt: {}", payload.input_messages.join(" "));
        emissions.push(Emission::Progress { message, percent: None, phase: None, step: None });
    }
    if let Some(text) = payload.last_assistant_message {
        emissions.push(Emission::Activity { text, step: None });
    }
    emissions.push(step(Some(Ending::Succeeded)));
    emissions.push(Emission::Complete { outcome: Ending::Succeeded, detail: None });
    Ok(Some(Turn { cwd: payload.cwd, emissions }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_run() {
        let text = r#"{"type":"agent-turn-complete","thread-id":"t1","turn-id":"1","cwd":"/w","input-messages":["fix it"],"last-assistant-message":"Fixed."}"#;
        let found = turn(text).unwrap().unwrap();
        assert_eq!((found.cwd.as_deref(), found.emissions.len()), (Some("/w"), 6));
        assert_eq!(turn(r#"{"type":"approval-requested"}"#), Ok(None));
        assert!(turn("{}").is_err());
    }
}
