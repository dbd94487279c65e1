//! What roboppi itself does with artifacts obeys the limits of work, and leads nowhere else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use nix::sys::signal::Signal::{SIGINT, SIGTERM};

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::RunFiles;

const COLLECTING: &str = "collecting its outputs";

/// A hole is hashed as the zeros it is read as: this one for hours, and it takes no room.
const ENDLESS: &str = "mkdir -p out; echo x > out/first; truncate -s 4T out/hole";

fn made(path: &str) -> String {
    format!("outputs: [{{ name: o, path: {path} }}]")
}

fn making(script: &str, more: &[&str]) -> Flow {
    let outputs = made("out");
    let mut lines = vec![outputs.as_str()];
    lines.extend(more);
    Flow::new().step_with("make", script, &lines)
}

fn taking(flow: Flow, script: &str) -> Flow {
    let inputs = "inputs: [{ from: make, artifact: o, as: in }]";
    flow.step_with("take", script, &["depends_on: [make]", inputs])
}

fn wait_until_it_collects(env: &TestEnv) {
    env.wait_for("collecting to begin", || {
        let changes = env.runs().last()?.events("step_changed");
        changes.iter().any(|event| event["detail"] == COLLECTING).then_some(())
    });
}

fn detail(run: &RunFiles, step: &str) -> String {
    let changes = run.events("step_changed");
    let last = changes.iter().rev().find(|event| event["step"] == step).unwrap();
    last["detail"].as_str().unwrap_or_default().to_owned()
}

/// Neither the artifact nor a part of it is there.
fn expect_nothing_collected(env: &TestEnv) {
    let names: Vec<_> =
        fs::read_dir(env.work().join("context/make")).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(names.iter().all(|entry| entry.file_name().to_string_lossy().ends_with(".json")), "{names:?}");
}

#[test]
fn it_is_seen_and_ends_with_the_run() {
    for (mode, signal, code) in [("--supervised", SIGINT, 130), ("--direct", SIGTERM, 143)] {
        let env = TestEnv::new();
        let run = env.run(&making(ENDLESS, &[])).args([mode, "--verbose"]).start();
        wait_until_it_collects(&env);
        let page = env.roboppi(["show"]).output().code(0).text();
        assert!(page.contains(COLLECTING), "{page}");
        run.signal(signal);
        let printed = run.wait().code(code).all();
        assert!(printed.contains(COLLECTING), "{printed}");
        assert_eq!(env.the_run().state("make"), "cancelled");
        assert!(detail(&env.the_run(), "make").contains("while its outputs were collected"));
        expect_nothing_collected(&env);
    }
}

#[test]
fn a_screen_says_what_a_step_does_whose_worker_has_ended() {
    let env = TestEnv::new();
    let mut screen = env.run_in_terminal(&making(ENDLESS, &[])).start_in_terminal(40, 160);
    screen.wait_for_text(COLLECTING);
    screen.end_the_run();
}

#[test]
fn it_ends_with_the_step_that_is_cancelled() {
    let env = TestEnv::new();
    let flow = making(ENDLESS, &[]).step("other", "until [ -e go ]; do sleep 0.01; done");
    let run = env.run(&flow).start();
    wait_until_it_collects(&env);
    let _ = env.roboppi(["cancel", "-1", "make"]).output().code(0);
    env.wait_for("the end of the step", || (env.the_run().state("make") == "cancelled").then_some(()));
    env.write("go", "");
    let _ = run.wait().code(1);
    assert_eq!(env.the_run().state("other"), "succeeded");
    expect_nothing_collected(&env);
}

#[test]
fn it_is_part_of_the_time_of_a_step_and_of_a_run() {
    let env = TestEnv::new();
    let _ = env.run(&making(ENDLESS, &["timeout: 4s"])).output().code(1);
    assert_eq!(env.the_run().state("make"), "failed");
    let why = detail(&env.the_run(), "make");
    assert!(why.starts_with("timed out after 4s (`timeout`) while its outputs were collected"), "{why}");
    assert!(why.contains("stopped at ") && why.contains("out/hole"), "{why}");
    expect_nothing_collected(&env);

    let env = TestEnv::new();
    let _ = env.run(&making(ENDLESS, &[]).with("timeout: 4s")).output().code(124);
    assert_eq!(env.the_run().outcome().as_deref(), Some("timed_out"));
    assert_eq!(env.the_run().state("make"), "cancelled");
    expect_nothing_collected(&env);
}

