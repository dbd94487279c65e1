//! Which strings of an event or a result are free text, and which are structure.
//!
//! Free text is what people or programs write in their own words: messages, output, instructions, what a tool was given
//! and what it returned, paths of files as a worker names them. Structure is what a reader decides by: kinds, words of
//! enumerations, ids, names of steps, tools, models and versions, names of blobs. Secrets are taken out of free text
//! alone, so that no value, whatever it is, changes what an event says happened.
//!
//! Every field is named in this file: a new one does not compile before somebody has said which of both it is.

use serde_json::{Map, Value};

use crate::{
    AgentDelta, AgentText, Artifact, CoreEvent, Leaked, Observation, Patch, PlanItem, Progress,
    ResultDetails, SessionInfo, SubAgent, ToolCall, ToolResult, Waiting, WorkerEvent, WorkerOutput,
    WorkerResult, WorkspaceChanges,
};

/// Gives every free text of a value to a function that may change it, and nothing else.
pub trait FreeText {
    /// Calls `visit` with each free text.
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String));
}

impl FreeText for WorkerEvent {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Stdout(output) | Self::Stderr(output) => {
                let WorkerOutput { data, offset: _, len: _, partial: _ } = output;
                visit(data);
            }
            Self::Progress(progress) => {
                let Progress { message, percent: _, phase, basis, level: _ } = progress;
                visit(message);
                phase.iter_mut().chain(basis).for_each(visit);
            }
            Self::Patch(patch) => {
                let Patch { file_path, diff, seen: _ } = patch;
                visit(file_path);
                visit(diff);
            }
            Self::Text(text_of_agent) | Self::Thinking(text_of_agent) => {
                let AgentText { id: _, text, parent: _, blob: _ } = text_of_agent;
                visit(text);
            }
            Self::TextDelta(piece) | Self::ThinkingDelta(piece) => {
                let AgentDelta { id: _, delta, parent: _, restart: _ } = piece;
                visit(delta);
            }
            Self::Plan { items } => {
                for PlanItem { text, status: _ } in items {
                    visit(text);
                }
            }
            Self::ToolCall(call) => {
                let ToolCall { id: _, name: _, input, blob: _, parent: _, agents } = call;
                visit_input(input, visit);
                visit_agents(agents, visit);
            }
            Self::ToolResult(result) => {
                let ToolResult { id: _, ok: _, preview, bytes: _, blob: _, duration_ms: _, agents } = result;
                visit(preview);
                visit_agents(agents, visit);
            }
            Self::FileChanged { path, action: _, by: _, seen: _ } => visit(path),
            Self::WorkspaceChanges(found) => {
                let WorkspaceChanges { complete: _, missed, changes: _, shared: _, list: _, diffs: _ } =
                    found;
                missed.iter_mut().for_each(visit);
            }
            Self::LogGrew(_) | Self::Usage(_) | Self::Resources(_) | Self::Gap(_) => {}
            Self::Session(session) => {
                let SessionInfo { id: _, model: _, version: _ } = session;
            }
            Self::Waiting(waiting) => {
                let Waiting { why, cause: _, delay_ms: _, until: _ } = waiting;
                visit(why);
            }
            Self::Unknown { raw } => visit_raw(raw, visit),
        }
    }
}

impl FreeText for CoreEvent {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::WorkerStarted { job_id: _, process: _ }
            | Self::WorkerEnding { job_id: _, phase: _, reason: _, limit_ms: _ }
            | Self::Permits { active: _, limit: _ } => {}
            Self::Leaked { job_id: _, leaked } => leaked.visit_text(visit),
            Self::Warning { job_id: _, message } => visit(message),
            Self::Unknown { raw } => visit_raw(raw, visit),
        }
    }
}

impl FreeText for WorkerResult {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        let Self {
            status: _,
            artifacts,
            observations,
            cost: _,
            duration_ms: _,
            exit_code: _,
            error_class: _,
            details,
        } = self;
        for Artifact { artifact_type: _, reference, content } in artifacts {
            visit(reference);
            content.iter_mut().for_each(&mut *visit);
        }
        for Observation { summary, command, files_changed } in observations {
            summary.iter_mut().chain(command).chain(files_changed).for_each(&mut *visit);
        }
        if let Some(details) = details {
            details.visit_text(visit);
        }
    }
}

impl FreeText for ResultDetails {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        let Self {
            cancel_reason: _,
            signal: _,
            killed: _,
            error,
            leaked,
            log_bytes: _,
            events_bytes: _,
            last_seq: _,
            answer,
            session_id: _,
            model: _,
            turns: _,
            usage: _,
            resources: _,
            denials,
            error_kind: _,
            waited_for,
            retry_at: _,
            notes,
        } = self;
        error.iter_mut().chain(answer).chain(denials).chain(waited_for).chain(notes).for_each(&mut *visit);
        leaked.iter_mut().for_each(|leaked| leaked.visit_text(visit));
    }
}

impl FreeText for Leaked {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        let Self { process: _, command } = self;
        visit(command);
    }
}

