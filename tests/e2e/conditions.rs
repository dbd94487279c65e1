//! `if` and `retry`: which steps run, and when again.

use crate::env::TestEnv;

const FLOW: &str = "name: conditions\nversion: \"1\"\ntimeout: 1m\ninputs:\n  deploy: {type: boolean, default: false}\n  pass: {type: boolean, default: true}\n\
env: {PASS: \"${{ inputs.pass }}\"}\nsteps:\n  test: {run: '[ $PASS = true ]'}\n  \
deploy: {run: echo deployed, depends_on: [test], if: inputs.deploy}\n  \
tell: {run: echo told, depends_on: [test], if: \"failure() && steps.test.outcome == 'failed'\"}\n  \
end: {run: echo end, depends_on: [deploy, tell], if: always()}\n";

#[test]
fn conditions_choose_the_steps_that_run() {
    for mode in ["--supervised", "--direct"] {
        let rows = [
            (&[][..], 0, ["succeeded", "skipped", "skipped", "succeeded"]),
            (&["--input", "deploy=true"], 0, ["succeeded", "succeeded", "skipped", "succeeded"]),
            (
                &["--input", "deploy=true", "--input", "pass=false"],
                1,
                ["failed", "skipped", "succeeded", "succeeded"],
            ),
        ];
        for (more, code, expected) in rows {
            let env = TestEnv::new();
            env.write("flow.yaml", FLOW);
            let args = ["workflow", "run", "flow.yaml", "--no-tui", mode];
            let printed = env.roboppi(args.iter().chain(more)).output().code(code).all();
            let events = env.the_run().events("step_changed");
            let last = |step: &str| events.iter().rfind(|event| event["step"] == step).unwrap().clone();
            let states = ["test", "deploy", "tell", "end"]
                .map(|step| last(step)["state"].as_str().unwrap().to_owned());
            assert_eq!(states, expected, "{more:?}\n{printed}");
            if code == 0 {
                let why = "its condition is false: failure() && steps.test.outcome == 'failed'";
                assert_eq!(last("tell")["detail"], why);
                assert!(printed.contains(why), "{printed}");
                assert!(!printed.contains("skipped by the user"), "{printed}");
            }
        }
    }
}

#[test]
fn the_plan_shows_conditions() {
    let env = TestEnv::new();
    env.write("flow.yaml", FLOW);
    let dry = ["workflow", "run", "flow.yaml", "--dry-run"];
    let text = env.roboppi(dry).output().code(0).text();
    assert!(text.contains("if failure() && steps.test.outcome == 'failed'"), "{text}");
    let json = env.roboppi(dry.iter().chain(&["--output", "json"])).output().code(0).text();
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["steps"][1]["if"], "inputs.deploy");
}

#[test]
fn a_resumed_run_decides_again_and_keeps_what_does_not_depend_on_it() {
    let env = TestEnv::new();
    env.write("flow.yaml", &FLOW.replace("echo end", "test -e there"));
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(1);
    env.write("there", "");
    let resume = ["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1", "--input", "deploy=true"];
    let _ = env.roboppi(resume).output().code(0);
    let run = env.runs().pop().unwrap();
    assert_eq!(run.text("deploy", 1), "deployed\n");
    let kept = run.events("run_started")[0]["resumes"]["kept"].clone();
    assert_eq!(
        kept.as_array().unwrap().iter().map(|kept| kept["step"].clone()).collect::<Vec<_>>(),
        ["test"]
    );
}

#[test]
fn conditions_that_make_no_sense_are_found_at_their_place() {
    let env = TestEnv::new();
    let steps = "name: n\nversion: \"1\"\ntimeout: 1m\ninputs: {n: {type: number}}\nsteps:\n  a: {run: x}\n  b:\n    run: x\n    depends_on: [a]\n";
    for (condition, column, problem) in [
        ("steps.c.outcome == 'failed'", 9, "refers to the step `c`, which is not in `depends_on`"),
        ("always() && steps.a.outcome == 'fialed'", 40, "`fialed` is no outcome of a step"),
        ("inputs.n == 'x'", 9, "compares a number with text"),
        ("inputs.m == 'x'", 9, "the workflow has no input `m`"),
        ("inputs.n", 9, "is a number, where true or false is needed"),
        ("faliure()", 9, "`faliure` is nothing that is known here"),
        ("always() and true", 18, "`a` makes no sense here"),
    ] {
        env.write("flow.yaml", &format!("{steps}    if: {condition}\n"));
        let printed = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(2).all();
        assert!(
            printed.contains(problem) && printed.contains(&format!("flow.yaml:10:{column}")),
            "{condition}: {printed}"
        );
    }
}

#[test]
fn a_retry_has_its_own_times_and_goes_on_after_the_last() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a: {run: echo x >> tries; exit 1, retry: {max: 2, backoff: 20ms, jitter: false}, on_failure: continue}\n  \
         b: {run: wc -l < tries, depends_on: [a]}\n  c: {run: echo x >> others; exit 1, retry: {max: 2, on: [RETRYABLE_NETWORK]}}\n",
    );
    let printed = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(1).all();
    let run = env.the_run();
    assert_eq!(run.text("b", 1), "3\n");
    assert_eq!(env.read("others"), "x\n");
    assert!(
        printed.contains("next attempt in 20ms") && printed.contains("next attempt in 40ms"),
        "{printed}"
    );
    assert!(printed.contains("is not one of `retry.on`"), "{printed}");
    assert!(!printed.contains("retrying in"), "{printed}");
}

#[test]
fn defaults_hold_for_steps_that_do_not_say() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        "name: n\nversion: \"1\"\ntimeout: 1m\ndefaults: {retry: {max: 1, backoff: 1ms}, on_failure: continue}\nsteps:\n  \
         a: {run: echo x >> a; exit 1}\n  b: {run: echo x >> b; exit 1, max_retries: 0}\n  \
         c: {run: cat a b, depends_on: [a, b]}\n",
    );
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(1);
    assert_eq!((env.read("a"), env.read("b")), ("x\nx\n".to_owned(), "x\n".to_owned()));
    assert_eq!(env.the_run().text("c", 1), "x\nx\nx\n");
}
