//! What the model says and does, in words that fit every agent.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// Turns of the model, and what goes wrong before the first one succeeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) turns: Vec<Vec<Step>>,
    /// Each is the answer to one request.
    pub(crate) faults: Vec<Fault>,
    /// The answer to every request.
    pub(crate) always: Option<u16>,
}

impl Script {
    pub(crate) fn new(turns: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self { turns: turns.into_iter().collect(), ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// No answer but this status.
    Status(u16),
    /// The answer breaks off.
    Drop,
}

/// One thing a turn does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(String),
    Read(&'static str),
    Write { path: &'static str, content: &'static str },
    Edit { path: &'static str, old: &'static str, new: &'static str },
    Bash(String),
}

/// The same in the tools of one agent.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Call { id: String, name: String, input: Value },
}

impl Step {
    pub(super) fn as_part(&self, tools: &[(String, Value)], workspace: &Path) -> Part {
        let (name, input) = match self {
            Self::Say(text) => return Part::Text(text.clone()),
            Self::Bash(command) => shell(tools, command),
            Self::Read(path) => match find(tools, &["Read", "read", "read_file"]) {
                Some((name, has)) => (name, json!({ (path_key(has)): workspace.join(path) })),
                None => shell(tools, &format!("cat {path}")),
            },
            Self::Write { path, content } => match find(tools, &["Write", "write", "write_file"]) {
                Some((name, has)) => {
                    (name, json!({ (path_key(has)): workspace.join(path), "content": content }))
                }
                None => patch(tools, &format!("*** Add File: {path}\n{}", signed('+', content))),
            },
            Self::Edit { path, old, new } => match find(tools, &["Edit", "edit", "replace"]) {
                Some((name, has)) => (name, edit(has, &workspace.join(path), old, new)),
                None => {
                    let lines = [signed('-', old), signed('+', new)].join("\n");
                    patch(tools, &format!("*** Update File: {path}\n@@\n{lines}"))
                }
            },
        };
        Part::Call { id: next_id("call"), name, input }
    }
}

/// An id no other has.
pub(super) fn next_id(kind: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{kind}_{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn find<'a>(tools: &'a [(String, Value)], names: &[&str]) -> Option<(String, &'a Value)> {
    names.iter().find_map(|wanted| {
        let (name, properties) = tools.iter().find(|(name, _)| name == wanted)?;
        Some((name.clone(), properties))
    })
}

fn path_key(properties: &Value) -> &'static str {
    ["filePath", "file_path", "absolute_path"]
        .into_iter()
        .find(|key| properties.get(*key).is_some())
        .unwrap_or("path")
}

fn edit(properties: &Value, path: &Path, old: &str, new: &str) -> Value {
    if properties.get("oldString").is_some() {
        return json!({ "filePath": path, "oldString": old, "newString": new });
    }
    let mut input = json!({ "file_path": path, "old_string": old, "new_string": new });
    if properties.get("instruction").is_some() {
        input["instruction"] = "replace a text".into();
    }
    input
}

fn shell(tools: &[(String, Value)], command: &str) -> (String, Value) {
    let names = ["Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"];
    let Some((name, has)) = find(tools, &names) else {
        return ("bash".to_owned(), json!({ "command": command }));
    };
    let key = if has.get("cmd").is_some() { "cmd" } else { "command" };
    let mut input = json!({ (key): command });
    if name == "shell" {
        input["command"] = json!(["bash", "-c", command]);
    }
    if has.get("description").is_some() {
        input["description"] = "run a command".into();
    }
    (name, input)
}

/// Codex changes files by a command it does not run but understands.
fn patch(tools: &[(String, Value)], change: &str) -> (String, Value) {
    let patch = format!("*** Begin Patch\n{change}\n*** End Patch");
    shell(tools, &format!("apply_patch <<'END_OF_PATCH'\n{patch}\nEND_OF_PATCH"))
}

fn signed(sign: char, text: &str) -> String {
    text.lines().map(|line| format!("{sign}{line}")).collect::<Vec<_>>().join("\n")
}

/// A text in the pieces a stream has.
pub(super) fn split(text: &str) -> Vec<String> {
    const PIECE: usize = 16;
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}