fn visit_agents(agents: &mut [SubAgent], visit: &mut dyn FnMut(&mut String)) {
    for SubAgent { id: _, status: _, name, message } in agents {
        name.iter_mut().chain(message).for_each(&mut *visit);
    }
}

/// What a tool was given has the shape its program chose: texts and numbers are free, and so are keys, unless
/// they are words that a reader knows a field by.
fn visit_input(input: &mut Value, visit: &mut dyn FnMut(&mut String)) {
    match input {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let before = number.to_string();
            let mut after = before.clone();
            visit(&mut after);
            if after != before {
                *input = Value::String(after);
            }
        }
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| visit_input(item, visit)),
        Value::Object(fields) => {
            visit_keys(fields, visit);
            fields.values_mut().for_each(|field| visit_input(field, visit));
        }
    }
}

/// Names of fields are written in letters, with `_` and `-` between them. What looks like that and has no digit is
/// taken for one.
fn is_field_name(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 40
        && key.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte))
}

fn visit_keys(fields: &mut Map<String, Value>, visit: &mut dyn FnMut(&mut String)) {
    let changes = |key: &String, visit: &mut dyn FnMut(&mut String)| {
        let mut after = key.clone();
        if !is_field_name(key) {
            visit(&mut after);
        }
        (after != *key).then_some(after)
    };
    if !fields.keys().any(|key| changes(key, visit).is_some()) {
        return;
    }
    for (key, value) in std::mem::take(fields) {
        let wanted = changes(&key, visit).unwrap_or(key);
        let mut name = wanted.clone();
        let mut number = 2;
        while fields.contains_key(&name) {
            name = format!("{wanted} ({number})");
            number += 1;
        }
        fields.insert(name, value);
    }
}

/// A line that was not understood. When it is a JSON object its keys and the words that say which kind it is are
/// structure, and the rest is free; any other line is free as a whole.
fn visit_raw(raw: &mut String, visit: &mut dyn FnMut(&mut String)) {
    let mut whole = raw.clone();
    visit(&mut whole);
    if whole == *raw {
        return;
    }
    *raw = match serde_json::from_str::<Map<String, Value>>(raw) {
        Ok(mut fields) => {
            visit_fields(&mut fields, visit);
            Value::Object(fields).to_string()
        }
        Err(_) => whole,
    };
}

fn visit_fields(fields: &mut Map<String, Value>, visit: &mut dyn FnMut(&mut String)) {
    for (key, value) in fields {
        let is_kind = ["type", "subtype", "kind"].contains(&key.as_str());
        match value {
            Value::String(_) if is_kind => {}
            Value::Object(fields) => visit_fields(fields, visit),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::Object(fields) => visit_fields(fields, visit),
                        item => visit_input(item, visit),
                    }
                }
            }
            value => visit_input(value, visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Puts `*` for each text that holds this.
    fn hide(value: &mut impl FreeText, secret: &str) {
        value.visit_text(&mut |text| *text = text.replace(secret, "*"));
    }

    fn call(input: Value) -> WorkerEvent {
        let (id, name) = ("toolu_1".to_owned(), "mcp__vault__read".to_owned());
        WorkerEvent::ToolCall(ToolCall {
            id,
            name,
            input,
            blob: Some("b1".into()),
            parent: None,
            agents: Vec::new(),
        })
    }

    #[test]
    fn an_input_is_free_but_for_the_names_of_its_fields() {
        let input = json!({
            "file_path": "/a/file_path",
            "s3cret-0123": [12_345_678, "file_path 12345678", { "a b": 1.5 }],
            "s3cret-0123x": true,
        });
        let mut event = call(input);
        for secret in ["file_path", "12345678", "s3cret-0123x", "s3cret-0123", "toolu_1", "mcp__vault__read"]
        {
            hide(&mut event, secret);
        }
        let expected = json!({"file_path": "/a/*", "*": true, "* (2)": ["*", "* *", { "a b": 1.5 }]});
        assert_eq!(event, call(expected));
    }

    #[test]
    fn a_line_that_is_not_understood_keeps_its_kind_and_its_keys() {
        let raw = r#"{"subtype":"workspace","text":"in workspace","type":"item.completed","x":[{"kind":"workspace","workspace":"workspace"},"workspace"]}"#;
        let mut event = WorkerEvent::Unknown { raw: raw.to_owned() };
        hide(&mut event, "workspace");
        hide(&mut event, "item.completed");
        hide(&mut event, "subtype");
        let hidden = r#"{"subtype":"workspace","text":"in *","type":"item.completed","x":[{"kind":"workspace","workspace":"*"},"*"]}"#;
        assert_eq!(event, WorkerEvent::Unknown { raw: hidden.to_owned() });
        let mut event = WorkerEvent::Unknown { raw: "{\"workspace".to_owned() };
        hide(&mut event, "workspace");
        assert_eq!(event, WorkerEvent::Unknown { raw: "{\"*".to_owned() });
    }
}
