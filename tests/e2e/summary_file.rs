//! `--summary-file` and `--github-output`.

use std::fs;

use nix::sys::signal::Signal::SIGTERM;
use serde_json::Value;

use crate::agents::{finding, with_claude};
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::schemas::validator;

/// Insists that a file of `--summary-file` fits the published schema, and reads it.
fn summary(text: &str) -> Value {
    let summary: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if let Err(error) = validator("summary.schema.json").validate(&summary) {
        panic!("{error} at {}: {summary}", error.instance_path());
    }
    summary
}

fn flaky(times: u32) -> String {
    format!("echo x >> calls; n=$(wc -l < calls); echo call $n; [ $n -ge {times} ]")
}

#[test]
fn a_summary_has_the_outcome_of_every_step() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::new()
            .step_with("make", "echo x > out.txt", &["outputs: [{name: out, path: out.txt}]"])
            .step_with("flaky", &flaky(3), &["on_failure: retry", "max_retries: 5"])
            .step("broken", "exit 3")
            .step_with("optional", "exit 1", &["continue_on_error: true"])
            .step_with("after", "true", &["depends_on: [broken]"]);
        let _ = env.run(&flow).args(["--summary-file", "summary.json", mode]).output().code(1);
        let text = env.read("summary.json");
        let summary = summary(&text);
        assert_eq!(
            (&summary["outcome"], &summary["exitCode"], &summary["handle"]),
            (&"failed".into(), &1.into(), &"r1".into())
        );
        assert_eq!(summary["flaky"], serde_json::json!(["flaky"]), "{text}");
        let counts = &summary["counts"];
        let counted = ["total", "succeeded", "failed", "allowedToFail", "skipped", "unfinished", "flaky"];
        assert_eq!(counted.map(|name| counts[name].as_u64().unwrap()), [5, 2, 1, 1, 1, 0, 1], "{text}");
        let step = |name: &str| {
            summary["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
        };
        assert_eq!(step("flaky")["attempts"].as_array().unwrap().len(), 3);
        assert_eq!((&step("flaky")["flaky"], &step("make")["flaky"]), (&true.into(), &false.into()));
        assert_eq!(step("broken")["attempts"][0]["exitCode"], 3);
        assert_eq!(step("make")["artifacts"][0]["name"], "out");
        let record = std::path::Path::new(summary["record"].as_str().unwrap());
        let log = record.join(step("flaky")["attempts"][2]["log"].as_str().unwrap());
        assert_eq!(fs::read_to_string(log).unwrap(), "call 3\n");
        assert!(summary["resumeCommand"].as_str().unwrap().contains("--resume r1"), "{text}");
        assert!(summary["endedAt"].as_u64().unwrap() >= summary["startedAt"].as_u64().unwrap());
    }
}

#[test]
fn a_run_that_is_cancelled_or_loses_its_core_has_its_summary() {
    let env = TestEnv::new();
    let flow = Flow::of("echo begun > begun; sleep 1000");
    let running = env.run(&flow).args(["--summary-file", "summary.json"]).start();
    env.wait_for_file("begun");
    running.signal(SIGTERM);
    let _ = running.wait().code(143);
    let cancelled = summary(&env.read("summary.json"));
    assert_eq!((&cancelled["outcome"], &cancelled["exitCode"]), (&"cancelled".into(), &143.into()));
    // Over the old one.
    let _ = env.run(&flow).args(["--summary-file", "summary.json", "--core", "/bin/false"]).output().code(3);
    let lost = summary(&env.read("summary.json"));
    assert_eq!((&lost["outcome"], &lost["exitCode"]), (&"lost".into(), &3.into()));
    let left: Vec<_> = fs::read_dir(env.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".roboppi-export")), "{left:?}");
}

#[test]
fn an_agent_has_its_answer_and_its_usage_in_it() {
    let env = with_claude();
    let run =
        env.roboppi(["run", "--worker", "claude-code", "--capabilities", "READ,EDIT,RUN_TESTS", "fix it"]);
    let _ = finding(&env, run).args(["--summary-file", "summary.json"]).output().code(0);
    let summary = summary(&env.read("summary.json"));
    let attempt = &summary["steps"][0]["attempts"][0];
    assert!(attempt["answer"].is_string() && attempt["sessionId"].is_string(), "{summary}");
    assert!(summary["usage"]["inputTokens"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn outputs_of_github_actions_are_appended_and_no_name_adds_one() {
    let env = TestEnv::new();
    let outputs = env.write("outputs", "before=1\n");
    let flow = Flow::new().step("build", "true").step("a=b <<EOF %0A", "exit 1");
    let _ = env.run(&flow).arg("--github-output").env("GITHUB_OUTPUT", &outputs).output().code(1);
    let text = env.read("outputs");
    let lines: Vec<_> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
    let value = |name: &str| lines.iter().find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(
        (value("before"), value("handle"), value("outcome"), value("exit-code")),
        ("1", "r1", "failed", "1")
    );
    let steps: serde_json::Value = serde_json::from_str(value("steps")).unwrap();
    assert_eq!((&steps["build"], steps.as_object().unwrap().len()), (&"succeeded".into(), 2));
    assert_eq!(lines.len(), 9, "{text}");
    let refused = env.run(&flow).arg("--github-output").without_env("GITHUB_OUTPUT").output().code(2);
    assert!(refused.stderr.contains("GITHUB_OUTPUT is not set"), "{}", refused.stderr);
    let warned =
        env.run(&flow).arg("--github-output").env("GITHUB_OUTPUT", "/nonexistent/outputs").output().code(1);
    assert!(warned.stderr.contains("warning: --github-output: cannot append"), "{}", warned.stderr);
}
