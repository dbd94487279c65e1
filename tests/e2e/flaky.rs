//! Steps that passed on a retry only, in every face.

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;

/// Fails until it has been called twice since `calls` was removed.
const FLAKY: &str = "echo x >> calls; [ $(wc -l < calls) -ge 2 ]";

fn flow() -> Flow {
    Flow::new().step("fine", "true").step_with("shaky step", FLAKY, &["on_failure: retry", "max_retries: 3"])
}

#[test]
fn every_face_names_a_flaky_step() {
    let env = TestEnv::new();
    let lines = env.run(&flow()).output().code(0).text();
    assert!(lines.contains("flaky    shaky step: failed once, then succeeded on attempt 2"), "{lines}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("flaky: shaky step: failed once, then succeeded on attempt 2"), "{page}");
    for face in [&["export", "-1", "--format", "junit"][..], &["export", "-1", "--format", "otlp"]] {
        let text = env.roboppi(face).output().code(0).text();
        assert!(text.contains("flaky"), "{face:?}: {text}");
    }
    let stream = env.roboppi(["attach", "-1", "--output", "json"]).output().code(0).text();
    let last: Value = serde_json::from_str(stream.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"]["type"], &last["event"]["flaky"]),
        (&"run_finished".into(), &json!(["shaky step"]))
    );
}

#[test]
fn the_record_knows_how_often_a_step_was_flaky() {
    let env = TestEnv::new();
    let none = env.roboppi(["runs", "--flaky"]).output().code(0).text();
    assert_eq!(none, "No step was flaky in 0 runs.\n");
    for _ in 0..2 {
        let _ = env.run(&flow()).output().code(0);
    }
    let _ = env.shell("rm calls; $ROBOPPI workflow run flow.yaml --no-tui").output().code(0);
    let listed = env.roboppi(["runs", "--flaky"]).output().code(0).text();
    assert!(listed.contains("shaky step  flow      2 of 3 runs  r3, "), "{listed}");
    assert!(!listed.contains("fine"), "{listed}");
    let array: Value =
        serde_json::from_str(&env.roboppi(["runs", "--flaky", "--json"]).output().code(0).text()).unwrap();
    let one = &array[0];
    assert_eq!([&one["flakyRuns"], &one["runs"], &one["lastFailures"]], [&json!(2), &json!(3), &json!(1)]);
    assert_eq!((&one["step"], &one["lastHandle"]), (&"shaky step".into(), &"r3".into()));
    let last = env.roboppi(["runs", "--flaky", "-n", "1"]).output().code(0).text();
    assert!(last.contains("1 of 1 run"), "{last}");
    let other = env.roboppi(["runs", "--flaky", "--workflow", "another"]).output().code(0).text();
    assert_eq!(other, "No step was flaky in 0 runs.\n");
}

#[test]
fn a_retry_that_a_person_asked_for_is_no_flake() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("broken", "[ -e fixed ]")
        .step("keeps going", "until [ -e over ]; do sleep 0.01; done");
    let running = env.run(&flow).start();
    env.wait_for("the failure", || {
        let states: Vec<_> = env.runs().first()?.events("step_changed");
        states.iter().any(|event| event["step"] == "broken" && event["state"] == "failed").then_some(())
    });
    env.write("fixed", "");
    let _ = env.roboppi(["retry", "-1", "broken"]).output().code(0);
    env.wait_for("the success", || (env.the_run().state("broken") == "succeeded").then_some(()));
    env.write("over", "");
    let printed = running.wait().code(0);
    assert!(!printed.text().contains("flaky"), "{}", printed.text());
    let listed = env.roboppi(["runs", "--flaky"]).output().code(0).text();
    assert_eq!(listed, "No step was flaky in 1 run.\n");
}
