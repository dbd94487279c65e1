//! The run directory: who may read it, what is in it, and what happens when it cannot be made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::env::{TestEnv, before_summary};
use crate::flow::Flow;
use crate::run_files::walk;

#[test]
fn only_the_owner_may_read_it() {
    let env = TestEnv::new();
    let _ = env
        .shell("umask 000; exec $ROBOPPI workflow run <(printf '%s' \"$FLOW\") --no-tui")
        .env("FLOW", Flow::of("echo secret").text())
        .output()
        .code(0);
    let run = env.the_run();
    assert_eq!(run.text("work", 1), "secret\n");
    let mut seen = 0;
    for path in walk(&run.dir) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn it_says_what_was_started() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let _ = env.run(&flow).args(["--grace", "3s"]).output().code(0);
    let run = env.the_run();
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.dir.join("run.json")).unwrap()).unwrap();
    assert_eq!(manifest["name"], "flow");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["record"], "full");
    assert_eq!(manifest["workflow"], env.work().canonicalize().unwrap().join("flow.yaml").to_str().unwrap());
    assert!(manifest["arguments"].as_array().unwrap().contains(&"3s".into()), "{manifest}");
    assert_eq!(fs::read_to_string(run.dir.join("workflow.yaml")).unwrap(), flow.text());
}

#[test]
fn its_journal_is_whole_and_without_a_gap() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true").step("bad", "false")).output().code(1);
    let journal = env.the_run().journal();
    for (index, record) in journal.iter().enumerate() {
        assert_eq!(record["seq"], index + 1);
    }
    assert_eq!(journal.first().unwrap()["event"]["type"], "run_started");
    assert_eq!(journal.last().unwrap()["event"]["type"], "run_finished");
}

#[test]
fn two_runs_in_one_workspace_are_told_of_each_other() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo before")).output().code(0);
    let over = env.the_run().dir.file_name().unwrap().to_str().unwrap().to_owned();
    // Each waits until the other one is there too.
    let script =
        "touch here.$NAME; until [ -e here.one ] && [ -e here.two ]; do sleep 0.01; done; echo $NAME";
    env.write("flow.yaml", &Flow::of(script).text());
    let start =
        |name: &str| env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).env("NAME", name).start();
    let (one, two) = (start("one"), start("two"));
    let printed = [one.wait().code(0).all(), two.wait().code(0).all()];
    let printed: String = printed.iter().map(|text| before_summary(text)).collect();
    assert_eq!(printed.matches("is using the context directory").count(), 1, "{printed}");
    // What a run that is over has left there does not make it the one.
    assert!(!printed.contains(&format!("{over} is using")), "{printed}");
    let mut logs: Vec<_> = env.runs().iter().map(|run| run.text("work", 1)).collect();
    logs.sort();
    assert_eq!(logs, ["before\n", "one\n", "two\n"]);
}

#[test]
fn its_place_can_be_chosen() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).env("ROBOPPI_STATE_DIR", env.path("chosen")).output().code(0);
    assert!(env.runs().is_empty());
    assert_eq!(fs::read_dir(env.path("chosen/runs")).unwrap().count(), 1);
}

#[test]
fn without_a_place_for_it_the_run_goes_on_and_says_where_it_is() {
    let env = TestEnv::new();
    env.write("in-the-way", "a file\n");
    let state = env.work().join("in-the-way");
    let printed = env.run(&Flow::of("echo hello")).env("XDG_STATE_HOME", &state).output().code(0).all();
    assert!(printed.contains("in-the-way"), "{printed}");
    let temporary = env.path("tmp");
    assert!(printed.contains(temporary.to_str().unwrap()), "{printed}");
    let log = walk(&temporary).into_iter().find(|path| path.ends_with("steps/work/i1-a1.log")).unwrap();
    assert_eq!(fs::read_to_string(log).unwrap(), "hello\n");
}

#[test]
fn odd_step_names_have_files_too() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::new().step("Größe & mehr", "echo groß")).output().code(0);
    let run = env.the_run();
    assert_eq!(run.text("Gr%C3%B6%C3%9Fe%20%26%20mehr", 1), "groß\n");
    assert_eq!(env.roboppi(["logs", "Größe & mehr"]).output().code(0).text(), "groß\n");
}
