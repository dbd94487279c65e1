//! Keys and files of those who know another program.

use roboppi_workflow::{Severity, parse};

use super::listed;

#[test]
fn keys_of_other_workflow_languages_are_answered_with_ours() {
    let keys = [
        ("script: make", "instructions"),
        ("retries: 2", "max_retries"),
        ("timeout-minutes: 5", "timeout"),
        ("needs: [a]", "depends_on"),
        ("cwd: x", "workspace"),
    ];
    for (line, ours) in keys {
        let text = format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a:\n    worker: CUSTOM\n    instructions: x\n    \
             capabilities: [READ]\n    {line}\n"
        );
        let said = parse(&text).render("flow.yaml", &text, false);
        assert!(said.contains(&format!("did you mean `{ours}`?")), "{said}");
    }
}

/// A workflow with these lines at the top and in its only step.
fn with(top: &str, step: &str) -> String {
    format!(
        "name: sample\nversion: \"1\"\ntimeout: 5m\n{top}\nsteps:\n  s:\n    worker: CUSTOM\n    instructions: x\n    \
         capabilities: [READ]\n{step}\n"
    )
}

#[test]
fn what_is_switched_off_is_accepted() {
    for (top, step) in [
        ("create_branch: false", ""),
        ("create_branch: false\nbranch_transition_step: s", ""),
        ("branch_transition_step: s", ""),
        ("sentinel: { enabled: false }", ""),
        ("management: { enabled: false, agent: { worker: CLAUDE_CODE } }", ""),
        ("agents: { enabled: false }", ""),
        ("", "    completion_check: { enabled: false }\n    max_iterations: 3"),
        ("", "    max_iterations: 1"),
        ("", "    max_iterations: 3\n    on_iterations_exhausted: continue"),
        ("", "    convergence: { enabled: false }"),
        ("", "    stall: { enabled: false }"),
        ("", "    management: { enabled: false }"),
        ("", "    bubble_subworkflow_events: false"),
    ] {
        let text = with(top, step);
        let parsed = parse(&text);
        assert!(parsed.workflow.is_some() && parsed.diagnostics.is_empty(), "{top}{step}\n{}", listed(&text));
    }
    for (top, step, key) in [
        ("sentinel: { enabled: true }", "", "sentinel"),
        ("sentinel: {}", "", "sentinel"),
        ("", "    stall: { timeout: 5m }", "stall"),
    ] {
        let text = with(top, step);
        let message = format!("{key}` is not supported yet");
        assert!(parse(&text).workflow.is_none() && listed(&text).contains(&message), "{}", listed(&text));
    }
}

#[test]
fn keys_of_other_languages_are_answered() {
    for (key, hint) in [
        ("run: make", "has no effect beside `instructions`"),
        ("script: make", "did you mean `instructions`?"),
        ("command: make", "did you mean `instructions`?"),
        ("needs: [a]", "did you mean `depends_on`?"),
        ("retries: 3", "did you mean `max_retries`?"),
        ("retry: 3", "write `{ max: 3 }`"),
        ("timeout-minutes: 5", "did you mean `timeout`?"),
        ("when: success()", "did you mean `if`?"),
        ("uses: actions/checkout@v4", "there are no actions"),
        ("environment: { A: b }", "`env` of a step sets variables"),
        ("matrix: { os: [a] }", "a step for each combination"),
        ("id: build", "the key of a step below `steps` is its name"),
        ("name: Build it", "did you mean `description`?"),
        ("runs-on: ubuntu-latest", "steps run on this machine"),
        ("max_turns: 3", "did you mean `max_steps`?"),
    ] {
        let text = with("", &format!("    {key}"));
        assert!(listed(&text).contains(hint), "{key}: {}", listed(&text));
    }
    for (key, hint) in [
        ("variables: { A: b }", "did you mean `env`?"),
        ("on: push", "there are no triggers"),
        ("jobs: 4", "did you mean `concurrency`?"),
        ("defaults: { worker: CUSTOM }", "merged with `<<`"),
    ] {
        let text = with(key, "");
        assert!(listed(&text).contains(hint), "{key}: {}", listed(&text));
    }
    let jobs = "name: x\nversion: \"1\"\ntimeout: 5m\njobs:\n  build: { run: make }\n";
    assert!(listed(jobs).contains("did you mean `steps`?"), "{}", listed(jobs));
    let list = "name: x\nversion: \"1\"\ntimeout: 5m\nsteps:\n  - run: make\n";
    assert!(listed(list).contains("write each step below its name, without `-`"), "{}", listed(list));
}

#[test]
fn other_files_of_the_existing_program_are_recognised() {
    let daemon = "name: d\nversion: \"1\"\nworkspace: .\nevents:\n  tick: { type: interval, every: 5m }\ntriggers:\n  \
                  t: { on: tick, workflow: w.yaml }\n";
    let catalog = "version: \"1\"\nagents:\n  writer: { worker: CLAUDE_CODE, base_instructions: x }\n";
    for (text, what) in [(daemon, "a configuration of the daemon"), (catalog, "an agent catalog")] {
        let found = parse(text).diagnostics;
        assert_eq!(found.len(), 1, "{}", listed(text));
        assert!(found[0].message.contains(what) && found[0].severity == Severity::Error, "{}", listed(text));
    }
    // A workflow that has a team is one.
    let team = with("agents: { enabled: true, writer: { worker: CLAUDE_CODE } }", "");
    assert!(listed(&team).contains("`agents` is not supported yet"), "{}", listed(&team));
}
