//! What a workflow file means.

use std::time::Duration;

use roboppi_ipc::{VariablePolicy, WorkerKind};
use roboppi_run::{Role, StepPath};
use roboppi_workflow::{
    AgentOptions, Budget, Dollars, KEYS, KeyStatus, OnExhausted, OnFailure, Severity, Workflow, parse,
};

fn read(text: &str) -> Workflow {
    let parsed = parse(text);
    assert!(parsed.diagnostics.is_empty(), "{}", parsed.render("flow.yaml", text, false));
    parsed.workflow.expect("no diagnostics means a workflow")
}

#[test]
fn a_reference_is_the_text_of_its_scalar_as_a_name_is() {
    let names = ["2", "2.0", "3.10", "010", "0x10", "1e3", "true", "-7"];
    let mut text = String::from("name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n");
    for name in names {
        text += &format!("  {name}: {{ worker: CUSTOM, instructions: x, capabilities: [READ] }}\n");
    }
    text += &format!(
        "  all: {{ worker: CUSTOM, instructions: x, capabilities: [READ], depends_on: [{}] }}\n",
        names.join(", ")
    );
    let workflow = read(&text);
    let all: Vec<_> =
        workflow.steps[&StepPath::from("all")].depends_on.iter().map(StepPath::as_str).collect();
    assert_eq!(all, names);
}

