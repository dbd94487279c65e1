//! Artifacts go from step to step, and the context directory tells what happened.

use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

fn json(env: &TestEnv, path: &str) -> Value {
    serde_json::from_str(&env.read(path)).unwrap()
}

#[test]
fn artifacts_are_handed_on() {
    let env = TestEnv::new();
    let make = "mkdir -p out/tree/deep; echo file > out/file.txt; echo leaf > out/tree/deep/leaf.txt";
    let take = "cat file/file.txt tree-here/deep/leaf.txt > taken.txt";
    let flow = Flow::new()
        .step_with(
            "make",
            make,
            &[
                "outputs:",
                "  - { name: file, path: out/file.txt, type: text }",
                "  - { name: tree, path: out/tree }",
                "  - { name: absent, path: out/absent }",
            ],
        )
        .step_with(
            "take",
            take,
            &[
                "depends_on: [make]",
                "inputs:",
                "  - { from: make, artifact: file }",
                "  - { from: make, artifact: tree, as: tree-here }",
            ],
        );
    let _ = env.run(&flow).output().code(0);
    assert_eq!(env.read("context/make/file/file.txt"), "file\n");
    assert_eq!(env.read("context/make/tree/deep/leaf.txt"), "leaf\n");
    assert_eq!(env.read("taken.txt"), "file\nleaf\n");
    assert!(!env.work().join("context/make/absent").exists());
    let names: Vec<_> =
        env.the_run().events("artifact_collected").iter().map(|event| event["name"].clone()).collect();
    assert_eq!(names, ["file", "tree"]);
}

#[test]
fn the_context_directory_tells_what_happened() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with("good", "true", &["timeout: 3s", "workspace: sub"])
        .step("bad", "exit 5")
        .step_with("after", "true", &["depends_on: [bad]"])
        .with("concurrency: 2");
    std::fs::create_dir(env.work().join("sub")).unwrap();
    let _ = env.run(&flow).output().code(1);

    let workflow = json(&env, "context/_workflow.json");
    assert_eq!((&workflow["name"], &workflow["status"]), (&"flow".into(), &"FAILED".into()));
    assert_eq!(workflow["resolved"]["concurrency"], 2);
    assert!(workflow["completedAt"].is_number());

    let good = json(&env, "context/good/_meta.json");
    assert_eq!(
        (&good["stepId"], &good["status"], &good["attempts"]),
        (&"good".into(), &"SUCCEEDED".into(), &1.into())
    );
    assert_eq!(good["workerKind"], "CUSTOM");
    let resolved = json(&env, "context/good/_resolved.json");
    assert_eq!(resolved["resolved"]["timeoutMs"], 3000);
    assert_eq!(json(&env, "context/bad/_meta.json")["status"], "FAILED");
    assert!(env.work().join("context/after").is_dir());
    assert_eq!(env.the_run().state("after"), "skipped");
}

#[test]
fn an_interrupted_run_does_not_pretend_to_run_on() {
    let env = TestEnv::new();
    let running = env.run(&Flow::of("echo > started; sleep 1000")).start();
    env.wait_for_file("started");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait().code(143);
    assert_eq!(json(&env, "context/_workflow.json")["status"], "CANCELLED");
}

#[test]
fn steps_work_where_they_are_told_to() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("elsewhere/inner")).unwrap();
    let flow = Flow::new().step("a", "pwd").step_with("b", "pwd", &["workspace: inner"]);
    let _ = env.run(&flow).arg("--workspace").arg(env.path("elsewhere")).output().code(0);
    let run = env.the_run();
    let elsewhere = env.path("elsewhere").canonicalize().unwrap();
    assert_eq!(run.text("a", 1).trim_end(), elsewhere.to_str().unwrap());
    assert_eq!(run.text("b", 1).trim_end(), elsewhere.join("inner").to_str().unwrap());
    assert!(elsewhere.join("context/_workflow.json").exists());
}

#[test]
fn a_context_directory_that_cannot_be_made_is_said_before_anything_runs() {
    let env = TestEnv::new();
    env.write("in-the-way", "a file\n");
    let flow = Flow::of("touch ran").with("context_dir: in-the-way/context");
    let outcome = env.run(&flow).output().code(3);
    assert!(outcome.stderr.contains("in-the-way"), "{}", outcome.stderr);
    assert!(!env.work().join("ran").exists());
}

#[test]
fn a_workspace_that_cannot_be_used_is_said() {
    let env = TestEnv::new();
    env.write("in-the-way", "a file\n");
    let printed = env.run(&Flow::of("true")).args(["--workspace", "in-the-way"]).output().code(3);
    assert!(printed.stderr.contains("in-the-way"), "{}", printed.stderr);
    assert!(env.runs().is_empty());
}
