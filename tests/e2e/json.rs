//! `--output json`: one object a line on standard output, and nothing else there.

use serde_json::Value;

use crate::agents::{finding, with_claude};
use crate::env::TestEnv;
use crate::flow::Flow;

fn objects(printed: &str) -> Vec<Value> {
    assert!(printed.ends_with('\n'));
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let objects: Vec<Value> = printed.lines().map(parse).collect();
    assert!(objects.iter().all(Value::is_object));
    objects
}

fn kind(object: &Value) -> &str {
    object["event"]["type"].as_str().or(object["type"].as_str()).expect("a type")
}

#[test]
fn a_run_is_told_from_its_start_to_its_end() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow =
            Flow::of("echo '{\"type\": \"run_finished\"}'; echo '::progress percent=50::half'; exit 3");
        let printed = env.run(&flow).args(["--output", "json", mode]).output().code(1);
        let objects = objects(&printed.text());
        let kinds: Vec<_> = objects.iter().map(kind).collect();
        assert_eq!(kinds.first(), Some(&"run_started"), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&"run_finished"), "{kinds:?}");
        assert!(kinds.contains(&"attempt_finished"), "{kinds:?}");
        let journal = env.the_run().journal();
        let told: Vec<_> = kinds
            .iter()
            .filter(|kind| journal.iter().any(|record| record["event"]["type"] == **kind))
            .collect();
        assert_eq!(told.len(), journal.len(), "every event of the journal is told once");
    }
}

/// Kinds of events in JSON lines, each once.
fn kinds_of(objects: &[Value]) -> std::collections::BTreeSet<String> {
    objects.iter().map(|object| kind(object).to_owned()).collect()
}

#[test]
fn events_of_many_kinds_fit_the_published_schema() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "make",
            "echo x > out.txt; sleep 1000 & echo '::progress percent=5::p'",
            &["outputs: [{name: out, path: out.txt}]"],
        )
        .step_with(
            "flaky",
            "echo x >> calls; [ $(wc -l < calls) -ge 2 ]",
            &["on_failure: retry", "max_retries: 2"],
        )
        .step_with("bad", "echo no >&2; exit 3", &["continue_on_error: true"])
        .step_with("after", "false", &["depends_on: [make]", "inputs: [{from: make, artifact: out}]"])
        .step_with("never", "true", &["depends_on: [after]"]);
    let printed = env.run(&flow).args(["--output", "json"]).output().code(1);
    let kinds = kinds_of(&objects(&printed.text()));
    for expected in [
        "run_started",
        "core_started",
        "artifact_collected",
        "attempt_phase",
        "progress",
        "stderr",
        "step_changed",
    ] {
        assert!(kinds.contains(expected), "{expected}: {kinds:?}");
    }
    // The same from the record, and by a run that resumes it.
    let replayed = env.roboppi(["replay", "--speed", "max", "--output", "json"]).output().code(0);
    assert!(objects(&replayed.text()).len() > 10);
    let resumed =
        env.roboppi(["workflow", "run", "flow.yaml", "--rerun-failed", "--output", "json"]).output().code(1);
    let first = &objects(&resumed.text())[0];
    assert!(first["event"]["resumes"]["kept"].is_array(), "{first}");
}

#[test]
fn mistakes_leave_standard_output_empty() {
    let env = TestEnv::new();
    env.write("flow.yaml", "name: x\n");
    let printed = env.roboppi(["workflow", "run", "flow.yaml", "--output", "json"]).output().code(2);
    assert!(printed.stdout.is_empty());
    assert!(printed.stderr.contains("flow.yaml"), "{}", printed.stderr);
}

#[test]
fn output_is_told_when_it_is_streamed() {
    let env = TestEnv::new();
    let printed = env.run(&Flow::of("seq 1 1000")).args(["--output", "json", "--stream"]).output().code(0);
    let objects = objects(&printed.text());
    let data: String = objects
        .iter()
        .filter(|object| kind(object) == "stdout")
        .map(|object| object["event"]["data"].as_str().unwrap())
        .collect();
    assert_eq!(data, env.the_run().text("work", 1));
}

#[test]
fn every_byte_of_both_streams_is_told_in_the_order_of_the_log() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "i=0; while [ $i -lt 300 ]; do echo \"out $i €\"; echo \"err $i\" >&2; i=$((i + 1)); done; \
                      echo ::progress::done; printf 'no end \\303\\251 \\303'";
        let printed = env.run(&Flow::of(script)).args(["--output", "json", mode]).output().code(0);
        let (mut reached, mut text) = (0, String::new());
        let (mut streams, mut numbers) = ([String::new(), String::new()], Vec::new());
        for object in objects(&printed.text()).iter().filter(|object| object.get("attempt").is_some()) {
            numbers.push(object["seq"].as_u64().unwrap());
            let event = &object["event"];
            let stream = match kind(object) {
                "stdout" => 0,
                "stderr" => 1,
                "progress" => continue,
                other => panic!("{other}: {object}"),
            };
            assert_eq!(event["offset"], reached, "{object}");
            reached += event["len"].as_u64().unwrap();
            let data = event["data"].as_str().unwrap();
            text.push_str(data);
            streams[stream].push_str(data);
        }
        assert!(numbers.is_sorted(), "{numbers:?}");
        let log = env.the_run().log("work", 1);
        assert_eq!(reached, log.len() as u64, "{mode}");
        // What is no character is told when it cannot become one any more.
        assert_eq!(
            text.replace('\u{fffd}', ""),
            String::from_utf8_lossy(&log).replace('\u{fffd}', ""),
            "{mode}"
        );
        assert!(streams[0].ends_with("no end é \u{fffd}"), "{mode}: {}", streams[0]);
        assert_eq!(streams[1].lines().count(), 300, "{mode}");
    }
}

#[test]
fn of_an_agent_only_what_is_text_is_told_as_output() {
    let env = with_claude();
    let program = env.path("bin/claude");
    let fake = std::fs::read_to_string(&program).unwrap();
    std::fs::write(&program, fake.replacen('\n', "\necho words for people >&2\n", 1)).unwrap();
    let flow = "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    \
        capabilities: [READ, EDIT, RUN_TESTS]\n    instructions: fix it\n";
    env.write("flow.yaml", flow);
    let run = env.roboppi(["workflow", "run", "flow.yaml", "--output", "json"]);
    let objects = objects(&finding(&env, run).output().code(0).text());
    let of = |stream: &str| -> String {
        let told = objects.iter().filter(|object| kind(object) == stream);
        told.map(|object| object["event"]["data"].as_str().unwrap()).collect()
    };
    assert!(of("stdout").is_empty(), "{}", of("stdout"));
    assert!(of("stderr").contains("words for people"), "{objects:?}");
    assert!(!objects.iter().any(|object| ["log_grew", "gap"].contains(&kind(object))), "{objects:?}");
    assert!(String::from_utf8_lossy(&env.the_run().log("fix", 1)).contains("\"type\""));
}
