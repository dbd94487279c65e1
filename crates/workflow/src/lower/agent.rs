//! What an agent is asked for, besides its instructions.

use std::time::Duration;

use roboppi_ipc::{AgentOption, WorkerKind};

use super::fields::{Field, Fields};
use super::{budget, value};
use crate::definition::AgentOptions;
use crate::diagnostic::{Sink, quote};
use crate::source::Value;

/// Keys that say something to an agent, and nothing to a script.
pub(crate) const OF_AGENTS: [&str; 5] = ["model", "variant", "max_steps", "max_command_time", "defaultArgs"];

pub(super) fn agent(fields: &Fields<'_>, worker: Option<WorkerKind>, sink: &mut Sink<'_>) -> AgentOptions {
    if worker == Some(WorkerKind::CUSTOM) {
        let keys = OF_AGENTS.into_iter().chain(AgentOption::ALL.map(AgentOption::key));
        for at in keys.filter_map(|name| fields.get(name)) {
            let message = format!("{} has no effect on a `CUSTOM` worker", quote(&at.path));
            let hint = "it is for agents; remove it, or name an agent as `worker`";
            sink.error(at.key_span, message, Some(hint.to_owned()));
        }
        return AgentOptions::default();
    }
    for (option, at) in
        AgentOption::ALL.into_iter().filter_map(|option| Some((option, fields.get(option.key())?)))
    {
        refuse(option, &at, worker, sink);
    }
    let mut text = |name: &str| fields.get(name).and_then(|at| value::text(&at, sink)).map(|text| text.value);
    let (model, variant) = (text("model"), text("variant"));
    let max_steps = fields.get("max_steps").and_then(|at| value::whole(&at, 1, sink));
    let max_command_time = fields.get("max_command_time").and_then(|at| value::duration(&at, sink));
    let default_args = fields.get("defaultArgs").map(|at| arguments(&at, sink)).unwrap_or_default();
    let mut argument =
        |option: AgentOption| fields.get(option.key()).and_then(|at| value::argument(&at, sink));
    let (program, mcp_config) = (argument(AgentOption::Program), argument(AgentOption::McpConfig));
    let append_system_prompt = argument(AgentOption::AppendSystemPrompt);
    let add_dirs =
        fields.get(AgentOption::AddDirs.key()).map(|at| directories(&at, sink)).unwrap_or_default();
    AgentOptions {
        model,
        variant,
        max_steps,
        max_command_time,
        default_args,
        program,
        mcp_config,
        add_dirs,
        append_system_prompt,
        budget: budget::budget(fields, sink),
        resume: None,
    }
}

/// Reports an option that this kind of agent does not have.
fn refuse(option: AgentOption, at: &Field<'_>, worker: Option<WorkerKind>, sink: &mut Sink<'_>) {
    let Some((kind, instead)) = worker.and_then(|kind| Some((kind, option.instead_with(kind)?))) else {
        return;
    };
    let path = quote(&at.path);
    let message = match option {
        AgentOption::MaxCost => format!("{path} cannot be kept: `{kind}` does not report what it costs"),
        _ => format!("{path} is not possible: `{kind}` has no option for it"),
    };
    sink.error(at.key_span, message, Some(instead.to_owned()));
}

fn directories(at: &Field<'_>, sink: &mut Sink<'_>) -> Vec<String> {
    let items = value::list(at, "paths", sink).into_iter().flatten();
    items.filter_map(|item| value::argument(&item, sink)).collect()
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
