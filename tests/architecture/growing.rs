//! Types that adapters and cores of other projects build may gain fields.

use std::fs;

use crate::root;

/// Files of which every type with named fields is built elsewhere, and types of other files that are.
const BUILT_ELSEWHERE: &[(&str, &[&str])] = &[
    ("crates/ipc/src/event.rs", &[]),
    ("crates/ipc/src/job.rs", &["WorkerTask", "TaskBudget", "JobOptions"]),
    ("crates/ipc/src/result.rs", &[]),
    ("crates/worker-adapters/src/agent/end.rs", &["AgentError"]),
    ("crates/worker-adapters/src/command.rs", &[]),
    ("crates/worker-adapters/src/description.rs", &[]),
    ("crates/worker-adapters/src/session.rs", &[]),
];

/// Names of the public types of a file that have named fields, and whether each may gain one.
fn types(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut may_grow = false;
    for line in text.lines() {
        may_grow |= line == "#[non_exhaustive]";
        if let Some(rest) = line.strip_prefix("pub struct ") {
            let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            found.extend(rest.ends_with('{').then_some((name, may_grow)));
        }
        may_grow &= line.starts_with("#[") || line.starts_with("///");
    }
    found
}

#[test]
fn types_that_others_build_may_gain_fields() {
    for (path, names) in BUILT_ELSEWHERE {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let types = types(&text);
        let held = types.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        let held: Vec<_> = held.collect();
        assert!(!held.is_empty() && held.len() >= names.len(), "{path}: the types are found");
        for (name, may_grow) in held {
            assert!(
                may_grow,
                "{path}: `{name}` is built by others; make it `#[non_exhaustive]`, with a constructor"
            );
        }
    }
}
