//! Steps that run another workflow.

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::run_files::RunFiles;

const HEAD: &str = "name: NAME\nversion: \"1\"\ntimeout: 1m\nsteps:\n";

/// A workflow of these steps.
fn workflow(name: &str, steps: &str) -> String {
    format!("{}{steps}", HEAD.replace("NAME", name))
}

/// A step that runs a script; `more` are further lines of it.
fn step(name: &str, script: &str, more: &str) -> String {
    let script = serde_json::to_string(script).unwrap();
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("  {name}:\n    run: {script}\n{more}")
}

/// A step that runs the workflow of a file.
fn call(name: &str, file: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("  {name}:\n    workflow: {file}\n{more}")
}

fn attempts(run: &RunFiles) -> Vec<String> {
    let name = |event: &Value| {
        let of = &event["of"];
        let role = of["role"].as_str().map_or_else(String::new, |role| format!("/{role}"));
        format!("{}@{}{role}#{}", of["step"].as_str().unwrap(), of["iteration"], of["attempt"])
    };
    run.events("attempt_started").iter().map(name).collect()
}

/// A child of two steps: the first one makes an artifact, the second one takes it.
fn child() -> String {
    workflow(
        "child",
        &(step(
            "make",
            "echo made by $ROBOPPI_STEP_ID > made.txt",
            "outputs: [{name: made, path: made.txt}]",
        ) + &step(
            "take",
            "cat got/made.txt; echo $ROBOPPI_SUBWORKFLOW_PARENT_STEP $ROBOPPI_SUBWORKFLOW_ITERATION",
            "depends_on: [make]\ninputs: [{from: make, artifact: made, as: got}]",
        )),
    )
}

#[test]
fn the_steps_of_a_subworkflow_are_steps_of_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        env.write("sub/child.yaml", &child());
        let steps = step("before", "echo first", "")
            + &call(
                "cycle",
                "sub/child.yaml",
                "depends_on: [before]\nexports: [{from: make, artifact: made, as: result}]",
            )
            + &step(
                "after",
                "cat taken/made.txt",
                "depends_on: [cycle]\ninputs: [{from: cycle, artifact: result, as: taken}]",
            );
        env.write("main.yaml", &workflow("main", &steps));
        let text = env
            .roboppi(["workflow", "run", "main.yaml", "--no-tui", "--verbose", mode])
            .output()
            .code(0)
            .text();
        let run = env.the_run();
        assert_eq!(
            attempts(&run),
            ["before@1#1", "cycle@1#1", "cycle/make@1#1", "cycle/take@1#1", "after@1#1"]
        );
        for step in ["before", "cycle", "cycle/make", "cycle/take", "after"] {
            assert_eq!(run.state(step), "succeeded", "{step}");
        }
        let log = env.roboppi(["logs", "-1", "cycle"]).output().code(0).text();
        assert!(log.contains("runs the steps of sub/child.yaml"), "{log}");
        let log = env.roboppi(["logs", "-1", "cycle/take"]).output().code(0).text();
        assert!(log.contains("made by cycle/make") && log.contains("cycle 1"), "{log}");
        assert_eq!(run.text("after", 1), "made by cycle/make\n");
        assert!(text.contains("cycle/make") && text.contains("cycle/take"), "{text}");
        let read = |path: &str| env.read(&format!("context/{path}"));
        assert_eq!(read("cycle/result/made.txt"), "made by cycle/make\n");
        assert_eq!(read("_subworkflows/cycle/make/made/made.txt"), "made by cycle/make\n");
        let meta: Value = serde_json::from_str(&read("_subworkflows/cycle/make/_meta.json")).unwrap();
        assert_eq!((&meta["stepId"], &meta["status"]), (&json!("cycle/make"), &json!("SUCCEEDED")));
        let meta: Value = serde_json::from_str(&read("cycle/_meta.json")).unwrap();
        assert_eq!((&meta["status"], &meta["artifacts"][0]["name"]), (&json!("SUCCEEDED"), &json!("result")));
        // A second run begins with empty places, and finds nothing of somebody else in them.
        env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(0);
        let shown = env.roboppi(["show", "-1"]).output().code(0).text();
        assert!(shown.contains("cycle/take"), "{shown}");
    }
}

#[test]
fn a_loop_runs_its_steps_again_until_the_check_finds_it_complete() {
    let env = TestEnv::new();
    let inner = workflow(
        "child",
        &(step(
            "work",
            "echo x >> tries; echo $ROBOPPI_SUBWORKFLOW_ITERATION >> iterations",
            "outputs: [{name: tries, path: tries}]",
        ) + &step("note", "wc -l < tries", "depends_on: [work]")),
    );
    env.write("child.yaml", &inner);
    let check = "max_iterations: 4\ncompletion_check:\n  run: '[ $(wc -l < tries) -ge 3 ] || { echo more; exit 1; }'\nexports: [{from: work, artifact: tries}]";
    env.write("main.yaml", &workflow("main", &call("cycle", "child.yaml", check)));
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(0);
    let run = env.the_run();
    assert_eq!(
        attempts(&run),
        [
            "cycle@1#1",
            "cycle/work@1#1",
            "cycle/note@1#1",
            "cycle@1/check#1",
            "cycle@2#1",
            "cycle/work@2#1",
            "cycle/note@2#1",
            "cycle@2/check#1",
            "cycle@3#1",
            "cycle/work@3#1",
            "cycle/note@3#1",
            "cycle@3/check#1",
        ]
    );
    assert_eq!(env.read("iterations"), "1\n2\n3\n");
    assert_eq!(env.read("context/cycle/tries/tries"), "x\nx\nx\n");
    assert_eq!(run.state("cycle"), "succeeded");
    assert_eq!(run.state("cycle/note"), "succeeded");
}

