//! What the model says and does, in words that fit every agent.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// Turns of the model, and what goes wrong before the first one succeeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) turns: Vec<Vec<Step>>,
    /// Each is the answer to one request.
    pub(crate) faults: Vec<Fault>,
    /// The answer to every request.
    pub(crate) always: Option<Fault>,
    /// Turns of each sub-agent; its prompt has [`SUB_TASK`] in it.
    pub(crate) of_sub_agent: Vec<Vec<Step>>,
    /// Time a sub-agent takes for each of its turns.
    pub(crate) sub_agent_pace: Duration,
}

/// What agents are asked to do.
pub(crate) const PROMPT: &str = "Please do the task.";

/// Marks the prompt of a sub-agent.
pub(crate) const SUB_TASK: &str = "SUB-TASK-7731";

impl Script {
    pub(crate) fn new(turns: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self { turns: turns.into_iter().collect(), ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// No answer but this status.
    Status(u16),
    /// A limit of the account is used up, until this second of UTC.
    Limit(u64),
    /// The answer breaks off.
    Drop,
}

/// One thing a turn does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(String),
    /// Paths are those of the workspace, or absolute.
    Read(String),
    Write {
        path: String,
        content: String,
    },
    Edit {
        path: String,
        old: String,
        new: String,
    },
    Bash(String),
    /// A command in the background, by the means the agent has for that.
    Background(String),
    SubAgent {
        in_background: bool,
    },
    /// Waits for the sub-agents, where the agent has a call for that.
    AwaitSubAgents,
    /// Another turn, after the shortest time the agent accepts.
    WakeUp,
}

/// The same in the tools of one agent.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Call { id: String, name: String, input: Value },
}

impl Step {
    /// `None` when the agent offers nothing for it.
    pub(super) fn as_part(&self, tools: &Tools, workspace: &Path, request: &Value) -> Option<Part> {
        let (name, input) = match self {
            Self::Say(text) => return Some(Part::Text(text.clone())),
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
            Self::Background(command) => in_background(tools, command),
            Self::SubAgent { in_background } => sub_agent(tools, *in_background)?,
            Self::AwaitSubAgents => match find(tools, &["wait_agent"]) {
                Some((name, _)) => (name, json!({ "targets": agent_ids(request) })),
                None => return Some(Part::Text("It is back by itself.".to_owned())),
            },
            Self::WakeUp => {
                let (name, _) = find(tools, &["ScheduleWakeup"])?;
                // It takes less for this.
                (
                    name,
                    json!({ "delaySeconds": 60, "reason": "a build", "prompt": "Look at the build.", "noop": false }),
                )
            }
        };
        Some(Part::Call { id: next_id("call"), name, input })
    }

    /// What an agent without it lacks.
    pub(super) const fn means(&self) -> &'static str {
        match self {
            Self::SubAgent { in_background: true } => "no sub-agents in the background",
            Self::SubAgent { .. } | Self::AwaitSubAgents => "no sub-agents",
            Self::WakeUp => "no wake-ups",
            _ => "no such tool",
        }
    }
}

/// The tools a request offers: name and schema of each.
pub(super) type Tools = [(String, Value)];

/// A call of a sub-agent.
fn sub_agent(tools: &Tools, in_background: bool) -> Option<(String, Value)> {
    let names = [
        "Task",
        "Agent",
        "spawn_agent",
        "task",
        "invoke_agent",
        "delegate_to_agent",
        "codebase_investigator",
    ];
    let (name, has) = find(tools, &names)?;
    let prompt = format!("{SUB_TASK}: look around.");
    let keeps_background = has.get("run_in_background").is_some();
    if in_background && !keeps_background {
        return None;
    }
    let mut input = json!({});
    for (key, value) in [
        ("prompt", json!(prompt)),
        ("message", json!(prompt)),
        ("objective", json!(prompt)),
        ("description", json!("look around")),
        ("subagent_type", json!(first_of(&has["subagent_type"]).unwrap_or("general"))),
        ("agent_name", json!(first_of(&has["agent_name"]).unwrap_or("generalist"))),
        ("task_name", json!("scout")),
        ("run_in_background", json!(in_background)),
    ] {
        if has.get(key).is_some() {
            input[key] = value;
        }
    }
    if name == "Task" || name == "Agent" {
        input["subagent_type"] = json!("general-purpose");
    }
    Some((name, input))
}

fn first_of(schema: &Value) -> Option<&str> {
    schema["enum"][0].as_str()
}

/// The ids that earlier calls gave their sub-agents.
fn agent_ids(request: &Value) -> Vec<String> {
    let text = request.to_string().replace('\\', "");
    let ids = text.split("\"agent_id\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut ids: Vec<String> = ids.map(str::to_owned).collect();
    ids.dedup();
    ids
}

/// A command nothing waits for.
fn in_background(tools: &Tools, command: &str) -> (String, Value) {
    let can =
        |name: &str, key: &str| tools.iter().any(|(found, has)| found == name && has.get(key).is_some());
    if can("Bash", "run_in_background") {
        let (name, mut input) = shell(tools, command);
        input["run_in_background"] = true.into();
        return (name, input);
    }
    if can("run_shell_command", "is_background") {
        let (name, mut input) = shell(tools, command);
        input["is_background"] = true.into();
        return (name, input);
    }
    shell(tools, &format!("nohup {command} > /dev/null 2>&1 &"))
}

/// An id no other has.
pub(super) fn next_id(kind: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{kind}_{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn find<'a>(tools: &'a Tools, names: &[&str]) -> Option<(String, &'a Value)> {
    names.iter().find_map(|wanted| {
        // One of a namespace has that before its name.
        let (name, properties) = tools.iter().find(|(name, _)| name.rsplit('.').next() == Some(wanted))?;
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

fn shell(tools: &Tools, command: &str) -> (String, Value) {
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
fn patch(tools: &Tools, change: &str) -> (String, Value) {
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
