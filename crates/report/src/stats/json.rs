//! Statistics as a JSON object.

use roboppi_stats::{AgentFigures, Group, Histogram, Outcome, RecentKind};
use roboppi_untrusted::json as harmless;
use serde_json::{Map, Value, json};

use super::Subject;

/// Statistics as one JSON object, on one line or on several.
#[must_use]
pub fn object(subject: &Subject<'_>, on_one_line: bool) -> String {
    let Subject { statistic, selection, workflow, now } = *subject;
    let totals = &statistic.totals;
    let period_ms = subject.period_ms();
    let named = |(name, of): (&String, &Group)| with(group(of, period_ms), "name", json!(name));
    let step = |(key, of): (&roboppi_stats::StepKey, &Group)| {
        with(with(group(of, period_ms), "step", json!(key.step)), "workflow", json!(key.workflow))
    };
    let recent = totals.recent.iter().map(|(run, entry)| {
        let tool = match &entry.kind {
            RecentKind::Tool(name) => Some(name),
            RecentKind::Step => None,
        };
        json!({
            "at": entry.at, "run": run, "step": entry.step, "tool": tool,
            "outcome": entry.outcome.name(), "durationMs": entry.duration_ms,
        })
    });
    let value = json!({
        "at": now,
        "since": selection.since,
        "until": selection.until,
        "workflow": workflow,
        "period": subject.period().map(|period| json!({"from": period.from, "to": period.to, "ms": period.ms()})),
        "runs": group(&totals.runs, period_ms),
        "workflows": totals.workflows.iter().map(named).collect::<Vec<_>>(),
        "steps": group(&totals.steps, period_ms),
        "bySteps": totals.by_step.iter().map(step).collect::<Vec<_>>(),
        "agents": totals.agents.iter().map(|(kind, of)| agent(kind, of, period_ms)).collect::<Vec<_>>(),
        "calls": group(&totals.calls, period_ms),
        "tools": totals.tools.iter().map(named).collect::<Vec<_>>(),
        "recent": recent.collect::<Vec<_>>(),
        "eventsMissing": totals.events_missing,
        "unreadableRuns": statistic.unreadable,
        "problems": statistic.problems,
    });
    let text = if on_one_line { format!("{value}\n") } else { format!("{value:#}\n") };
    harmless(&text).into_owned()
}

fn agent(kind: &str, of: &AgentFigures, period_ms: u64) -> Value {
    let usage = json!({
        "inputTokens": of.input_tokens, "outputTokens": of.output_tokens, "cacheReadTokens": of.cached_tokens,
        "costUsd": of.cost_usd(), "attemptsWithoutCost": of.without_cost,
    });
    with(with(group(&of.attempts, period_ms), "usage", usage), "worker", json!(kind))
}

fn group(of: &Group, period_ms: u64) -> Value {
    let mut object = Map::new();
    object.insert("count".into(), of.counts.total().into());
    for outcome in Outcome::ALL {
        let camel = if outcome == Outcome::TimedOut { "timedOut" } else { outcome.name() };
        object.insert(camel.into(), of.counts.of(outcome).into());
    }
    object.insert("rate".into(), json!(of.counts.rate()));
    object.insert("perHour".into(), json!(of.per_hour(period_ms)));
    object.insert("totalMs".into(), of.total_ms().into());
    object.insert("succeededMs".into(), durations(&of.succeeded));
    object.insert("failedMs".into(), durations(&of.failed));
    object.into()
}

fn durations(of: &Histogram) -> Value {
    of.durations().map_or(Value::Null, |found| {
        json!({"total": found.total, "mean": found.mean, "p50": found.p50, "p95": found.p95, "max": found.most})
    })
}

fn with(mut value: Value, key: &str, more: Value) -> Value {
    if let Value::Object(object) = &mut value {
        object.insert(key.to_owned(), more);
    }
    value
}
