//! What a line of an agent has that its adapter does not know: a newer version may have changed its output.
//!
//! The adapter itself is asked. A line is read by its translator, which reports what it does not understand and what it
//! passes over; and by its own types, which notice a value of another type than expected.

use roboppi_ipc::WorkerKind;

use crate::{claude, codex, gemini, opencode};

/// What the adapter of `kind` does not know of a line of standard output. Each is a phrase of its own:
/// ``item type `foo` unknown``, ``result: `usage` is a text``. A kind without a session of an agent has none.
#[must_use]
pub fn unknown_parts(kind: WorkerKind, line: &str) -> Vec<String> {
    let parts = match kind {
        WorkerKind::CLAUDE_CODE => claude::unknown_parts,
        WorkerKind::CODEX_CLI => codex::unknown_parts,
        WorkerKind::OPENCODE => opencode::unknown_parts,
        WorkerKind::GEMINI => gemini::unknown_parts,
        _ => return Vec::new(),
    };
    parts(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: WorkerKind, line: &str) -> String {
        unknown_parts(kind, line).join("; ")
    }

    #[test]
    fn what_an_adapter_knows_is_no_drift() {
        for (kind, line) in [
            (
                WorkerKind::CLAUDE_CODE,
                r#"{"type":"system","subtype":"init","session_id":"s","new_field":[1]}"#,
            ),
            (WorkerKind::CLAUDE_CODE, r#"{"type":"system","subtype":"hook_started"}"#),
            (
                WorkerKind::CODEX_CLI,
                r#"{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"a"}}"#,
            ),
            (
                WorkerKind::CODEX_CLI,
                r#"{"type":"item.started","item":{"type":"command_execution","exit_code":null}}"#,
            ),
            (WorkerKind::OPENCODE, r#"{"type":"step_start","part":{}}"#),
            (WorkerKind::GEMINI, r#"{"type":"message","role":"user","content":"a"}"#),
        ] {
            assert_eq!(of(kind, line), "", "{line}");
        }
    }

    #[test]
    fn new_kinds_are_named() {
        let claude = |line| of(WorkerKind::CLAUDE_CODE, line);
        assert_eq!(claude(r#"{"type":"system","subtype":"news"}"#), "system subtype `news` unknown");
        assert_eq!(claude(r#"{"type":"news","subtype":"a"}"#), "line type `news/a` unknown");
        assert_eq!(claude(r#"{"type":"stream_event","event":{"type":"x"}}"#), "stream event `x` unknown");
        let block = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"hologram"}]}}"#;
        assert_eq!(claude(block), "content block `hologram` unknown");
        assert_eq!(
            of(WorkerKind::CODEX_CLI, r#"{"type":"item.completed","item":{"type":"foo"}}"#),
            "item type `foo` of `item.completed` unknown"
        );
        assert_eq!(of(WorkerKind::GEMINI, r#"{"type":"thought"}"#), "line type `thought` unknown");
        assert_eq!(of(WorkerKind::OPENCODE, "Warning"), "a line that is no JSON object");
    }

    #[test]
    fn each_value_of_another_type_is_named_with_its_place() {
        let line = r#"{"type":"item.completed","item":{"id":7,"type":"file_change","changes":[{"path":"a"},
            {"path":["b"]},{"path":{}},"c"]}}"#;
        let name = "item type `file_change` of `item.completed`";
        let expected = [
            "`item.changes[].path` is a list",
            "`item.changes[].path` is an object",
            "`item.changes[]` is a text",
            "`item.id` is a number",
        ];
        assert_eq!(
            unknown_parts(WorkerKind::CODEX_CLI, line),
            expected.map(|part| format!("{name}: {part}"))
        );
    }
}
