//! `env` and `inputs`: what a run is given, and what its steps see of it.

use serde_json::Value;

use crate::env::TestEnv;
use crate::secrets::files_with;

const FLOW: &str = r#"name: values
version: "1"
timeout: 1m
inputs:
  version:
  target: {type: choice, options: [staging, production], default: staging}
  workers: {type: number, default: 4}
  deploy_token: {required: false}
env: {VERSION: "${{ inputs.version }}", SHARED: all, PLAIN: "$${{ x }}"}
steps:
  show:
    env: {TARGET: "to ${{ inputs.target }}", SHARED: own}
    run: printf '%s|' "$VERSION" "$TARGET" "$SHARED" "$PLAIN"
  other:
    env: {WORKERS: "${{ inputs.workers }}"}
    run: printf '%s|' "$SHARED" "$WORKERS" "${TARGET-none}"
    max_iterations: 2
    completion_check: {run: '[ "$WORKERS" = "${EXPECTED:-4}" ]'}
"#;

#[test]
fn steps_see_the_values_as_variables_and_nothing_is_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        env.write("flow.yaml", FLOW);
        let hostile = "1.2$(touch pwned)`touch pwned`; touch pwned \"${{ inputs.target }}\" é";
        let run =
            ["workflow", "run", "flow.yaml", "--no-tui", mode, "--input", &format!("version={hostile}")];
        let _ = env.roboppi(run).output().code(0);
        let run = env.the_run();
        assert_eq!(run.text("show", 1), format!("{hostile}|to staging|own|${{{{ x }}}}|"));
        assert_eq!(run.text("other", 1), "all|4|none|");
        assert!(!env.path("pwned").exists());
        let recorded = &run.events("values_set")[0];
        assert_eq!(
            (&recorded["values"]["version"], &recorded["values"]["target"]),
            (&hostile.into(), &"staging".into())
        );
    }
}

#[test]
fn variables_are_set_whatever_is_inherited() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        "name: n\nversion: \"1\"\ntimeout: 1m\nenvironment: {pass: [], block: [GIVEN]}\nenv: {GIVEN: ours, BARE: 1.10}\nsteps:\n  a:\n    run: \
         printf '%s|' \"$GIVEN\" \"$BARE\" \"${THEIRS-none}\"\n",
    );
    let run = ["workflow", "run", "flow.yaml", "--no-tui"];
    let _ = env.roboppi(run).env("GIVEN", "theirs").env("THEIRS", "x").output().code(0);
    assert_eq!(env.the_run().text("a", 1), "ours|1.10|none|");
}

#[test]
fn values_that_are_missing_or_do_not_fit_start_nothing() {
    let env = TestEnv::new();
    env.write("flow.yaml", FLOW);
    let run = |more: &[&str]| {
        let args = ["workflow", "run", "flow.yaml", "--no-tui"];
        env.roboppi(args.iter().chain(more)).output().code(2).all()
    };
    let printed = run(&[]);
    assert!(
        printed.contains("the input `version` is required: give it with `--input version=…`"),
        "{printed}"
    );
    let printed = run(&[
        "--input",
        "version=1",
        "--input",
        "targt=x",
        "--input",
        "workers=many",
        "--input",
        "target=moon",
    ]);
    for part in [
        "no input `targt`; did you mean `target`?",
        "`workers` must be a number",
        "must be one of `staging`, `production`",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let printed = run(&["--input", "version=1", "--input", "version=2"]);
    assert!(printed.contains("`version` is given twice"), "{printed}");
    assert!(run(&["--input", "version"]).contains("NAME=VALUE"));
    assert!(env.runs().is_empty());
    env.write("bad.yaml", &FLOW.replace("inputs.target", "inputs.targt"));
    let printed = env.roboppi(["workflow", "validate", "bad.yaml"]).output().code(2).all();
    assert!(
        printed.contains("the workflow has no input `targt`") && printed.contains("bad.yaml:12:"),
        "{printed}"
    );
}

#[test]
fn a_resumed_run_has_the_inputs_of_the_earlier_one() {
    let env = TestEnv::new();
    env.write("flow.yaml", &FLOW.replace("EXPECTED:-4", "EXPECTED:-5"));
    let run = ["workflow", "run", "flow.yaml", "--no-tui", "--input", "version=7", "--input", "workers=6"];
    let _ = env.roboppi(run).output().code(1);
    let again = |more: &[&str]| {
        let args = ["workflow", "run", "flow.yaml", "--resume", "-1", "--dry-run", "--output", "json"];
        let printed = env.roboppi(args.iter().chain(more)).output().code(0).text();
        let plan: Value = serde_json::from_str(&printed).unwrap();
        [0, 1].map(|step| plan["steps"][step]["keep"].as_bool().unwrap())
    };
    // What has the same values is kept, and what has others is not.
    assert_eq!(again(&[]), [true, false]);
    assert_eq!(again(&["--input", "workers=5"]), [true, false]);
    assert_eq!(again(&["--input", "version=8"]), [false, false]);
    let resume = ["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1", "--input", "workers=5"];
    let _ = env.roboppi(resume).output().code(0);
    let values = env.runs().pop().unwrap().events("values_set")[0]["values"].clone();
    assert_eq!((&values["version"], &values["workers"]), (&"7".into(), &"5".into()));
}

#[test]
fn an_input_that_is_called_a_secret_is_masked_and_has_to_be_given_again() {
    const SECRET: &str = "hunter2-hunter2";
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        &FLOW
            .replace("EXPECTED:-4", "EXPECTED:-5")
            .replace("SHARED: own", "SHARED: \"${{ inputs.deploy_token }}\""),
    );
    let secret = format!("deploy_token={SECRET}");
    let run =
        ["workflow", "run", "flow.yaml", "--no-tui", "--stream", "--input", "version=7", "--input", &secret];
    let printed = env.roboppi(run).output().code(1).all();
    assert!(!printed.contains(SECRET) && printed.contains("7|to staging|***|"), "{printed}");
    assert_eq!(files_with(&env.path("state"), SECRET), [""; 0]);
    let resume = ["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1"];
    let printed = env.roboppi(resume).output().code(2).all();
    assert!(printed.contains("the input `deploy_token` is masked in the record"), "{printed}");
}