#[test]
fn inputs_are_placed_within_the_same_limits() {
    // What is there to be taken is replaced by what takes for ever, by hand.
    let script = "rm -r context/make/o/first; truncate -s 4T context/make/o/hole";
    let make = making("mkdir -p out; echo x > out/first", &[]);
    let between = |flow: Flow| flow.step_with("between", script, &["depends_on: [make]"]);
    let take = |flow: Flow, more: &str| {
        let inputs = "inputs: [{ from: make, artifact: o, as: in }]";
        flow.step_with("take", "true", &["depends_on: [make, between]", inputs, more])
    };
    let env = TestEnv::new();
    let _ = env.run(&take(between(make.clone()), "timeout: 500ms")).output().code(1);
    let why = detail(&env.the_run(), "take");
    assert!(env.the_run().state("take") == "failed" && why.contains("timeout"), "{why}");

    let env = TestEnv::new();
    let run = env.run(&take(between(make), "description: x")).start();
    env.wait_for("a word of it", || {
        let changes = env.runs().last()?.events("step_changed");
        changes.iter().any(|event| event["detail"] == "placing its inputs").then_some(())
    });
    run.signal(SIGINT);
    let _ = run.wait().code(130);
    assert_eq!(env.the_run().state("take"), "cancelled");
}

#[test]
fn it_leaves_the_disk_to_others() {
    let env = TestEnv::new();
    let large = making("mkdir -p out; head -c 3000000 /dev/zero > out/large", &[]);
    let _ = env.run(&large).args(["--min-free", "1000TiB"]).output().code(1);
    let why = detail(&env.the_run(), "make");
    assert!(why.contains("are to stay free") && why.contains("large"), "{why}");
    expect_nothing_collected(&env);
}

#[test]
fn holes_stay_holes() {
    let env = TestEnv::new();
    let script = "mkdir -p out; truncate -s 300M out/sparse; echo end >> out/sparse";
    let _ = env.run(&taking(making(script, &[]), "tail -c 4 in/sparse")).output().code(0);
    assert_eq!(env.the_run().text("take", 1), "end\n");
    for path in ["out/sparse", "context/make/o/sparse", "in/sparse"] {
        let file = env.work().join(path).metadata().unwrap();
        assert_eq!(file.len(), 300 * 1024 * 1024 + 4, "{path}");
        assert!(file.blocks() * 512 < 4 * 1024 * 1024, "{path} takes {} blocks", file.blocks());
    }
}

