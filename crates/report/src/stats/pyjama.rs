//! Statistics as the metrics file of Pyjama: an agent is a run.

use std::sync::Arc;

use roboppi_ipc::UtcMillis;
use roboppi_stats::{Group, Outcome, RecentKind, RunFigures, RunState};
use roboppi_untrusted::json as harmless;
use serde_json::{Map, Value, json};

use super::Subject;

/// Runs that are listed as agents: all that are under way, and the latest.
const AGENTS: usize = 200;

/// Statistics in the shape of `metrics.json` of Pyjama.
#[must_use]
pub fn metrics(subject: &Subject<'_>) -> String {
    let statistic = subject.statistic;
    let totals = &statistic.totals;
    let mut listed = statistic.runs.iter().take(AGENTS).collect::<Vec<_>>();
    let is_running = |(run, state): &&(Arc<RunFigures>, RunState)| run.outcome(*state) == Outcome::Running;
    listed.extend(statistic.runs.iter().skip(AGENTS).filter(is_running));
    let (mut agents, mut specs) = (Map::new(), Map::new());
    for (run, state) in listed {
        let spec = json!({"name": run.name, "workflow": run.workflow});
        agents.insert(run.short_name(), agent(run, *state, &spec));
        specs.insert(run.short_name(), spec);
    }
    let logs = totals.recent.iter().rev().map(|(run, entry)| {
        let tool = match &entry.kind {
            RecentKind::Tool(name) => name,
            RecentKind::Step => &entry.step,
        };
        json!({"timestamp": entry.at, "agent-id": run, "tool": tool, "status": part_status(entry.outcome)})
    });
    let tool = |(name, of): (&String, &Group)| {
        let latest = totals.recent.iter().rev().filter_map(|(_, entry)| match &entry.kind {
            RecentKind::Tool(tool) if tool == name => entry.duration_ms,
            _ => None,
        });
        let mut figures = executions(of);
        figures.insert("durations".to_owned(), latest.collect::<Vec<_>>().into());
        (name.clone(), Value::from(figures))
    };
    let value = json!({
        "agents": agents,
        "specs": specs,
        "recent-logs": logs.collect::<Vec<_>>(),
        "tools": totals.tools.iter().map(tool).collect::<Map<_, _>>(),
        "global": executions(&totals.calls),
    });
    harmless(&format!("{value:#}\n")).into_owned()
}

/// Calls with a result.
fn executions(of: &Group) -> Map<String, Value> {
    let (success, error) = (of.counts.of(Outcome::Succeeded), of.counts.errors());
    let figures = [
        ("count", success + error),
        ("success", success),
        ("error", error),
        ("total-duration", of.total_ms()),
    ];
    figures.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn agent(run: &RunFigures, state: RunState, spec: &Value) -> Value {
    let outcome = run.outcome(state);
    let end = run.finished.map(|(_, duration_ms)| UtcMillis(run.started_at.0.saturating_add(duration_ms)));
    let begun = run.steps.iter().filter(|step| step.started_at.is_some());
    let steps = begun.clone().map(|step| {
        json!({
            "step-id": step.step, "status": part_status(step.outcome.in_run(state)),
            "start-time": step.started_at, "end-time": step.ended_at,
        })
    });
    let current = begun.rev().find(|step| step.outcome.in_run(state) == Outcome::Running);
    json!({
        "status": if outcome == Outcome::Succeeded { "completed" } else { outcome.name() },
        "start-time": run.started_at,
        "last-seen": run.last_at,
        "end-time": end,
        "steps": steps.collect::<Vec<_>>(),
        "current-step": current.map(|step| &step.step),
        "current-step-start": current.map(|step| step.started_at),
        "spec": spec,
        "workflow": {
            "total-steps": run.steps.len() as u64 + run.more_steps.counts.total(),
            "steps": run.steps.iter().map(|step| &step.step).collect::<Vec<_>>(),
        },
    })
}

/// The status of a step or a call.
const fn part_status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded | Outcome::Kept => "ok",
        Outcome::Failed | Outcome::TimedOut => "error",
        outcome => outcome.name(),
    }
}
