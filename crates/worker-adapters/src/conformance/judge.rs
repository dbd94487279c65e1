//! What came of a run, and whether it could be true.

use std::collections::BTreeSet;

use roboppi_ipc::{Usage, WorkerEvent, WorkerResult};

use super::Violation;
use crate::{CommandSpec, SessionEffect, StreamPlan};

/// What the adapter made of a transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Events in order, without the text the core shows by itself.
    pub events: Vec<WorkerEvent>,
    /// The result.
    pub result: WorkerResult,
}

/// Takes effects apart; the promises that hold in every run are held here.
pub(super) fn judge(
    scenario: &str,
    spec: &CommandSpec,
    effects: Vec<SessionEffect>,
) -> Result<Outcome, Violation> {
    let scenario = || scenario.to_owned();
    let mut events = Vec::new();
    let mut results = Vec::new();
    for effect in effects {
        match effect {
            SessionEffect::Event(event) if !results.is_empty() => {
                return Err(Violation::AfterResult { scenario: scenario(), event: format!("{event:?}") });
            }
            SessionEffect::Event(event) => {
                if let Some(kind) = shown_twice(&event, &spec.stdout, &spec.stderr) {
                    return Err(Violation::NotItsEvent { scenario: scenario(), event: kind });
                }
                events.push(event);
            }
            SessionEffect::Result(result) => results.push(result),
            _ => {}
        }
    }
    let count = results.len();
    let result = match results.pop() {
        Some(result) if count == 1 => result,
        _ => return Err(Violation::Results { scenario: scenario(), count }),
    };
    paired(scenario, &events)?;
    rising(scenario, &events, &result)?;
    Ok(Outcome { events, result })
}

fn paired(scenario: impl Fn() -> String, events: &[WorkerEvent]) -> Result<(), Violation> {
    let mut open = BTreeSet::new();
    for event in events {
        match event {
            WorkerEvent::ToolCall(call) => {
                open.insert(call.id.as_str());
            }
            WorkerEvent::ToolResult(result) if !open.remove(result.id.as_str()) => {
                return Err(Violation::UnpairedResult { scenario: scenario(), id: result.id.clone() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn rising(
    scenario: impl Fn() -> String,
    events: &[WorkerEvent],
    result: &WorkerResult,
) -> Result<(), Violation> {
    let reported = events.iter().filter_map(|event| match event {
        WorkerEvent::Usage(usage) => Some(*usage),
        _ => None,
    });
    let last = result.details.as_ref().and_then(|details| details.usage);
    let mut before = Usage::default();
    for usage in reported.chain(last) {
        for ((total, from), (_, to)) in totals(&before).into_iter().zip(totals(&usage)) {
            if to < from {
                return Err(Violation::TotalFell { scenario: scenario(), total, from, to });
            }
        }
        before = usage;
    }
    Ok(())
}

fn totals(usage: &Usage) -> [(&'static str, f64); 6] {
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^53")]
    let count = |count: u64| count as f64;
    [
        ("inputTokens", count(usage.input_tokens)),
        ("outputTokens", count(usage.output_tokens)),
        ("cacheReadTokens", count(usage.cache_read_tokens)),
        ("cacheWriteTokens", count(usage.cache_write_tokens)),
        ("costUsd", usage.cost_usd.unwrap_or(0.0)),
        ("turns", count(usage.turns.unwrap_or(0))),
    ]
}

/// An event as if no time passed: how long a tool took depends on when its lines came.
pub(super) fn without_time(event: WorkerEvent) -> WorkerEvent {
    match event {
        WorkerEvent::ToolResult(mut result) => {
            result.duration_ms = None;
            WorkerEvent::ToolResult(result)
        }
        other => other,
    }
}

/// What a result says about the work, without excerpts of the output.
pub(super) fn facts(result: &WorkerResult) -> impl PartialEq + '_ {
    let details = result.details.as_deref();
    details.map(|details| {
        (
            (&details.answer, &details.session_id, &details.model),
            (details.turns, details.usage, &details.denials, &details.error_kind),
            &result.artifacts,
        )
    })
}

/// Text the core shows by itself, and what only the core knows: growth, gaps, and what the processes use.
fn shown_twice(event: &WorkerEvent, stdout: &StreamPlan, stderr: &StreamPlan) -> Option<&'static str> {
    match event {
        WorkerEvent::Stdout(_) if stdout.raw => Some("stdout"),
        WorkerEvent::Stderr(_) if stderr.raw => Some("stderr"),
        WorkerEvent::LogGrew(_) => Some("log_grew"),
        WorkerEvent::Resources(_) => Some("resources"),
        WorkerEvent::WorkspaceChanges(_) => Some("workspace_changes"),
        WorkerEvent::Gap(_) => Some("gap"),
        _ => None,
    }
}
