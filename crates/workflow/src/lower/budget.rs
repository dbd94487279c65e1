//! What a step or a run may use up.

use roboppi_ipc::{AgentOption, WorkerKind};
use roboppi_run::StepPath;

use super::fields::Fields;
use super::value;
use crate::budget::Budget;
use crate::diagnostic::Sink;

pub(super) fn budget(fields: &Fields<'_>, sink: &mut Sink<'_>) -> Budget {
    Budget {
        max_cost: fields.get("max_cost").and_then(|at| value::dollars(&at, sink)),
        max_tokens: fields.get("max_tokens").and_then(|at| value::whole(&at, 1, sink)).map(u64::from),
    }
}

/// Reports a budget of the run for which some of its agents, or all, report nothing. What is known of the workers is no more
/// than their kinds, where these could be read.
pub(super) fn check<'a>(
    fields: &Fields<'_>,
    workers: impl Iterator<Item = (&'a StepPath, Option<WorkerKind>)>,
    sink: &mut Sink<'_>,
) {
    let workers: Vec<_> = workers.collect();
    let are_known = workers.iter().all(|(_, kind)| kind.is_some());
    let agents = workers
        .iter()
        .filter_map(|(step, kind)| Some((step, kind.filter(|kind| *kind != WorkerKind::CUSTOM)?)));
    let agents: Vec<_> = agents.collect();
    for option in [AgentOption::MaxCost, AgentOption::MaxTokens] {
        let Some(at) = fields.get(option.key()) else { continue };
        let key = option.key();
        if agents.is_empty() {
            if are_known {
                sink.warning(at.key_span, format!("`{key}` has no effect: no step is an agent"), None);
            }
            continue;
        }
        let mut silent = agents.iter().filter(|(_, kind)| option.instead_with(*kind).is_some());
        let Some((first, _)) = silent.next() else { continue };
        let others = silent.count();
        if others + 1 == agents.len() {
            let message = format!("`{key}` cannot be kept: no agent of the workflow reports what it costs");
            let hint = "limit `max_tokens` instead, which every agent reports";
            sink.error(at.key_span, message, Some(hint.to_owned()));
        } else {
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            let message =
                format!("`{key}` counts nothing of `{first}`{more}: they do not report what they cost");
            let hint = "limit `max_tokens` as well, which every agent reports";
            sink.warning(at.key_span, message, Some(hint.to_owned()));
        }
    }
}
