//! What an earlier run left in the workspace is not taken for what this one did.
//!
//! Every test of the suite runs its flow as the second one in its workspace (see [`remains`](crate::remains)). Runs that
//! really are repeated are those of the tables here.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::RunFiles;

/// What became of a run, without what differs each time.
#[derive(Debug, PartialEq)]
struct Fate {
    outcome: Option<String>,
    states: Vec<(String, String)>,
    /// Names and hashes of artifacts.
    made: Vec<(Value, Value)>,
}

fn fate(run: &RunFiles) -> Fate {
    let steps = run.events("run_started")[0]["steps"].as_array().unwrap().clone();
    let states = steps.iter().map(|plan| plan["step"].as_str().unwrap().to_owned());
    let states = states.map(|step| (step.clone(), run.state(&step)));
    let made = run.events("artifact_collected");
    let made = made.iter().map(|event| (event["name"].clone(), event["sha256"].clone()));
    Fate { outcome: run.outcome(), states: states.collect(), made: made.collect() }
}

/// Every metadata file and every artifact in the context directory is of this run.
fn expect_context_of(env: &TestEnv, run: &RunFiles) {
    let id = run.dir.file_name().unwrap().to_str().unwrap();
    let collected = run.events("artifact_collected");
    let mut made: Vec<_> = collected
        .iter()
        .map(|event| format!("{}/{}", event["step"].as_str().unwrap(), event["name"].as_str().unwrap()))
        .collect();
    let mut found = Vec::new();
    let context = env.work().join("context");
    let json = |path: &Path| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    assert_eq!(json(&context.join("_workflow.json"))["id"], id);
    for step in
        fs::read_dir(&context).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir())
    {
        for entry in fs::read_dir(step.path()).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".json") {
                assert_eq!(json(&entry.path())["runId"], id, "{}", entry.path().display());
            } else if !name.starts_with('.') {
                found.push(format!("{}/{name}", step.file_name().into_string().unwrap()));
            }
        }
    }
    made.sort();
    found.sort();
    assert_eq!(found, made);
}

fn last(env: &TestEnv) -> RunFiles {
    env.runs().pop().unwrap()
}

const MAKE: &str = "rm -rf out; mkdir -p out/tree; echo leaf > out/tree/leaf; echo file > out/file; \
                    echo $(( $(cat count 2>/dev/null || echo 0) + 1 )) > count; cp out/file out/tree/$(cat count)";

/// One step that makes, and one that takes.
fn handing_on(make: &str, more: &[&str]) -> Flow {
    let mut lines =
        vec!["outputs:", "  - { name: file, path: out/file }", "  - { name: tree, path: out/tree }"];
    lines.extend(more);
    let take = "rm -rf seen; mkdir seen; for it in file tree; do [ ! -e $it ] || cp -r $it seen; done";
    let inputs = [
        "depends_on: [make]",
        "inputs:",
        "  - { from: make, artifact: file }",
        "  - { from: make, artifact: tree }",
    ];
    Flow::new().step_with("make", make, &lines).step_with("take", take, &inputs).step("beside", "true")
}

#[test]
fn a_second_run_is_as_the_first_and_one_that_makes_nothing_hands_nothing_over() {
    let nothing = |script: &str| format!("rm -rf out; {script}");
    for (name, makes, fails, more, code) in [
        ("plain", MAKE.to_owned(), nothing("true"), &[][..], 0),
        (
            "retried",
            format!("{MAKE}; [ $ROBOPPI_ATTEMPT = 2 ]"),
            nothing("[ $ROBOPPI_ATTEMPT = 2 ]"),
            &["on_failure: retry", "max_retries: 1"][..],
            0,
        ),
        ("failing", MAKE.to_owned(), nothing("exit 3"), &["on_failure: continue"][..], 1),
        ("allowed to fail", MAKE.to_owned(), nothing("exit 3"), &["continue_on_error: true"][..], 0),
    ] {
        let env = TestEnv::new();
        let _ = env.run(&handing_on(&makes, more)).output().code(0);
        let first = fate(&last(&env));
        expect_context_of(&env, &last(&env));
        let _ = env.run(&handing_on(&makes, more)).output().code(0);
        let second = fate(&last(&env));
        assert_eq!((&second.outcome, &second.states), (&first.outcome, &first.states), "{name}");
        expect_context_of(&env, &last(&env));
        // Not the union of both.
        assert_eq!(fs::read_dir(env.work().join("seen/tree")).unwrap().count(), 2, "{name}");
        let printed = env.run(&handing_on(&fails, more)).output().code(code).all();
        assert_eq!(fs::read_dir(env.work().join("seen")).unwrap().count(), 0, "{name}: {printed}");
        assert!(printed.contains("input `tree` of `make`: it was not produced"), "{name}: {printed}");
        expect_context_of(&env, &last(&env));
    }
}

#[test]
fn other_flows_are_the_same_twice() {
    let skipped = Flow::new().step("bad", "exit 5").step_with("after", "true", &["depends_on: [bad]"]);
    let late = Flow::new().step_with("late", "sleep 1000", &["timeout: 200ms"]);
    let odd =
        Flow::new().step_with("Größe & mehr", "echo x > o", &["outputs: [{ name: ein Ding, path: o }]"]);
    for (flow, code) in [(skipped, 1), (late, 1), (odd, 0), (Flow::of("echo hello"), 0)] {
        let env = TestEnv::new();
        let fates = [(); 2].map(|()| {
            let _ = env.run(&flow).output().code(code);
            expect_context_of(&env, &last(&env));
            fate(&last(&env))
        });
        assert_eq!(fates[0], fates[1]);
    }
}

