//! Limits that are used up, and tools that are not there.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Options, Ran, Verdict, attempt_facts, run_with, say};
use crate::agents::Setting;
use crate::model::{Fault, Script};
use crate::stage::Stage;

/// Time until the limit is over, in seconds.
const LIMIT: u64 = 3 * 3600;

/// Difference between the time that is given and the one that is found: some give it in minutes.
const EXACTNESS: u64 = 120;

pub(super) fn usage_limit(stage: &Stage<'_>) -> Ran {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let until = now + LIMIT;
    let script = Script { always: Some(Fault::Limit(until)), ..Script::default() };
    let arguments = ["--on-limit", "fail", "--timeout", "45s"];
    let options = Options { arguments: &arguments, setting: Setting::Subscribed, ..Options::default() };
    let mut found = run_with(stage, script, options)?;
    if !stage.agent.tells_limits {
        let last =
            found.outcome.journal.iter().map(|line| &line["event"]["result"]["details"]["cancelReason"]);
        if last.filter_map(serde_json::Value::as_str).next_back() == Some("timeout") {
            let waits = "it waits for the end of the limit, and its output has nothing of it".to_owned();
            return Ok(Verdict::NotOffered(waits));
        }
    }
    found.exits_with(75);
    found.answers("");
    let classes = attempt_facts(&found.outcome.journal, "errorClass");
    let is_limit = classes.last().is_some_and(|class| class == "RETRYABLE_RATE_LIMIT");
    found.holds(is_limit, |_| format!("error classes are {classes:?}"));
    let ends = found.outcome.journal.iter().map(|line| &line["event"]["result"]["details"]["retryAt"]);
    let at = ends.filter_map(serde_json::Value::as_u64).next_back();
    let is_near = at.is_some_and(|at| (at / 1000).abs_diff(until) <= EXACTNESS);
    found.holds(is_near, |_| match at {
        Some(at) => format!("retryAt is {} s from the end of the limit", (at / 1000).abs_diff(until)),
        None => "no retryAt".to_owned(),
    });
    found.verdict()
}

pub(super) fn endless_429(stage: &Stage<'_>) -> Ran {
    let script = Script { always: Some(Fault::Status(429)), ..Script::default() };
    let arguments = ["--on-limit", "fail", "--timeout", "20s"];
    let mut found = run_with(stage, script, Options { arguments: &arguments, ..Options::default() })?;
    let code = found.outcome.status.code();
    found.holds(matches!(code, Some(1 | 75)), |outcome| format!("{}, expected code 1 or 75", outcome.status));
    found.answers("");
    let classes = attempt_facts(&found.outcome.journal, "errorClass");
    let is_retryable = classes.last().is_some_and(|class| class.starts_with("RETRYABLE_"));
    found.holds(is_retryable, |_| format!("error classes are {classes:?}"));
    found.verdict()
}

/// The server is in the configuration of the agent. It ends at once.
pub(super) fn mcp_failed(stage: &Stage<'_>) -> Ran {
    let mut arguments = Vec::new();
    if stage.agent.word == "claude-code" {
        let config = r#"{"mcpServers":{"broken-server":{"command":"false"}}}"#;
        fs::write(stage.work().join("mcp.json"), config).map_err(|error| error.to_string())?;
        arguments.extend(["--mcp-config", "mcp.json"]);
    }
    let script = Script::new([vec![say("I did without it.")]]);
    let options = Options { arguments: &arguments, setting: Setting::BrokenServer, ..Options::default() };
    let mut found = run_with(stage, script, options)?;
    found.exits_with(0);
    found.answers("I did without it.");
    found.is_complete();
    let is_there = found.notes().contains("broken-server");
    if !is_there && !stage.agent.tells_mcp_trouble && found.wrong.is_empty() {
        return Ok(Verdict::NotOffered("its output has nothing of it".to_owned()));
    }
    found.holds(is_there, |_| "nothing warns of the server".to_owned());
    found.verdict()
}
