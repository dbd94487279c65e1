//! Files of other programs that are no workflows.

use crate::source::{Entry, Node, Value};

/// What a file is that is no workflow, and what to do; `None` when it may be one.
pub(super) fn recognised(root: &Node) -> Option<(&'static str, &'static str)> {
    let Value::Map(entries) = &root.value else { return None };
    let map = |key: &str| {
        let entry = entries.iter().find(|entry| &*entry.key == key)?;
        match &entry.value.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    };
    if entries.iter().any(|entry| &*entry.key == "steps") {
        return None;
    }
    if map("jobs").is_some() && entries.iter().any(|entry| &*entry.key == "on" || &*entry.key == "true") {
        return Some((
            "this is a workflow of GitHub Actions, not of roboppi",
            "a job of it can run `roboppi workflow run FILE`; `roboppi init` writes a first workflow",
        ));
    }
    if map("services").is_some() && entries.iter().all(|entry| &*entry.key != "timeout") {
        return Some((
            "this is a Compose file, not a workflow",
            "a workflow has the keys `name`, `version`, `timeout` and `steps`; `roboppi init` writes a first one",
        ));
    }
    if map("events").is_some() && map("triggers").is_some() {
        return Some((
            "this is a configuration of the daemon of the existing program, not a workflow",
            "there is no daemon yet: a service manager or cron can start `roboppi workflow run` for the files of its `triggers`",
        ));
    }
    if map("agents").is_some_and(|agents| agents.iter().all(is_profile)) {
        return Some((
            "this is an agent catalog of the existing program, not a workflow",
            "catalogs are not supported yet: write `worker`, `model` and `instructions` into the steps",
        ));
    }
    None
}

/// Whether an entry of `agents` describes an agent.
fn is_profile(entry: &Entry) -> bool {
    const KEYS: [&str; 8] = [
        "base_instructions",
        "capabilities",
        "defaultArgs",
        "description",
        "mcp_configs",
        "model",
        "variant",
        "worker",
    ];
    match &entry.value.value {
        Value::Map(entries) => entries.iter().any(|entry| KEYS.contains(&&*entry.key)),
        _ => false,
    }
}
