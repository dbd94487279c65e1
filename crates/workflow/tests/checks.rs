//! What is wrong with completion checks, as the author of a workflow reads it.

use roboppi_workflow::parse;

/// The problems of a step with these keys, one a line.
fn listed(keys: &str) -> String {
    let text = format!(
        "name: n\nversion: \"1\"\ntimeout: 1h\nsteps:\n  s:\n    worker: CUSTOM\n    instructions: x\n    \
         capabilities: [READ]\n{keys}"
    );
    let parsed = parse(&text);
    let lines: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|found| {
            let hint = found.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("{} {}:{} {}{hint}", found.severity.name(), found.line, found.column, found.message)
        })
        .collect();
    assert_eq!(parsed.workflow.is_none(), lines.iter().any(|line| line.starts_with("error")), "{lines:?}");
    lines.join("\n")
}

fn agent(more: &str) -> String {
    format!(
        "    max_iterations: 2\n    completion_check: {{ worker: CODEX_CLI, instructions: y, capabilities: [READ]{more} }}\n"
    )
}

#[test]
fn a_check_needs_a_number_of_iterations_and_a_place_for_its_decision() {
    let rows = [
        "    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ] }\n",
        "    max_iterations: 1\n    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ] }\n",
        "    max_iterations: 2.5\n    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ] }\n",
        "    max_iterations: 2\n    completion_check: { worker: CUSTOM }\n",
        "    max_iterations: 2\n    completion_check: sure\n",
        "    max_iterations: 2\n    on_iterations_exhausted: retry\n    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ] }\n",
        &agent(""),
        &agent(", decision_file: d.json"),
        &agent(", decision_file: ''"),
        &agent(", decision_file: out/"),
        &agent(", decision_file: ../d.json"),
        &agent(", decision_file: /d.json"),
        &agent(", decision_file: d.json, max_cost: 2"),
        &agent(", decision_file: d.json, outputs: []"),
    ]
    .map(|keys| format!("- {}", listed(keys)));
    insta::assert_snapshot!(rows.join("\n"), @r"
    - error 9:5 `steps.s.completion_check` needs `max_iterations` (add `max_iterations:` (whole number >= 2) to the step)
    - error 9:21 `steps.s.max_iterations` must be a whole number of at least 2, found the number `1`
    - error 9:21 `steps.s.max_iterations` must be a whole number of at least 2, found the number `2.5`
    - error 10:5 `steps.s.completion_check` has no `instructions` (add `instructions:` (text))
    error 10:5 `steps.s.completion_check` has no `capabilities` (add `capabilities:` (list))
    - error 10:23 `steps.s.completion_check` must be a map, found the text `sure`
    - error 10:30 `steps.s.on_iterations_exhausted` must be `abort` or `continue`, found the text `retry`
    - error 10:5 `steps.s.completion_check` has no `decision_file` (add `decision_file:` (path): `CODEX_CLI` writes there whether the step is complete)
    - 
    - error 10:98 `steps.s.completion_check.decision_file` must not be empty
    - error 10:98 the path `out/` names a directory (name a file in it)
    - error 10:98 the path `../d.json` may lead out of the workspace (write it relative to the workspace of the run, without `..`)
    - error 10:98 the path `/d.json` may lead out of the workspace (write it relative to the workspace of the run, without `..`)
    - warning 10:106 unknown key `steps.s.completion_check.max_cost`, it has no effect (`max_cost` belongs to the workflow, not here)
    - warning 10:106 unknown key `steps.s.completion_check.outputs`, it has no effect (`outputs` belongs to a step, not here)
    ");
}

#[test]
fn a_check_may_be_switched_off() {
    for off in ["false", "{ enabled: false }", "{ enabled: false, worker: NONE }"] {
        let keys = format!("    max_iterations: 5\n    completion_check: {off}\n");
        assert_eq!(listed(&keys), "", "{off}");
    }
}

#[test]
fn keys_without_effect_are_named() {
    let rows = [
        "    max_iterations: 2\n    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ], decision_file: d }\n",
        "    max_iterations: 2\n    completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ], model: m }\n",
        "    decision_file: d.json\n",
    ]
    .map(|keys| format!("- {}", listed(keys)));
    insta::assert_snapshot!(rows.join("\n"), @r"
    - warning 10:80 `steps.s.completion_check.decision_file` has no effect on a `CUSTOM` check: its exit code decides (remove it)
    - error 10:80 `steps.s.completion_check.model` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
    - warning 9:5 unknown key `steps.s.decision_file`, it has no effect (`decision_file` belongs to `completion_check`, not here)
    ");
}