#[test]
fn every_key_that_is_executed_is_read() {
    let workflow = read(
        r#"name: sample
version: "1"
description: every key once
timeout: 700h
concurrency: 2
context_dir: .run/context
secrets: [DEPLOY_KEY, { file: key.pem }, { command: pass show deploy }]
steps:
  build:
    description: compile
    worker: CUSTOM
    instructions: |
      make
      make doc
    capabilities: [READ, EDIT, RUN_TESTS, RUN_COMMANDS, MAILBOX, TASKS]
    workspace: ../service
    outputs: [{ name: report, path: out/report.md, type: review }]
    timeout: 1h30m
    grace: 500ms
    max_retries: 2
    on_failure: retry
    on_limit: wait
    continue_on_error: true
    secrets: [BUILD_KEY]
  test: { worker: CUSTOM, instructions: make test, capabilities: [READ], depends_on: [build],
          inputs: [{ from: build, artifact: report, as: review }], on_failure: continue }
"#,
    );
    assert_eq!(workflow.timeout, Duration::from_secs(700 * 3600));
    insta::assert_debug_snapshot!(workflow, @r#"
        Workflow {
            name: "sample",
            description: Some(
                "every key once",
            ),
            timeout: 2520000s,
            concurrency: Some(
                2,
            ),
            budget: Budget {
                max_cost: None,
                max_tokens: None,
            },
            branch: BranchKeys {
                create: false,
                transition: None,
                expected: None,
            },
            context_dir: Some(
                ".run/context",
            ),
            secrets: [
                Variable(
                    "DEPLOY_KEY",
                ),
                File(
                    "key.pem",
                ),
                Command(
                    "pass show deploy",
                ),
            ],
            environment: VariablePolicy {
                pass: None,
                block: [],
            },
            inputs: {},
            hosts: {},
            steps: {
                StepPath(
                    "build",
                ): Step {
                    description: Some(
                        "compile",
                    ),
                    worker: WorkerKind("CUSTOM"),
                    instructions: "make\nmake doc\n",
                    capabilities: [
                        Read,
                        Edit,
                        RunTests,
                        RunCommands,
                        Mailbox,
                        Tasks,
                    ],
                    agent: AgentOptions {
                        model: None,
                        variant: None,
                        max_steps: None,
                        max_command_time: None,
                        default_args: [],
                        program: None,
                        mcp_config: None,
                        add_dirs: [],
                        append_system_prompt: None,
                        budget: Budget {
                            max_cost: None,
                            max_tokens: None,
                        },
                        resume: None,
                    },
                    workspace: Some(
                        "../service",
                    ),
                    host: None,
                    depends_on: [],
                    inputs: [],
                    outputs: [
                        OutputSpec {
                            name: "report",
                            path: "out/report.md",
                            kind: Some(
                                "review",
                            ),
                        },
                    ],
                    timeout: Some(
                        5400s,
                    ),
                    idle: None,
                    file_changes: None,
                    grace: Some(
                        500ms,
                    ),
                    max_retries: 2,
                    on_failure: Retry,
                    on_limit: Some(
                        Wait,
                    ),
                    continue_on_error: true,
                    secrets: [
                        Variable(
                            "BUILD_KEY",
                        ),
                    ],
                    env: {},
                    control: StepControl {
                        condition: None,
                        retry: None,
                    },
                    check: None,
                    call: None,
                },
                StepPath(
                    "test",
                ): Step {
                    description: None,
                    worker: WorkerKind("CUSTOM"),
                    instructions: "make test",
                    capabilities: [
                        Read,
                    ],
                    agent: AgentOptions {
                        model: None,
                        variant: None,
                        max_steps: None,
                        max_command_time: None,
                        default_args: [],
                        program: None,
                        mcp_config: None,
                        add_dirs: [],
                        append_system_prompt: None,
                        budget: Budget {
                            max_cost: None,
                            max_tokens: None,
                        },
                        resume: None,
                    },
                    workspace: None,
                    host: None,
                    depends_on: [
                        StepPath(
                            "build",
                        ),
                    ],
                    inputs: [
                        InputRef {
                            from: StepPath(
                                "build",
                            ),
                            artifact: "report",
                            rename: Some(
                                "review",
                            ),
                        },
                    ],
                    outputs: [],
                    timeout: None,
                    idle: None,
                    file_changes: None,
                    grace: None,
                    max_retries: 0,
                    on_failure: Continue,
                    on_limit: None,
                    continue_on_error: false,
                    secrets: [],
                    env: {},
                    control: StepControl {
                        condition: None,
                        retry: None,
                    },
                    check: None,
                    call: None,
                },
            },
            only: [],
        }
    "#);
    insta::assert_debug_snapshot!(roboppi_workflow::expand(&workflow).step_plans(), @r#"
        [
            StepPlan {
                step: StepPath(
                    "build",
                ),
                worker: WorkerKind("CUSTOM"),
                depends_on: [],
                description: Some(
                    "compile",
                ),
                timeout_ms: Some(
                    5400000,
                ),
                max_attempts: 3,
                max_iterations: None,
                role: Work,
                check: None,
                host: HostId(
                    None,
                ),
            },
            StepPlan {
                step: StepPath(
                    "test",
                ),
                worker: WorkerKind("CUSTOM"),
                depends_on: [
                    StepPath(
                        "build",
                    ),
                ],
                description: None,
                timeout_ms: None,
                max_attempts: 1,
                max_iterations: None,
                role: Work,
                check: None,
                host: HostId(
                    None,
                ),
            },
        ]
    "#);
}

/// A step of one line, `more` being its other keys.
fn step(id: &str, more: &str) -> String {
    format!("  {id}: {{ worker: CUSTOM, instructions: x, capabilities: [READ]{more} }}\n")
}

fn with_steps(steps: &str) -> String {
    format!("name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n{steps}")
}

#[test]
fn steps_keep_their_order_but_array_indices_come_first() {
    let steps = ["zeta", "10", "alpha", "2", "02", "\"3\"", "-1"].map(|id| step(id, ""));
    let workflow = read(&with_steps(&steps.concat()));
    let order: Vec<_> = workflow.steps.keys().map(StepPath::as_str).collect();
    assert_eq!(order, ["2", "3", "10", "zeta", "alpha", "02", "-1"]);
}

#[test]
fn a_step_named_by_a_number_can_be_referred_to() {
    let workflow = read(&with_steps(&(step("2", "") + &step("b", ", depends_on: [2]"))));
    assert_eq!(workflow.steps[1].depends_on[0].as_str(), "2");
}

#[test]
fn merge_keys_and_anchors_are_resolved() {
    let workflow = read(
        r#"x-defaults:
  - &shell { worker: CUSTOM, capabilities: [READ], timeout: 1m }
  - &patient { timeout: 2h, max_retries: 3, on_failure: retry }
name: sample
version: "1"
timeout: &limit 1h
steps:
  one: { <<: *shell, instructions: a }
  two:
    timeout: 5m
    <<: [*patient, *shell]
    instructions: b
  three: { <<: [*patient, *shell], instructions: c, timeout: *limit }
"#,
    );
    let told: Vec<_> = workflow
        .steps
        .iter()
        .map(|(id, step)| (id.as_str(), step.timeout.unwrap_or_default().as_secs(), step.max_attempts()))
        .collect();
    assert_eq!(told, [("one", 60, 1), ("two", 300, 4), ("three", 3600, 4)]);
}

#[test]
fn words_of_older_yaml_are_text() {
    let workflow = read(&with_steps(&step("no", ", description: yes, workspace: off")));
    let (id, step) = workflow.steps.first().unwrap();
    assert_eq!(
        (id.as_str(), step.description.as_deref(), step.workspace.as_deref()),
        ("no", Some("yes"), Some("off"))
    );
}

#[test]
fn retries_count_only_with_retry() {
    let text =
        with_steps(&(step("a", ", max_retries: 3") + &step("b", ", max_retries: 3, on_failure: retry")));
    let parsed = parse(&text);
    assert!(parsed.diagnostics.iter().all(|found| found.severity == Severity::Warning));
    let workflow = parsed.workflow.unwrap();
    assert_eq!((workflow.steps[0].max_attempts(), workflow.steps[1].max_attempts()), (1, 4));
    assert_eq!(workflow.steps[0].on_failure, OnFailure::Abort);
}

#[test]
fn an_agent_is_told_more_than_a_script() {
    let workflow = read(
        r#"
name: agents
version: "1"
timeout: 1h
max_tokens: 1000000
environment: { pass: [ANTHROPIC_API_KEY, "NODE_*"], block: ["AWS_*"] }
steps:
  fix: { worker: CLAUDE_CODE, instructions: fix it, capabilities: [EDIT], model: sonnet, variant: high, max_steps: 40,
         max_command_time: 2m, defaultArgs: [--verbose], idle: 5m, program: tools/claude, mcp_config: mcp.json,
         add_dirs: [../lib, /data], append_system_prompt: Be brief., max_cost: 0.5, max_tokens: 200000 }
  look: { worker: GEMINI, instructions: look, capabilities: [READ], idle: none }
"#,
    );
    assert_eq!(
        workflow.environment,
        VariablePolicy {
            pass: Some(vec!["ANTHROPIC_API_KEY".into(), "NODE_*".into()]),
            block: vec!["AWS_*".into()]
        }
    );
    let (fix, look) = (&workflow.steps[0], &workflow.steps[1]);
    assert_eq!(
        *fix.agent,
        AgentOptions {
            model: Some("sonnet".into()),
            variant: Some("high".into()),
            max_steps: Some(40),
            max_command_time: Some(Duration::from_secs(120)),
            default_args: vec!["--verbose".into()],
            program: Some("tools/claude".into()),
            mcp_config: Some("mcp.json".into()),
            add_dirs: vec!["../lib".into(), "/data".into()],
            append_system_prompt: Some("Be brief.".into()),
            budget: Budget { max_cost: Dollars::new(0.5), max_tokens: Some(200_000) },
            resume: None,
        }
    );
    assert_eq!(workflow.budget, Budget { max_cost: None, max_tokens: Some(1_000_000) });
    assert_eq!((fix.idle, look.idle), (Some(Duration::from_secs(300)), Some(Duration::ZERO)));
    assert_eq!((look.worker, &*look.agent), (WorkerKind::GEMINI, &AgentOptions::default()));
}

/// A workflow of the existing program that uses nearly every key it knows.
const EVERYTHING: &str = include_str!("everything.yaml");

#[test]
fn what_the_existing_program_can_do_and_we_cannot_yet_is_refused_by_name() {
    let parsed = parse(EVERYTHING);
    assert!(parsed.workflow.is_none());
    let lines: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|found| format!("{}:{} {}", found.line, found.column, found.message))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
        10:1 `sentinel` is not supported yet
        14:1 `management` is not supported yet
        21:1 `agents` is not supported yet
        40:5 `steps.write.agent` is not supported yet
        54:7 `steps.write.completion_check.agent` is not supported yet
        58:7 `steps.write.completion_check.stall` is not supported yet
        70:5 `steps.write.stall` is not supported yet
        76:5 `steps.write.management` is not supported yet
        92:1 `reporting` is not supported yet
        93:1 `task_policy` is not supported yet
    ");
    for key in KEYS.iter().filter(|key| key.status == KeyStatus::NotYet) {
        let used = EVERYTHING.contains(&format!("{}:", key.name));
        let refused = lines.iter().any(|line| line.contains(&format!("{}` is not supported yet", key.name)));
        assert_eq!(used, refused, "{}", key.name);
    }
}

#[test]
fn a_workflow_without_those_keys_runs_as_it_is() {
    let text = r#"
name: publish
version: "1"
timeout: 5m
steps:
  pack: { worker: CUSTOM, instructions: "tar cf out.tar service", capabilities: [READ], outputs: [{ name: tarball, path: out.tar }] }
"#;
    assert_eq!(read(text).steps[0].outputs[0].path, "out.tar");
}

/// The step `fix` with other keys.
fn fix(more: &str) -> Workflow {
    let text = format!("name: n\nversion: \"1\"\ntimeout: 1h\nsteps:\n{}", step("fix", more));
    read(&text)
}

#[test]
fn a_check_is_a_step_of_its_own() {
    let workflow = fix(
        ", timeout: 8m, grace: 2s, max_iterations: 4, on_iterations_exhausted: continue, completion_check: { worker: \
         CLAUDE_CODE, instructions: look, capabilities: [READ], model: m, workspace: w, decision_file: out/d.json }",
    );
    let check = workflow.steps[0].check.as_ref().unwrap();
    assert_eq!((check.max_iterations, check.on_exhausted), (4, OnExhausted::Continue));
    assert_eq!(check.decision_file.as_deref(), Some("out/d.json"));
    let work = &check.work;
    assert_eq!((work.worker, work.instructions.as_str()), (WorkerKind::CLAUDE_CODE, "look"));
    assert_eq!((work.agent.model.as_deref(), work.workspace.as_deref()), (Some("m"), Some("w")));
    assert_eq!(work.timeout, Some(Duration::from_secs(120)), "a quarter of that of its step");
    assert_eq!(work.grace, Some(Duration::from_secs(2)));
    let plan = roboppi_workflow::expand(&workflow);
    let node = plan.nodes().next().unwrap();
    assert_eq!(node.task(Role::Check).instructions, "look");
    assert_eq!(node.task(Role::Work).instructions, "x");
    let plan = node.step_plan();
    assert_eq!((plan.max_iterations, plan.check), (Some(4), Some(WorkerKind::CLAUDE_CODE)));
}

#[test]
fn a_check_has_a_quarter_of_the_time_of_its_step_or_of_the_run() {
    let check =
        "max_iterations: 2, completion_check: { worker: CUSTOM, instructions: y, capabilities: [READ]";
    for (keys, expected) in [
        (format!(", timeout: 8m, {check} }}"), Duration::from_secs(120)),
        (format!(", timeout: 2s, {check} }}"), Duration::from_secs(1)),
        (format!(", {check} }}"), Duration::from_mins(15)),
        (format!(", timeout: 8m, {check}, timeout: 7s }}"), Duration::from_secs(7)),
    ] {
        let workflow = fix(&keys);
        assert_eq!(workflow.steps[0].check.as_ref().unwrap().work.timeout, Some(expected), "{keys}");
    }
}
