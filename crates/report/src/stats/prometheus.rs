//! Statistics in the text format of Prometheus.
//!
//! Runs are removed in time, and then totals fall. So they are gauges, and not counters.

use std::fmt::Write as _;

use roboppi_stats::{Counts, Group, Histogram, Outcome};
use roboppi_untrusted::words;

use super::Subject;

/// Statistics in the text format of Prometheus, for the textfile collector of node_exporter and the like.
#[must_use]
pub fn exposition(subject: &Subject<'_>) -> String {
    let totals = &subject.statistic.totals;
    let mut out = Exposition::default();
    let workflows: Vec<_> =
        totals.workflows.iter().map(|(name, of)| (vec![("workflow", name.as_str())], of)).collect();
    out.groups("roboppi_runs", "Runs by workflow and outcome.", &workflows);
    out.durations("roboppi_run_duration_seconds", "Durations of runs that ended.", &workflows);
    let steps: Vec<_> = totals
        .by_step
        .iter()
        .map(|(key, of)| (vec![("workflow", key.workflow.as_str()), ("step", key.step.as_str())], of))
        .collect();
    out.groups("roboppi_steps", "Steps by workflow, step and outcome.", &steps);
    out.durations("roboppi_step_duration_seconds", "Durations of steps that ended.", &steps);
    let agents: Vec<_> =
        totals.agents.iter().map(|(kind, of)| (vec![("worker", kind.as_str())], &of.attempts)).collect();
    out.groups("roboppi_agent_attempts", "Attempts of agents by kind of worker and outcome.", &agents);
    out.durations("roboppi_agent_attempt_duration_seconds", "Durations of attempts of agents.", &agents);
    out.head("roboppi_agent_tokens", "Tokens that agents used.", "gauge");
    for (kind, of) in &totals.agents {
        let tokens =
            [("input", of.input_tokens), ("output", of.output_tokens), ("cache_read", of.cached_tokens)];
        for (direction, count) in tokens {
            out.line("roboppi_agent_tokens", &[("worker", kind), ("direction", direction)], count);
        }
    }
    out.head("roboppi_agent_cost_usd", "Cost that agents reported, in US dollars.", "gauge");
    for (kind, of) in &totals.agents {
        out.line("roboppi_agent_cost_usd", &[("worker", kind)], of.cost_usd());
    }
    let tools: Vec<_> = totals.tools.iter().map(|(name, of)| (vec![("tool", name.as_str())], of)).collect();
    out.groups("roboppi_tool_calls", "Tool calls by tool and outcome.", &tools);
    out.durations("roboppi_tool_call_duration_seconds", "Durations of tool calls.", &tools);
    let single = [
        ("roboppi_stats_missing_events", "Events of workers that are missing.", totals.events_missing),
        (
            "roboppi_stats_unreadable_runs",
            "Runs of which nothing is counted, because their record has no beginning.",
            subject.statistic.unreadable,
        ),
    ];
    for (name, help, value) in single {
        out.head(name, help, "gauge");
        out.line(name, &[], value);
    }
    out.text
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

#[derive(Default)]
struct Exposition {
    text: String,
}

impl Exposition {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.text.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    /// The counts of groups, by outcome.
    fn groups(&mut self, name: &str, help: &str, groups: &[(Labels<'_>, &Group)]) {
        self.head(name, help, "gauge");
        for (labels, of) in groups {
            for outcome in Outcome::ALL.into_iter().filter(|outcome| is_shown(*outcome, &of.counts)) {
                let labels: Vec<_> = labels.iter().copied().chain([("outcome", outcome.name())]).collect();
                self.line(name, &labels, of.counts.of(outcome));
            }
        }
    }

    /// The durations of groups, by outcome.
    fn durations(&mut self, name: &str, help: &str, groups: &[(Labels<'_>, &Group)]) {
        self.head(name, help, "summary");
        for (labels, of) in groups {
            for (outcome, durations) in [("succeeded", &of.succeeded), ("failed", &of.failed)] {
                let labels: Vec<_> = labels.iter().copied().chain([("outcome", outcome)]).collect();
                self.summary(name, &labels, durations);
            }
        }
    }

    fn summary(&mut self, name: &str, labels: &[(&str, &str)], durations: &Histogram) {
        let Some(found) = durations.durations() else { return };
        for (quantile, ms) in [("0.5", found.p50), ("0.95", found.p95)] {
            let labels: Vec<_> = labels.iter().copied().chain([("quantile", quantile)]).collect();
            self.line(name, &labels, seconds(ms));
        }
        self.line(&format!("{name}_sum"), labels, seconds(found.total));
        self.line(&format!("{name}_count"), labels, durations.count());
    }
}

/// Outcomes that a rate compares are always there, the others where there are any.
const fn is_shown(outcome: Outcome, counts: &Counts) -> bool {
    matches!(outcome, Outcome::Succeeded | Outcome::Failed) || counts.of(outcome) > 0
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// The text of a label: on one line, without what a terminal would act on.
fn escaped(text: &str) -> String {
    words(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
