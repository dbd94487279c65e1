//! Work beside the turns of an agent.

use std::time::Duration;

use serde_json::Value;

use super::{Findings, Options, Ran, bash, run, run_with, say};
use crate::model::{Script, Step};
use crate::stage::Stage;

/// A command that ends only when it is ended.
const SERVER: &str = "sleep 3219";

pub(super) fn sub_agents(stage: &Stage<'_>) -> Ran {
    let mut script = Script::new([
        vec![say("I send a scout."), Step::SubAgent { in_background: false }],
        vec![Step::AwaitSubAgents],
        vec![say("The scout is back.")],
    ]);
    if !stage.agent.awaits_sub_agents_by_call {
        script.turns.remove(1);
    }
    script.of_sub_agent = vec![vec![bash("echo from-the-scout")], vec![say("All is quiet.")]];
    let mut found = run(stage, script)?;
    found.exits_with(0);
    found.answers("The scout is back.");
    found.is_complete();
    let (shown, calls) = (has_state(&found), calls_below(&found));
    found.holds(shown || calls > 0, |_| "nothing shows the sub-agent".to_owned());
    let is_shown = calls > 0 || !stage.agent.tells_calls_of_sub_agents;
    found.holds(is_shown, |_| "the call of the sub-agent is not below its own".to_owned());
    found.verdict()
}

/// Whether a call says that it is about a sub-agent.
fn has_state(found: &Findings) -> bool {
    let has_agents = |event: &Value| event["agents"].as_array().is_some_and(|agents| !agents.is_empty());
    found.events("tool_call").chain(found.events("tool_result")).any(has_agents)
}

fn calls_below(found: &Findings) -> usize {
    found.events("tool_call").filter(|event| event["parent"].is_string()).count()
}

pub(super) fn background_agent(stage: &Stage<'_>) -> Ran {
    let mut script = Script::new([
        vec![say("I send a scout."), Step::SubAgent { in_background: true }],
        vec![say("The scout works in the background.")],
        vec![say("The scout is back.")],
    ]);
    script.of_sub_agent = vec![vec![bash("echo from-the-scout")], vec![say("All is quiet.")]];
    script.sub_agent_pace = Duration::from_secs(3);
    let mut found = run(stage, script)?;
    found.exits_with(0);
    found.answers("The scout is back.");
    found.is_complete();
    let calls = calls_below(&found);
    found.holds(calls > 0, |_| "the call of the sub-agent is not below its own".to_owned());
    let waits = found.events("waiting").any(|event| event["cause"] == "background");
    found.holds(waits, |_| "nothing says that it waits for the sub-agent".to_owned());
    found.verdict()
}

pub(super) fn wake_up(stage: &Stage<'_>) -> Ran {
    let script = Script::new([
        vec![say("I look again later."), Step::WakeUp],
        vec![say("It is not ready.")],
        vec![say("It is ready.")],
    ]);
    let mut found = run(stage, script)?;
    found.exits_with(0);
    found.answers("It is ready.");
    found.is_complete();
    let until = found.events("waiting").any(|event| event["until"].is_u64());
    found.holds(until, |_| "nothing says until when it waits".to_owned());
    found.verdict()
}

pub(super) fn left_running(stage: &Stage<'_>) -> Ran {
    let script = Script::new([
        vec![say("I start the server."), Step::Background(SERVER.to_owned())],
        vec![say("The server runs.")],
    ]);
    let arguments = ["--timeout", "150s"];
    let mut found = run_with(stage, script, Options { arguments: &arguments, ..Options::default() })?;
    found.exits_with(0);
    found.answers("The server runs.");
    found.is_complete();
    let is_named = found.notes().contains(SERVER) || stage.agent.ends_what_it_started;
    found.holds(is_named, |_| "nothing names the server that was ended".to_owned());
    found.verdict()
}
