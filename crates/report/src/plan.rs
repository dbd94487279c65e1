//! What a run would do that begins with nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use roboppi_run::StepPath;
use roboppi_run::units::limit;
use roboppi_untrusted::first_words;
use roboppi_workflow::{Budget, Dollars, Node, OnFailure, Plan};
use serde_json::{Value, json};

use crate::table;

/// Names of dependencies that are shown of one step.
const NAMED: usize = 5;

/// The steps of a plan in the order in which they may start, each with what it waits for, its worker and its limits.
#[must_use]
pub fn render(name: &str, plan: &Plan) -> String {
    let stages = stages(plan);
    let mut rows = vec![["STAGE", "STEP", "AFTER", "WORKER", "LIMITS"].map(str::to_owned)];
    rows.extend(in_order(plan, &stages).into_iter().map(|(stage, node)| {
        [
            stage.to_string(),
            first_words(node.path.as_str()),
            after(node),
            node.kind().name().to_owned(),
            limits(node).join(", "),
        ]
    }));
    let steps = plan.nodes().len();
    let noun = if steps == 1 { "step" } else { "steps" };
    let mut text = format!(
        "Workflow {}: {steps} {noun}, at most {} at the same time, within {}{}\n\n{}",
        first_words(name),
        plan.concurrency,
        limit(millis(plan.timeout)),
        budget(plan.budget).map_or_else(String::new, |budget| format!(", {budget}")),
        table(&rows)
    );
    let _ =
        writeln!(text, "\nA step starts when all steps in AFTER have succeeded, or were allowed to fail.");
    text
}

/// The same as a JSON object.
#[must_use]
pub fn object(name: &str, plan: &Plan) -> String {
    let stages = stages(plan);
    let steps: Vec<Value> = in_order(plan, &stages)
        .into_iter()
        .map(|(stage, node)| {
            let step = &node.step;
            let mut row = json!({
                "step": node.path,
                "stage": stage,
                "dependsOn": step.depends_on,
                "worker": node.kind().name(),
                "timeoutMs": millis(step.time_limit()),
                "maxAttempts": step.max_attempts(),
                "continueOnError": step.continue_on_error,
                "maxCostUsd": step.agent.budget.max_cost.map(Dollars::amount),
                "maxTokens": step.agent.budget.max_tokens,
            });
            if let Some(condition) = &step.control.condition {
                row["if"] = condition.text().into();
            }
            row
        })
        .collect();
    let plan = json!({
        "name": name,
        "concurrency": plan.concurrency,
        "timeoutMs": millis(plan.timeout),
        "maxCostUsd": plan.budget.max_cost.map(Dollars::amount),
        "maxTokens": plan.budget.max_tokens,
        "steps": steps,
    });
    roboppi_untrusted::json(&format!("{plan:#}\n")).into_owned()
}

/// The stage of each step: one more than that of the last of its dependencies. Every step and every dependency is looked at
/// once.
pub(crate) fn stages(plan: &Plan) -> HashMap<&StepPath, usize> {
    let mut stages: HashMap<&StepPath, usize> = HashMap::with_capacity(plan.nodes().len());
    let mut waiting: HashMap<&StepPath, usize> = HashMap::new();
    let mut dependents: HashMap<&StepPath, Vec<&StepPath>> = HashMap::new();
    let mut free: Vec<&StepPath> = Vec::new();
    for (before, path) in order(plan) {
        dependents.entry(before).or_default().push(path);
        *waiting.entry(path).or_default() += 1;
    }
    for node in plan.nodes() {
        if !waiting.contains_key(&node.path) {
            stages.insert(&node.path, 1);
            free.push(&node.path);
        }
    }
    while let Some(path) = free.pop() {
        let stage = stages.get(path).copied().unwrap_or(1);
        for dependent in dependents.get(path).into_iter().flatten() {
            let reached = stages.entry(dependent).or_insert(1);
            *reached = (*reached).max(stage + 1);
            if let Some(left) = waiting.get_mut(dependent) {
                *left -= 1;
                if *left == 0 {
                    free.push(dependent);
                }
            }
        }
    }
    stages
}

