//! A run that goes on with an earlier one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;
use crate::processes::Process;
use crate::run_files::RunFiles;

/// Each step leaves a line in `done`, so that nothing it does twice goes unseen.
fn script(step: &str, more: &str) -> String {
    format!("echo {step} >> done; {more}")
}

/// `test` fails until there is a file `fixed`.
fn flow() -> Flow {
    Flow::new()
        .with("concurrency: 1")
        .step_with(
            "build",
            &script("build", "mkdir -p out; echo made > out/app"),
            &["outputs:", "  - { name: app, path: out/app }"],
        )
        .step_with(
            "test",
            &script("test", "cat app/app; [ -e fixed ]"),
            &["depends_on: [build]", "inputs:", "  - { from: build, artifact: app }"],
        )
        .step_with("ship", &script("ship", "true"), &["depends_on: [test]"])
}

fn resume<'e>(env: &'e TestEnv, arguments: &[&str]) -> Invocation<'e> {
    env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).args(arguments)
}

fn id(run: &RunFiles) -> String {
    run.dir.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Steps that had an attempt in a run, in order.
fn worked(run: &RunFiles) -> Vec<String> {
    run.events("attempt_started")
        .iter()
        .map(|event| event["of"]["step"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_succeeded_is_kept_and_the_rest_is_run() {
    let env = TestEnv::new();
    let failed = env.run(&flow()).output().code(1).text();
    let first = id(&env.the_run());
    let flow_file = env.work().canonicalize().unwrap().join("flow.yaml");
    let command = format!("roboppi workflow run {} --resume r1\n", flow_file.display());
    assert!(failed.contains(&command), "{failed}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains(&command), "{page}");

    env.write("fixed", "");
    let dry = resume(&env, &["--resume", "-1", "--dry-run"]).output().code(0).text();
    let rows: Vec<_> =
        dry.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(rows.contains(&"build keep".to_owned()), "{dry}");
    assert!(rows.contains(&"test run it failed".to_owned()), "{dry}");
    assert!(rows.contains(&"ship run it was skipped".to_owned()), "{dry}");
    assert_eq!(env.runs().len(), 1);

    let printed = resume(&env, &["--resume", &first[..30]]).output().code(0).text();
    assert!(printed.contains(&format!("kept from run {first}")), "{printed}");
    assert_eq!(env.read("done"), "build\ntest\ntest\nship\n");
    let second = env.runs().pop().unwrap();
    assert_eq!(worked(&second), ["test", "ship"]);
    assert_eq!(second.state("build"), "succeeded");
    assert_eq!(second.events("run_started")[0]["resumes"]["run"], first.as_str());
    assert_eq!(second.text("test", 1), "made\n");
    // The log of what was kept is where it was made.
    let log = env.roboppi(["export", "-1", "build", "--format", "json"]).output().code(0);
    let log: Value = serde_json::from_str(&log.text()).unwrap();
    assert_eq!(log["run"], first.as_str());
    let shown = env.roboppi(["logs", "-1", "build"]).output().code(0);
    assert!(shown.stderr.contains(&format!("was done by run {first}")), "{}", shown.stderr);
    let listed: Value =
        serde_json::from_str(&env.roboppi(["runs", "--json"]).output().code(0).text()).unwrap();
    assert_eq!((&listed[0]["stepsDone"], &listed[0]["state"]), (&3.into(), &"succeeded".into()));

    // Nothing is left to do.
    let nothing = resume(&env, &["--rerun-failed"]).output().code(4);
    assert!(nothing.stderr.contains("nothing to run"), "{}", nothing.stderr);
    assert_eq!(env.runs().len(), 2);
    // From there on: `ship` again, and `build` is still the one of the first run.
    let _ = resume(&env, &["--from", "ship"]).output().code(0);
    let third = env.runs().pop().unwrap();
    assert_eq!(worked(&third), ["ship"]);
    let kept = &third.events("run_started")[0]["resumes"];
    assert_eq!(kept["run"], id(&second).as_str());
    let runs: Vec<_> =
        kept["kept"].as_array().unwrap().iter().map(|kept| kept["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [first, id(&second)]);
}

#[test]
fn a_screen_says_where_it_was_done() {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(1);
    env.write("fixed", "");
    let arguments = ["workflow", "run", "flow.yaml", "--tui", "--rerun-failed"];
    let mut screen = env.roboppi(arguments).start_in_terminal(40, 160);
    env.wait_for("the end of the second run", || env.runs().get(1)?.outcome());
    // The logs, of the first step.
    screen.press("2");
    screen.press("kkkk");
    screen.wait_for_text("It was executed by run");
    screen.wait_for_text("press q to leave");
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

#[test]
fn what_had_succeeded_and_has_changed_is_said_first() {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(1);
    env.write("fixed", "");
    let original = env.read("flow.yaml");
    let refused = |change: &str, what: &str| {
        let refused = resume(&env, &["--rerun-failed"]).output().code(2).stderr;
        assert!(refused.contains(what) && refused.contains("--accept-changes"), "{change}: {refused}");
        assert_eq!(env.read("done"), "build\ntest\n", "{change}");
    };
    env.write("flow.yaml", &original.replace("echo made", "echo made differently"));
    refused("a script", "build: its definition has changed: instructions");
    let _ = resume(&env, &["--rerun-failed", "--dry-run"]).output().code(0);
    env.write("flow.yaml", &original);

    let app = env.work().join("context/build/app/app");
    fs::write(&app, "tampered\n").unwrap();
    refused("an artifact", "build: its artifact `app` was changed since");
    fs::write(&app, "made\n").unwrap();
    fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).unwrap();
    refused("a program", "build: its artifact `app` was changed since");
    fs::remove_dir_all(app.parent().unwrap()).unwrap();
    refused("an artifact that is gone", "build: its artifact `app` is missing");

    let other = resume(&env, &["--rerun-failed", "--workspace", "elsewhere"]).output().code(2).stderr;
    assert!(other.contains("no run of"), "{other}");
    let other = resume(&env, &["--resume", "-1", "--workspace", "elsewhere"]).output().code(2).stderr;
    assert!(other.contains("the workspace of the run"), "{other}");

    let accepted = resume(&env, &["--rerun-failed", "--accept-changes"]).output().code(0);
    assert!(accepted.stderr.contains("runs again"), "{}", accepted.stderr);
    assert_eq!(env.read("done"), "build\ntest\nbuild\ntest\nship\n");
    assert_eq!(fs::read_to_string(&app).unwrap(), "made\n");
}

#[test]
fn a_step_that_failed_may_be_mended_and_leaves_nothing_of_before() {
    let env = TestEnv::new();
    let makes = |name: &str, code: u8| {
        Flow::new()
            .step_with(
                "make",
                &format!("mkdir -p out; echo x > out/{name}"),
                &["outputs:", &format!("  - {{ name: it, path: out/{name} }}")],
            )
            .step_with(
                "use",
                &format!("ls it; exit {code}"),
                &["depends_on: [make]", "inputs:", "  - { from: make, artifact: it }"],
            )
    };
    let _ = env.run(&makes("old", 1)).output().code(1);
    env.write("flow.yaml", &makes("old", 0).text());
    let _ = resume(&env, &["--rerun-failed"]).output().code(0);
    // Now `make` makes a file of another name: the old one is not among its artifacts any more.
    env.write("flow.yaml", &makes("new", 0).text());
    let _ = resume(&env, &["--resume", "-1", "--accept-changes"]).output().code(0);
    assert_eq!(env.runs().pop().unwrap().text("use", 1), "new\n");
    let names: Vec<_> = fs::read_dir(env.work().join("context/make/it")).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn nobody_goes_on_with_a_run_that_somebody_may_still_write() {
    let env = TestEnv::new();
    let stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done";
    let run = env.run(&Flow::of(stubborn)).args(["--grace", "60s"]).start();
    env.wait_for_file("pid");
    let live = resume(&env, &["--resume", "-1"]).output().code(2).stderr;
    assert!(live.contains("is going on (pid "), "{live}");
    // The owner is dead, but its worker has time to end.
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    let ending = resume(&env, &["--resume", "-1"]).output().code(2).stderr;
    assert!(ending.contains("not all it started has ended"), "{ending}");
    let worker = env.read("pid").trim().parse().ok().and_then(Process::of).unwrap();
    worker.signal(SIGKILL);
    env.wait_until_nothing_is_left();
    env.write("flow.yaml", &Flow::of("echo again").text());
    let printed = resume(&env, &["--resume", "-1"]).output().code(0).text();
    assert!(printed.contains("SUCCEEDED"), "{printed}");
    // Another run works in the same context directory.
    env.write("flow.yaml", &Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done; exit 1").text());
    let other = resume(&env, &[]).start();
    env.wait_for_file("up");
    let used = resume(&env, &["--resume", "-2", "--accept-changes"]).output().code(3).stderr;
    assert!(used.contains("is using the context directory"), "{used}");
    env.write("go", "");
    let _ = other.wait().code(1);
}

#[test]
fn nonsense_is_said() {
    let env = TestEnv::new();
    env.write("flow.yaml", &flow().text());
    let none = resume(&env, &["--rerun-failed"]).output().code(2).stderr;
    assert!(none.contains("no run of"), "{none}");
    for hostile in ["../x", "-1", "nothing"] {
        let none = resume(&env, &["--resume", hostile]).output().code(2).stderr;
        assert!(none.contains("no run"), "{none}");
    }
    let alone = resume(&env, &["--accept-changes"]).output().code(2).stderr;
    assert!(alone.contains("--resume"), "{alone}");
    let _ = env.run(&flow()).output().code(1);
    let unknown = resume(&env, &["--from", "biuld"]).output().code(2).stderr;
    assert!(unknown.contains("no step `biuld`") && unknown.contains("build, test, ship"), "{unknown}");
    env.write("other.yaml", &Flow::of("true").text());
    let other = env.roboppi(["workflow", "run", "other.yaml", "--resume", "-1"]).output().code(2).stderr;
    assert!(other.contains("none of the steps"), "{other}");
    // Its record came from elsewhere: what it made is not here.
    let there = TestEnv::new();
    let _ = env.roboppi(["export", "-1", "-o", "it.zst"]).output().code(0);
    let _ = there.roboppi(["import"]).arg(env.work().join("it.zst")).output().code(0);
    there.write("flow.yaml", &flow().text());
    let imported = resume(&there, &["--resume", "r1"]).output().code(2).stderr;
    assert!(imported.contains("can be resumed there only"), "{imported}");
    let json = resume(&env, &["--resume", "-1", "--dry-run", "--output", "json"]).output().code(0).text();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["steps"][0]["keep"], &json["steps"][1]["keep"]), (&true.into(), &false.into()));
}

/// A small run with everything that matters: an artifact that is taken, a step without any, one that is tried again.
fn small() -> Flow {
    Flow::new()
        .with("concurrency: 1")
        .step_with(
            "make",
            &script("make", "mkdir -p out/deep; echo one > out/deep/one; ln -sf deep/one out/link"),
            &["outputs:", "  - { name: tree, path: out }"],
        )
        .step_with(
            "beside",
            &script("beside", "[ -e tried ] || { touch tried; exit 1; }"),
            &["on_failure: retry", "max_retries: 1"],
        )
        .step_with(
            "take",
            &script("take", "mkdir -p taken; cat tree/deep/one > taken/two; echo two >> taken/two"),
            &[
                "depends_on: [make, beside]",
                "inputs:",
                "  - { from: make, artifact: tree }",
                "outputs:",
                "  - { name: two, path: taken/two }",
            ],
        )
}

/// Everything in a directory: content, or the target of a link. Of metadata only that it is there.
fn everything(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let name = path.strip_prefix(dir).unwrap().to_owned();
            // Which files were placed in the workspace is another thing each time.
            if name.ends_with(".placed") {
                continue;
            }
            let content = if kind.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if kind.is_dir() {
                dirs.push(path);
                "directory".to_owned()
            } else if name.file_name().unwrap().to_str().unwrap().starts_with('_') {
                "metadata".to_owned()
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.insert(name, content);
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// What was on the disk besides the record when the owner died.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// No more than what the record tells of.
    AsRecorded,
    /// All that was done, of which the record does not tell everything, and half of the next line.
    Ahead,
}

#[test]
fn after_a_crash_at_any_record_the_end_is_the_same_and_nothing_is_done_twice() {
    const LANES: usize = 3;
    thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || crash_at_every_record(lane, LANES));
        }
    });
}

fn crash_at_every_record(lane: usize, lanes: usize) {
    let env = TestEnv::new();
    let _ = env.run(&small()).output().code(0);
    let run = env.the_run();
    let context = env.work().join("context");
    let (saved_run, saved_context) = (env.path("saved-run"), env.path("saved-context"));
    copy(&run.dir, &saved_run);
    copy(&context, &saved_context);
    let expected = everything(&context);
    let journal = fs::read_to_string(run.dir.join("journal.jsonl")).unwrap();
    let lines: Vec<_> = journal.split_inclusive('\n').collect();
    assert!(lines.len() > 20);
    for records in (1..lines.len()).filter(|records| records % lanes == lane) {
        for left in [Left::AsRecorded, Left::Ahead] {
            fs::remove_dir_all(env.path("state/roboppi/runs")).unwrap();
            fs::create_dir(env.path("state/roboppi/runs")).unwrap();
            copy(&saved_run, &run.dir);
            fs::remove_dir_all(&context).unwrap();
            copy(&saved_context, &context);
            let mut kept = lines[..records].concat();
            if let Left::Ahead = left {
                kept.push_str(&lines[records][..lines[records].len() / 2]);
            }
            fs::write(run.dir.join("journal.jsonl"), &kept).unwrap();
            let _ = fs::remove_dir_all(run.dir.join("snapshots"));
            let succeeded: Vec<_> = ["make", "beside", "take"]
                .into_iter()
                .filter(|step| run.state(step) == "succeeded")
                .collect();
            if let Left::AsRecorded = left {
                let collected = run.events("artifact_collected");
                for (step, name) in [("make", "tree"), ("take", "two")] {
                    if !collected.iter().any(|event| event["step"] == step) {
                        fs::remove_dir_all(context.join(step).join(name)).unwrap();
                    }
                }
                for step in ["make", "beside", "take"].iter().filter(|step| !succeeded.contains(step)) {
                    for name in ["_meta.json", "_resolved.json"] {
                        fs::remove_file(context.join(step).join(name)).unwrap();
                    }
                }
            }
            let at = format!("crash after record {records} of {}, {left:?}", lines.len());
            env.write("done", "");
            let outcome = resume(&env, &["--resume", "-1"]).output();
            let shown = outcome.to_string();
            assert!(shown.contains("SUCCEEDED"), "{at}: {shown}");
            let _ = outcome.code(0);
            // What was really done, and what the record says of it.
            let did = env.read("done");
            let did: Vec<_> = did.lines().collect();
            for step in &did {
                assert!(!succeeded.contains(step), "{at}: `{step}` was done twice\n{shown}");
            }
            assert_eq!(worked(&env.runs().pop().unwrap()), did, "{at}: {shown}");
            assert!((1..did.len()).all(|last| !did[..last].contains(&did[last])), "{at}: {did:?}");
            assert_eq!(everything(&context), expected, "{at}: {shown}");
        }
    }
}

#[test]
fn a_workflow_from_a_pipe_has_no_earlier_run() {
    let env = TestEnv::new();
    let text = Flow::of("exit 1").text();
    let _ = env.roboppi(["workflow", "run", "/dev/stdin", "--no-tui"]).stdin(text.clone()).output().code(1);
    let again = ["workflow", "run", "/dev/stdin", "--no-tui", "--rerun-failed"];
    let said = env.roboppi(again).stdin(text).output().code(2).stderr;
    assert!(said.contains("no regular file") && said.contains("--resume"), "{said}");
}