#[test]
fn a_failure_inside_is_the_failure_of_the_step() {
    let env = TestEnv::new();
    let inner = workflow(
        "child",
        &(step("bad", "echo broken >&2; exit 3", "")
            + &step("later", "true", "depends_on: [bad]")
            + &step("beside", "echo beside > beside.txt", "")),
    );
    env.write("child.yaml", &inner);
    let steps = call("cycle", "child.yaml", "on_failure: retry\nmax_retries: 1")
        + &step("after", "true", "depends_on: [cycle]")
        + &step("other", "true", "");
    env.write("main.yaml", &workflow("main", &steps));
    let text = env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(1).text();
    let run = env.the_run();
    for (step, state) in [
        ("cycle", "failed"),
        ("cycle/bad", "failed"),
        ("cycle/later", "skipped"),
        ("cycle/beside", "succeeded"),
        ("after", "skipped"),
        ("other", "succeeded"),
    ] {
        assert_eq!(run.state(step), state, "{step}\n{text}");
    }
    let bad = attempts(&run).into_iter().filter(|attempt| attempt.starts_with("cycle")).collect::<Vec<_>>();
    assert!(bad.contains(&"cycle@1#2".to_owned()) && bad.contains(&"cycle/bad@2#1".to_owned()), "{bad:?}");
    assert!(text.contains("failed: `cycle/bad`"), "{text}");
    // Whose failure is allowed lets the run succeed.
    let steps = call("cycle", "child.yaml", "continue_on_error: true")
        + &step("after", "true", "depends_on: [cycle]");
    env.write("main.yaml", &workflow("main", &steps));
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(0);
    // A step inside whose failure is allowed is none of its workflow.
    let inner =
        inner.replace("    run: \"echo broken", "    continue_on_error: true\n    run: \"echo broken");
    env.write("child.yaml", &inner);
    env.write("main.yaml", &workflow("main", &call("cycle", "child.yaml", "")));
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(0);
}

#[test]
fn limits_of_the_child_hold() {
    let env = TestEnv::new();
    let wait = "echo $$ >> started; exec sleep 60";
    let inner = workflow("child", &(step("a", wait, "") + &step("b", wait, "")));
    env.write("child.yaml", &inner.replace("timeout: 1m", "timeout: 1s\nconcurrency: 1"));
    env.write(
        "main.yaml",
        &workflow("main", &(call("cycle", "child.yaml", "") + &step("other", "true", ""))),
    );
    let text = env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "-j", "1"]).output().code(1).text();
    let run = env.the_run();
    assert!(
        text.contains("cycle  timed out after 1s (`timeout`)")
            && text.contains("the time limit of `cycle` was reached"),
        "{text}"
    );
    assert_eq!(run.state("cycle"), "failed");
    assert_eq!(run.state("other"), "succeeded");
    assert_eq!(env.read("started").lines().count(), 1, "one at a time");
    env.wait_until_nothing_is_left();
}

#[test]
fn a_signal_ends_the_steps_of_all_levels() {
    for signal in [SIGINT, SIGKILL] {
        let env = TestEnv::new();
        let wait = "trap '' TERM; sleep 60 & echo ready > ready; wait";
        env.write("inner.yaml", &workflow("inner", &step("deep", wait, "")));
        env.write("child.yaml", &workflow("child", &call("in", "inner.yaml", "")));
        env.write("main.yaml", &workflow("main", &call("out", "child.yaml", "")));
        let running = env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "--grace", "200ms"]).start();
        env.wait_for_file("ready");
        running.signal(signal);
        let end = running.wait();
        if signal == SIGINT {
            end.code(130);
            let run = env.the_run();
            for step in ["out", "out/in", "out/in/deep"] {
                assert_eq!(run.state(step), "cancelled", "{step}");
            }
        } else {
            end.signal(signal);
        }
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn a_resumed_run_goes_on_inside() {
    let env = TestEnv::new();
    let inner = workflow(
        "child",
        &(step("first", "echo first >> done.txt", "")
            + &step("second", "[ -e fixed ] && echo second >> done.txt", "depends_on: [first]")),
    );
    env.write("child.yaml", &inner);
    let steps =
        call("cycle", "child.yaml", "") + &step("after", "echo after >> done.txt", "depends_on: [cycle]");
    env.write("main.yaml", &workflow("main", &steps));
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(1);
    env.write("fixed", "");
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "--rerun-failed"]).output().code(0);
    assert_eq!(env.read("done.txt"), "first\nsecond\nafter\n");
    // And when all of it is done, nothing of it runs again.
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "--resume", "-1"]).output().code(4);
    assert_eq!(env.read("done.txt"), "first\nsecond\nafter\n");
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "--resume", "-1", "--from", "cycle/second"])
        .output()
        .code(0);
    assert_eq!(env.read("done.txt"), "first\nsecond\nafter\nsecond\nafter\n");
}