/// Which node starts after which: what depends on it, the steps of its workflow, and what depends on the step that runs theirs.
fn order(plan: &Plan) -> Vec<(&StepPath, &StepPath)> {
    let mut edges: Vec<(&StepPath, &StepPath)> = plan.edges().collect();
    let mut dependents: HashMap<&StepPath, Vec<&StepPath>> = HashMap::new();
    for (before, path) in &edges {
        dependents.entry(before).or_default().push(path);
    }
    for node in plan.nodes() {
        let above = |path: &StepPath| {
            let above = plan.node(&path.parent()?)?;
            above.step.call.is_some().then_some(&above.path)
        };
        let mut next = above(&node.path);
        edges.extend(next.map(|group| (group, &node.path)));
        while let Some(group) = next {
            edges.extend(dependents.get(group).into_iter().flatten().map(|after| (&node.path, *after)));
            next = above(group);
        }
    }
    edges
}

/// The nodes by stage, and within one in the order of the file.
pub(crate) fn in_order<'a>(plan: &'a Plan, stages: &HashMap<&StepPath, usize>) -> Vec<(usize, &'a Node)> {
    let stage = |node: &Node| stages.get(&node.path).copied().unwrap_or(1);
    let mut nodes: Vec<_> = plan.nodes().map(|node| (stage(node), node.as_ref())).collect();
    nodes.sort_by_key(|(stage, _)| *stage);
    nodes
}

fn after(node: &Node) -> String {
    let before = &node.step.depends_on;
    if before.is_empty() {
        return "–".to_owned();
    }
    let names: Vec<_> = before.iter().take(NAMED).map(|step| first_words(step.as_str())).collect();
    let more = before.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", names.join(", "))
}

/// Its time limit, attempts and budget, and what its failure means where that is not the usual.
fn limits(node: &Node) -> Vec<String> {
    let step = &node.step;
    let attempts = Some(step.max_attempts()).filter(|most| *most > 1);
    let failure = match step.on_failure {
        _ if step.continue_on_error => Some("may fail".to_owned()),
        OnFailure::Continue => Some("dependents continue after a failure".to_owned()),
        OnFailure::Retry | OnFailure::Abort => None,
    };
    let parts = [
        Some(limit(millis(step.time_limit()))),
        attempts.map(|most| format!("{most} attempts")),
        budget(step.agent.budget),
        failure,
        step.control.condition.as_ref().map(|condition| format!("if {}", first_words(condition.text()))),
    ];
    parts.into_iter().flatten().collect()
}

fn budget(budget: Budget) -> Option<String> {
    let tokens = budget.max_tokens.map(|tokens| format!("{} tokens", roboppi_run::tokens(tokens)));
    let parts: Vec<_> = budget.max_cost.map(|cost| cost.to_string()).into_iter().chain(tokens).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use roboppi_workflow::{expand, parse};

    use super::*;

    fn plan(text: &str) -> Plan {
        expand(&parse(text).workflow.expect("a workflow"))
    }

    const DIAMOND: &str = "
name: demo
version: \"1\"
timeout: 90s
concurrency: 2
max_cost: 5
steps:
  report: { worker: CUSTOM, instructions: x, capabilities: [READ], depends_on: [test, lint], timeout: 500ms }
  build: { worker: CUSTOM, instructions: x, capabilities: [READ], on_failure: retry, max_retries: 2 }
  test: { worker: CLAUDE_CODE, instructions: x, capabilities: [READ], depends_on: [build], max_tokens: 9000 }
  lint: { worker: CUSTOM, instructions: x, capabilities: [READ], continue_on_error: true }
";

    #[test]
    fn a_plan_is_printed_in_the_order_of_its_stages() {
        insta::assert_snapshot!(render("demo", &plan(DIAMOND)), @r#"
        Workflow demo: 4 steps, at most 2 at the same time, within 1m30s, $5.00

        STAGE  STEP    AFTER       WORKER       LIMITS
        1      build   –           CUSTOM       24h, 3 attempts
        1      lint    –           CUSTOM       24h, may fail
        2      test    build       CLAUDE_CODE  24h, 9.0k tokens
        3      report  test, lint  CUSTOM       500ms

        A step starts when all steps in AFTER have succeeded, or were allowed to fail.
        "#);
    }

    #[test]
    fn programs_get_the_same_plan() {
        let value: Value = serde_json::from_str(&object("demo", &plan(DIAMOND))).expect("JSON");
        assert_eq!(value["steps"][0]["step"], "build");
        assert_eq!(value["steps"][0]["maxAttempts"], 3);
        assert_eq!(value["steps"][3]["step"], "report");
        assert_eq!((&value["steps"][3]["stage"], &value["steps"][3]["timeoutMs"]), (&json!(3), &json!(500)));
        assert_eq!((&value["timeoutMs"], &value["maxCostUsd"]), (&json!(90_000), &json!(5.0)));
    }
}
