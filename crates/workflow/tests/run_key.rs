//! `run`: a script in one line.

use roboppi_ipc::{Capability, WorkerKind};
use roboppi_workflow::parse;

fn with(step: &str) -> String {
    format!("name: n\nversion: \"1\"\ntimeout: 1h\nsteps:\n  s:\n{step}")
}

fn listed(step: &str) -> String {
    let found = parse(&with(step)).diagnostics.into_iter();
    let lines = found.map(|found| {
        let hint = found.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("{} {}:{} {}{hint}", found.severity.name(), found.line, found.column, found.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_script_in_one_line_is_the_same_as_one_in_three() {
    let step = |keys: &str| {
        let parsed = parse(&with(keys));
        assert!(parsed.diagnostics.is_empty(), "{}", listed(keys));
        parsed.workflow.unwrap().steps[0].as_ref().clone()
    };
    let long = step("    worker: CUSTOM\n    instructions: make test\n    capabilities: [RUN_COMMANDS]\n");
    assert_eq!(step("    run: make test\n"), long);
    assert_eq!(step("    run: make test\n    worker: CUSTOM\n"), long);
    let read = step("    run: make test\n    capabilities: [READ]\n");
    assert_eq!((read.worker, &*read.capabilities), (WorkerKind::CUSTOM, &[Capability::Read][..]));
    let checked = step("    run: make\n    max_iterations: 2\n    completion_check: { run: make test }\n");
    let check = checked.check.unwrap();
    assert_eq!((check.work.worker, check.work.instructions.as_str()), (WorkerKind::CUSTOM, "make test"));
}

#[test]
fn a_script_of_an_agent_and_two_scripts_are_reported() {
    let rows = [
        "    run: make\n    worker: CLAUDE_CODE\n",
        "    run: make\n    worker: CUSTOM\n    instructions: y\n    capabilities: [READ]\n",
        "    run: [make, test]\n",
        "    run: ''\n",
        "    run:\n",
        "    run: make\n    model: m\n",
    ]
    .map(|step| format!("- {}", listed(step)));
    insta::assert_snapshot!(rows.join("\n"), @r"
    - error 6:5 `steps.s.run` is a script, which `CLAUDE_CODE` does not run (write `instructions:` for an agent, or remove `worker`)
    - warning 6:5 `steps.s.run` has no effect beside `instructions` (remove one of them)
    - error 6:10 `steps.s.run` must be text, found a list (write one text: lines of their own below `|`, or quotation marks around a text that begins with `[`)
    - error 6:10 `steps.s.run` must not be empty
    - error 6:5 `steps.s.run` has no value, expected text
    - error 7:5 `steps.s.model` has no effect on a `CUSTOM` worker (it is for agents; remove it, or name an agent as `worker`)
    ");
}