#[test]
fn a_run_that_was_killed_goes_on_inside() {
    let env = TestEnv::new();
    let wait = "echo ready > ready; until [ -e go ]; do sleep 0.02; done; echo second >> done.txt";
    let inner = workflow(
        "child",
        &(step("first", "echo first >> done.txt", "") + &step("second", wait, "depends_on: [first]")),
    );
    env.write("child.yaml", &inner);
    env.write("main.yaml", &workflow("main", &call("cycle", "child.yaml", "")));
    let running = env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).start();
    env.wait_for_file("ready");
    running.signal(SIGKILL);
    let _ = running.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    env.write("go", "");
    let text =
        env.roboppi(["workflow", "run", "main.yaml", "--no-tui", "--resume", "-1"]).output().code(0).text();
    assert_eq!(env.read("done.txt"), "first\nsecond\n", "{text}");
}

#[test]
fn mistakes_of_all_files_are_one_report() {
    let env = TestEnv::new();
    env.write(
        "sub/child.yaml",
        &workflow("child", &step("a", "true", "depends_on: [b]")).replace("timeout", "tiemout"),
    );
    let steps = call("one", "sub/child.yaml", "model: x")
        + &call("two", "gone.yaml", "")
        + &call("me", "main.yaml", "");
    env.write("main.yaml", &workflow("main", &steps));
    let text = env.roboppi(["workflow", "validate", "main.yaml"]).output().code(2).all();
    for part in [
        "`steps.one.model` does not go with `workflow`",
        "sub/child.yaml:7:18",
        "there is no step `b`",
        "the workflow has no `timeout`",
        "the file `gone.yaml` cannot be used",
        "a workflow runs itself: `main.yaml` -> `main.yaml`",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let json = env.roboppi(["workflow", "validate", "main.yaml", "-o", "json"]).output().code(2).text();
    let json: Value = serde_json::from_str(&json).unwrap();
    let files: Vec<_> =
        json[0]["diagnostics"].as_array().unwrap().iter().map(|found| &found["file"]).collect();
    assert!(files.contains(&&json!("sub/child.yaml")) && files.contains(&&Value::Null), "{files:?}");
    // Too deep: each file runs the next one.
    for level in 0..6 {
        let text = workflow("deep", &call("next", &format!("deep{}.yaml", level + 1), ""));
        env.write(&format!("deep{level}.yaml"), &text);
    }
    env.write("deep6.yaml", &workflow("deep", &step("a", "true", "")));
    let deep = |depth: &str| {
        let validate = env.roboppi(["workflow", "validate", "deep0.yaml"]);
        validate.env("ROBOPPI_MAX_SUBWORKFLOW_DEPTH", depth).output()
    };
    let text = deep("").code(2).all();
    assert!(text.contains("nested more than 5 levels deep"), "{text}");
    deep("7").code(0);
}

#[test]
fn conditions_and_inputs_of_the_child_are_about_its_own_steps_and_values() {
    let env = TestEnv::new();
    let inputs = "inputs:\n  name: { default: world }\n  loud: { type: boolean, default: false }\nsteps:\n";
    let child = workflow(
        "child",
        &(step(
            "first",
            "echo hello $NAME; exit 3",
            "env: { NAME: \"${{ inputs.name }}\" }\ncontinue_on_error: true",
        ) + &step("repair", "echo repaired", "depends_on: [first]\nif: steps.first.outcome == 'failed'")
            + &step("shout", "echo HELLO", "depends_on: [first]\nif: inputs.loud")),
    );
    env.write("child.yaml", &child.replace("steps:\n", inputs));
    env.write(
        "main.yaml",
        &workflow("main", &(step("first", "true", "") + &call("cycle", "child.yaml", "depends_on: [first]"))),
    );
    env.roboppi(["workflow", "run", "main.yaml", "--no-tui"]).output().code(0);
    let run = env.the_run();
    let log = |step: &str| env.roboppi(["logs", "-1", step]).output().code(0).text();
    assert_eq!(log("cycle/first"), "hello world\n");
    assert_eq!(log("cycle/repair"), "repaired\n");
    assert_eq!(run.state("cycle/shout"), "skipped");
    // A value that nothing gives is a mistake of the call.
    env.write(
        "child.yaml",
        &child.replace(
            "steps:\n",
            "inputs:\n  name: { required: true }\n  loud: { type: boolean, default: true }\nsteps:\n",
        ),
    );
    let refused = env.roboppi(["workflow", "validate", "main.yaml"]).output().code(2).all();
    assert!(refused.contains("needs a value for its input `name`"), "{refused}");
}
