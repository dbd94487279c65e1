//! `--output json`: one object a line on standard output, and nothing else there.

use serde_json::Value;

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