#[test]
fn what_is_missing_is_told_in_every_view() {
    let flow = || taking(making("true", &[]), "true");
    let (output, input) = ("output `o`: nothing at out", "input `o` of `make`: it was not produced");
    let env = TestEnv::new();
    let printed = env.run(&flow()).output().code(0).all();
    let page = env.roboppi(["show"]).output().code(0).text();
    let json = env.roboppi(["replay", "--speed", "max", "--output", "json"]).output().code(0).text();
    let events = env.roboppi(["events"]).output().code(0).text();
    for (view, text) in [("lines", &printed), ("show", &page), ("json", &json), ("events", &events)] {
        assert!(text.contains(output) && text.contains(input), "{view}: {text}");
    }
    let warnings = env.the_run().events("warning");
    let of = |step: &str| warnings.iter().filter(|warning| warning["step"] == step).count();
    assert_eq!((of("make"), of("take")), (1, 1), "{warnings:?}");
    let mut screen = env.run_in_terminal(&flow()).start_in_terminal(40, 160);
    screen.wait_for_text("press q to leave");
    screen.press("1");
    screen.wait_for_text(input);
    screen.press("k");
    screen.wait_for_text(output);
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_context_directory_that_a_step_removed_is_made_again() {
    let env = TestEnv::new();
    let flow = taking(
        making("mkdir -p out; echo 1 > out/f; rm -rf context", &[]),
        "cat in/f; ls -d $ROBOPPI_CONTEXT_DIR/make",
    );
    let printed = env.run(&flow).output().code(0).all();
    assert!(printed.contains("had been removed and was made again"), "{printed}");
    assert!(env.the_run().text("take", 1).starts_with("1\n"));
    for path in ["_workflow.json", "make/_meta.json", "make/o/f", "take/_meta.json"] {
        assert!(env.work().join("context").join(path).exists(), "{path}");
    }
    // What went with it is not handed over as if nothing had been.
    let gone = Flow::new().step_with("make", "echo 1 > f", &["outputs: [{ name: o, path: f }]"]);
    let gone = gone.step_with("clean", "until rm -rf context; do :; done", &["depends_on: [make]"]);
    let inputs = "inputs: [{ from: make, artifact: o }]";
    let gone = gone.step_with("late", "true", &["depends_on: [make, clean]", inputs]);
    let _ = env.run(&gone).output().code(1);
    let why = detail(&env.runs().pop().unwrap(), "late");
    assert!(why.contains("context/make/o") && why.contains("removed since"), "{why}");
}

#[test]
fn a_context_directory_that_cannot_be_made_again_is_named() {
    let env = TestEnv::new();
    let flow = making("mkdir -p out; echo 1 > out/f; rm -rf context; echo > context", &[]);
    let _ = env.run(&flow).output().code(1);
    let why = detail(&env.the_run(), "make");
    assert!(why.contains("/work/context: Not a directory"), "{why}");
}

#[test]
fn no_link_leads_out() {
    let env = TestEnv::new();
    let outside = env.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret\n").unwrap();
    let outside_text = outside.display().to_string();
    let unharmed = || {
        let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{names:?}");
    };
    let contexts_hold_no_secret = |env: &TestEnv| {
        let found = env.shell("grep -rl '^secret$' context || true").output().code(0).text();
        assert_eq!(found, "");
    };
    for (script, code, told) in [
        // Read through the output, through a directory of it, and through a link that climbs.
        ("ln -sfn $OUT/secret out", 1, "leads out of"),
        ("mkdir -p d; ln -sfn $OUT d/x; ln -sfn d/x out", 1, "leads out of"),
        ("ln -sfn ../outside/secret out", 1, "leads out of"),
        // Written through what is in the place of an artifact, of the step, or of all of it.
        ("rm -rf out context/make/o; mkdir out; echo e > out/evil; ln -s $OUT context/make/o", 0, ""),
        (
            "rm -rf out context/make; mkdir out; echo e > out/evil; ln -s $OUT context/make",
            1,
            "context/make is a symbolic link",
        ),
        (
            "rm -rf out context; mkdir out; echo e > out/evil; ln -s $OUT context",
            1,
            "context is a symbolic link",
        ),
    ] {
        let env_of_case = TestEnv::new();
        let flow = making(script, &[]);
        let _ = env_of_case.run(&flow).env("OUT", &outside_text).output();
        fs::create_dir_all(env_of_case.path("outside")).unwrap();
        let run = env_of_case.the_run();
        let why = detail(&run, "make");
        assert_eq!(
            run.outcome().as_deref(),
            Some(if code == 0 { "succeeded" } else { "failed" }),
            "{script}: {why}"
        );
        assert!(why.contains(told), "{script}: {why}");
        unharmed();
        if !script.ends_with("context") {
            contexts_hold_no_secret(&env_of_case);
        }
        if script.ends_with("context") {
            // Not by the next run either, which finds it so.
            let refused = env_of_case.run(&Flow::of("true")).output().code(3).stderr;
            assert!(refused.contains("context is a symbolic link"), "{refused}");
            unharmed();
        }
    }
    // Into the workspace: the directory itself, and a file in it.
    let flow = taking(making("mkdir -p out; echo e > out/evil", &[]), "true");
    symlink(&outside, env.work().join("in")).unwrap();
    let _ = env.run(&flow).output().code(1);
    let why = detail(&env.the_run(), "take");
    assert!(why.contains("work/in is a symbolic link"), "{why}");
    unharmed();
    fs::remove_file(env.work().join("in")).unwrap();
    fs::create_dir(env.work().join("in")).unwrap();
    symlink(outside.join("secret"), env.work().join("in/evil")).unwrap();
    let _ = env.run(&flow).output().code(0);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret\n");
    assert_eq!(env.read("in/evil"), "e\n");
}

#[test]
fn links_that_stay_inside_and_links_in_an_artifact_are_what_they_were() {
    let env = TestEnv::new();
    let script = "mkdir -p real; echo x > real/f; ln -sfn f real/near; ln -sfn /etc/hostname real/far; \
                  ln -sfn nothing real/dangling; ln -sfn real out";
    let _ = env.run(&taking(making(script, &[]), "cat in/near")).output().code(0);
    assert_eq!(env.the_run().text("take", 1), "x\n");
    for (link, target) in [("near", "f"), ("far", "/etc/hostname"), ("dangling", "nothing")] {
        assert_eq!(fs::read_link(env.work().join("in").join(link)).unwrap(), Path::new(target));
    }
    // The context directory may be a link when somebody chose it.
    fs::create_dir(env.path("elsewhere")).unwrap();
    symlink(env.path("elsewhere"), env.work().join("chosen")).unwrap();
    let _ = env.run(&making(script, &[]).with("context_dir: chosen")).output().code(0);
    assert!(env.path("elsewhere/make/o/f").exists());
}

#[test]
fn special_files_are_refused_by_name() {
    let env = TestEnv::new();
    let _ = env.run(&making("mkfifo out", &[])).output().code(1);
    let why = detail(&env.the_run(), "make");
    assert!(why.contains("work/out is a FIFO, which cannot be an artifact"), "{why}");
    let env = TestEnv::new();
    let script = "mkdir -p out/deep; echo x > out/f; mkfifo out/deep/pipe";
    let printed = env.run(&taking(making(script, &[]), "cat in/f; ls in/deep")).output().code(0).all();
    assert!(printed.contains("out/deep/pipe is a FIFO and was left out"), "{printed}");
    assert_eq!(env.the_run().text("take", 1), "x\n");
}

#[test]
fn names_need_not_be_text() {
    let env = TestEnv::new();
    let script = "mkdir -p out/$'d\\xe9'; echo x > out/$'d\\xe9'/$'caf\\xe9\\nline'";
    let _ = env.run(&taking(making(script, &[]), "true")).output().code(0);
    let path = Path::new(OsStr::from_bytes(b"in/d\xe9/caf\xe9\nline"));
    assert_eq!(fs::read_to_string(env.work().join(path)).unwrap(), "x\n");
}

#[test]
fn an_export_that_is_interrupted_leaves_nothing() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo hello")).output().code(0);
    // A record whose reading takes hours.
    let log = fs::File::options().write(true).open(env.the_run().log_path("work", 1)).unwrap();
    log.set_len(1 << 42).unwrap();
    fs::create_dir(env.path("target")).unwrap();
    let export = env.roboppi(["export", "-1", "-o"]).arg(env.path("target/run.tar.zst")).start();
    let pid = export.process().unwrap().pid;
    env.wait_for("the file to be begun", || {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut files = files.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        files.any(|file| file.starts_with(env.path("target"))).then_some(())
    });
    export.signal(SIGINT);
    let _ = export.wait().signal(SIGINT);
    assert_eq!(fs::read_dir(env.path("target")).unwrap().count(), 0);
}

#[test]
fn an_export_leaves_the_disk_to_others() {
    let env = TestEnv::new();
    // What cannot be packed.
    let _ = env.run(&Flow::of("head -c 4000000 /dev/urandom")).output().code(0);
    fs::create_dir(env.path("target")).unwrap();
    let export = |free: &str| {
        env.roboppi(["export", "-1", "--min-free", free, "-o"]).arg(env.path("target/run.tar.zst")).output()
    };
    let refused = export("1000TiB").code(125).stderr;
    assert!(refused.contains("are to stay free") && refused.contains("run.tar.zst"), "{refused}");
    assert_eq!(fs::read_dir(env.path("target")).unwrap().count(), 0);
    let _ = export("0").code(0);
    assert_eq!(fs::read_dir(env.path("target")).unwrap().count(), 1);
}
