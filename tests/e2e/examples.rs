//! The workflows in `examples/` do what they say.

use std::fs;
use std::path::Path;

use crate::env::TestEnv;
use crate::run_files::{RunFiles, walk};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies `examples/` into the workspace, without what was built in it.
fn copy_examples(env: &TestEnv) {
    let from = repository().join("examples");
    for path in walk(&from).into_iter().filter(|path| path.is_file()) {
        let to = env.work().join("examples").join(path.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
}

#[test]
fn every_example_is_valid() {
    let env = TestEnv::new();
    let mut seen = 0;
    for path in walk(&repository().join("examples")) {
        if path.extension().is_some_and(|extension| extension == "yaml") {
            seen += 1;
            let printed = env.roboppi(["workflow", "validate", "--strict"]).arg(&path).output().code(0);
            assert!(!printed.all().contains("warning"), "{}: {}", path.display(), printed.all());
        }
    }
    assert!(seen >= 3);
    assert!(env.runs().is_empty());
}

#[test]
fn hello_is_green_in_both_modes() {
    let env = TestEnv::new();
    copy_examples(&env);
    for mode in ["--supervised", "--direct"] {
        let _ = env.roboppi(["workflow", "run", "examples/hello.yaml", "--no-tui", mode]).output().code(0);
    }
    // The verb may be left out.
    let _ = env.roboppi(["workflow", "examples/hello.yaml", "--no-tui"]).output().code(0);

    let runs = env.runs();
    assert_eq!(runs.len(), 3);
    for run in &runs {
        assert_eq!(run.outcome().as_deref(), Some("succeeded"));
        assert!(run.text("greet", 1).starts_with("hello from "));
        assert!(
            run.text("count", 1)
                .ends_with("\n1\n::progress percent=66::at 2\n2\n::progress percent=99::at 3\n3\n")
        );
        assert_eq!(run.log("goodbye", 1), b"goodbye\n");
        assert_eq!(run.attempt_events("count", 1).last().unwrap()["event"]["message"], "at 3");
    }
    let modes: Vec<_> = runs.iter().map(|run| run.events("run_started")[0]["mode"].clone()).collect();
    assert_eq!(modes, ["supervised", "direct", "supervised"]);
}

fn build_test_report(mode: &str) {
    let env = TestEnv::new();
    copy_examples(&env);
    let arguments = ["workflow", "run", "examples/build-test-report.yaml", "--no-tui", mode];
    // Twice, for what the first run leaves must not disturb the second.
    for _ in 0..2 {
        let _ = env.roboppi(arguments).with_cargo().output().code(0);
    }
    let report = env.read("target/build-test-report/report.md");
    assert!(report.contains("| words fetched | 11 (the longest is \"question\") |"), "{report}");
    assert!(report.contains("| warnings | 0 |"), "{report}");
    assert!(report.contains("| tests passed | 8 |"), "{report}");
    let runs = env.runs();
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_report_run(run);
    }
    let mut left: Vec<_> = fs::read_dir(env.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["examples", "target"], "the example keeps to its directory");
}

fn assert_report_run(run: &RunFiles) {
    assert_eq!(run.outcome().as_deref(), Some("succeeded"));
    for step in ["fetch", "lint", "build", "test", "report"] {
        assert_eq!(run.state(step), "succeeded", "{step}");
    }
    assert_eq!(run.state("spelling"), "failed");
    assert!(run.text("fetch", 1).ends_with("no answer from the server\n"));
    assert!(run.text("fetch", 2).ends_with("got 11 words\n"));
    let percents: Vec<_> =
        run.attempt_events("build", 1).iter().map(|record| record["event"]["percent"].as_f64()).collect();
    assert_eq!(percents.last(), Some(&Some(100.0)), "{percents:?}");
    let artifacts: Vec<_> = run.events("artifact_collected");
    assert_eq!(artifacts.len(), 5, "{artifacts:?}");
}

#[test]
fn build_test_report_is_green_when_supervised() {
    build_test_report("--supervised");
}

#[test]
fn build_test_report_is_green_when_direct() {
    build_test_report("--direct");
}