#[test]
fn after_a_kill_in_the_middle_the_context_directory_is_that_of_the_next_run() {
    let env = TestEnv::new();
    let slow = "[ ! -e slow ] || { echo > up; sleep 1000; }";
    let flow = |two: &str| {
        Flow::new().step_with("one", "echo 1 > o1", &["outputs: [{ name: first, path: o1 }]"]).step_with(
            "two",
            two,
            &["depends_on: [one]", "outputs: [{ name: second, path: o2 }]"],
        )
    };
    let _ = env.run(&flow(&format!("echo 2 > o2; {slow}"))).output().code(0);
    env.write("slow", "");
    let run = env.run(&flow(&format!("echo 2 > o2; {slow}"))).start();
    env.wait_for_file("up");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    // What it did not come to is not there as if it had.
    assert!(!env.work().join("context/two/_meta.json").exists());
    assert!(!env.work().join("context/two/second").exists());
    let _ = env.run(&flow("exit 1")).output().code(1);
    expect_context_of(&env, &last(&env));
    let two: Value = serde_json::from_str(&env.read("context/two/_meta.json")).unwrap();
    assert_eq!(two["status"], "FAILED");
}

#[test]
fn after_a_kill_while_outputs_were_collected_nothing_of_them_is_left() {
    let env = TestEnv::new();
    let lines = ["outputs: [{ name: o, path: out }]"];
    let endless = Flow::new().step_with("make", "mkdir out; truncate -s 4T out/hole", &lines);
    let run = env.run(&endless).start();
    let staging = env.wait_for("half an artifact", || {
        let id = env.runs().last()?.dir.file_name()?.to_str()?.to_owned();
        let staging = env.work().join(format!("context/make/.collecting-{id}"));
        staging.join("o/hole").exists().then_some(staging)
    });
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    assert!(!env.work().join("context/make/o").exists());
    let _ = env.run(&Flow::new().step("make", "true")).output().code(0);
    expect_context_of(&env, &last(&env));
    assert!(!staging.exists());
}

#[test]
fn what_was_placed_is_taken_back_and_what_was_changed_stays() {
    let env = TestEnv::new();
    let _ = env.run(&handing_on(MAKE, &[])).output().code(0);
    env.write("tree/mine", "mine\n");
    env.write("tree/leaf", "changed by hand\n");
    let _ = env.run(&handing_on("rm -rf out", &[])).output().code(0);
    assert_eq!(env.read("tree/mine") + &env.read("tree/leaf"), "mine\nchanged by hand\n");
    assert!(!env.work().join("tree/1").exists() && !env.work().join("file").exists());
    // The step has another name now, and so has what it takes.
    let _ = env.run(&handing_on(MAKE, &[])).output().code(0);
    let other = Flow::new().step("other", "ls");
    let _ = env.run(&other).output().code(0);
    assert!(!env.work().join("file").exists() && env.work().join("tree/mine").exists());
}

#[test]
fn what_was_placed_is_taken_back_from_a_step_that_takes_nothing_any_more() {
    let env = TestEnv::new();
    let _ = env.run(&handing_on(MAKE, &[])).output().code(0);
    assert!(env.work().join("file").exists() && env.work().join("tree/leaf").exists());
    let lines = ["outputs: [{ name: file, path: out/file }]"];
    let apart =
        Flow::new().step_with("make", MAKE, &lines).step_with("take", "true", &["depends_on: [make]"]);
    let _ = env.run(&apart).output().code(0);
    assert!(!env.work().join("file").exists() && !env.work().join("tree").exists());
}

#[test]
fn a_run_neither_removes_nor_replaces_what_no_run_put_there() {
    let env = TestEnv::new();
    env.write("docs/api/index.md", "mine\n");
    env.write("docs/guide.md", "mine\n");
    let lines = ["outputs: [{ name: api, path: made }]"];
    let flow = Flow::new().with("context_dir: .").step_with("docs", "echo x > made", &lines);
    // Twice: the first one leaves nothing that the second one takes for a sign.
    for _ in 0..2 {
        let refused = env.run(&flow).output().code(3).stderr;
        assert!(refused.contains("docs/api was not put there by a run"), "{refused}");
        assert_eq!(env.read("docs/api/index.md"), "mine\n");
    }
    fs::rename(env.work().join("docs/api"), env.work().join("docs/old")).unwrap();
    for _ in 0..2 {
        let _ = env.run(&flow).output().code(0);
        assert_eq!(env.read("docs/api/made"), "x\n");
        assert_eq!(env.read("docs/old/index.md") + &env.read("docs/guide.md"), "mine\nmine\n");
    }
}

#[test]
fn files_of_a_person_and_of_other_workflows_stay() {
    let env = TestEnv::new();
    let other = Flow::new().step_with("elsewhere", "echo x > o", &["outputs: [{ name: thing, path: o }]"]);
    let _ = env.run(&other).output().code(0);
    env.write("context/make/notes.txt", "mine\n");
    env.write("context/readme", "mine\n");
    env.write("other.yaml", &handing_on(MAKE, &[]).text().replace("name: flow", "name: other"));
    let _ = env.roboppi(["workflow", "run", "other.yaml", "--no-tui"]).output().code(0);
    assert_eq!(env.read("context/make/notes.txt") + &env.read("context/readme"), "mine\nmine\n");
    assert_eq!(env.read("context/elsewhere/thing/o"), "x\n");
}
