//! What an agent is asked for, besides its instructions.

use std::time::Duration;

use roboppi_ipc::WorkerKind;

use super::fields::{Field, Fields};
use super::value;
use crate::definition::AgentOptions;
use crate::diagnostic::{Sink, quote};
use crate::source::Value;

/// Keys that say something to an agent, and nothing to a script.
const OF_AGENTS: [&str; 5] = ["model", "variant", "max_steps", "max_command_time", "defaultArgs"];

pub(super) fn agent(fields: &Fields<'_>, worker: Option<WorkerKind>, sink: &mut Sink<'_>) -> AgentOptions {
    if worker == Some(WorkerKind::CUSTOM) {
        for at in OF_AGENTS.into_iter().filter_map(|name| fields.get(name)) {
            let message = format!("{} has no effect on a `CUSTOM` worker", quote(&at.path));
            let hint = "it is for agents; remove it, or name an agent as `worker`";
            sink.error(at.key_span, message, Some(hint.to_owned()));
        }
        return AgentOptions::default();
    }
    let mut text = |name: &str| fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value);
    let (model, variant) = (text("model"), text("variant"));
    let max_steps = fields.get("max_steps").and_then(|at| value::whole(&at, 1, sink));
    let max_command_time = fields.get("max_command_time").and_then(|at| value::duration(&at, sink));
    let default_args = fields.get("defaultArgs").map(|at| arguments(&at, sink)).unwrap_or_default();
    AgentOptions { model, variant, max_steps, max_command_time, default_args, resume: None }
}

fn arguments(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<String> {
    let items = value::list(at, "texts", sink).into_iter().flatten();
    items.filter_map(|item| value::text(&item, sink)).map(|text| text.value).collect()
}

/// A duration, or zero for `none`.
pub(super) fn idle(at: &Field<'_>, sink: &mut Sink<'_>) -> Option<Duration> {
    match &at.node.value {
        Value::Text(text) if text == "none" => Some(Duration::ZERO),
        _ => value::duration(at, sink),
    }
}
