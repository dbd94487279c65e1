//! Attempts: again, for how long, and what their failure means.

use crate::env::TestEnv;
use crate::flow::Flow;

/// Fails until it has been called `times` times.
fn flaky(times: u32) -> String {
    format!("echo x >> calls; n=$(wc -l < calls); echo call $n; [ $n -ge {times} ]")
}

#[test]
fn a_step_is_tried_again_as_often_as_it_says() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::new().step_with("work", &flaky(3), &["on_failure: retry", "max_retries: 5"]);
        let _ = env.run(&flow).arg(mode).output().code(0);
        let run = env.the_run();
        for attempt in 1..=3 {
            assert_eq!(run.text("work", attempt), format!("call {attempt}\n"));
        }
        assert!(!run.log_path("work", 4).exists());
        let meta: serde_json::Value = serde_json::from_str(&env.read("context/work/_meta.json")).unwrap();
        assert_eq!(meta["attempts"], 3);
    }
}

#[test]
fn retries_end() {
    let env = TestEnv::new();
    let flow = Flow::new().step_with("work", &flaky(100), &["on_failure: retry", "max_retries: 2"]);
    let _ = env.run(&flow).output().code(1);
    assert_eq!(env.the_run().events("attempt_started").len(), 3);
}

#[test]
fn an_attempt_that_takes_too_long_is_ended() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::new().step_with("work", "echo begin; sleep 1000; echo never", &["timeout: 200ms"]);
        let _ = env.run(&flow).arg(mode).output().code(1);
        let run = env.the_run();
        assert_eq!(run.text("work", 1), "begin\n");
        assert_eq!(run.state("work"), "failed");
    }
}

#[test]
fn a_worker_that_ignores_the_request_is_killed_after_its_grace() {
    let env = TestEnv::new();
    let stubborn = "trap '' TERM; echo begin; while :; do sleep 1000; done";
    let flow = Flow::new().step_with("work", stubborn, &["timeout: 200ms", "grace: 100ms"]);
    let _ = env.run(&flow).output().code(1);
    let phases = env.the_run().events("attempt_phase");
    let names: Vec<_> = phases.iter().map(|event| event["phase"]["name"].as_str().unwrap()).collect();
    assert!(names.ends_with(&["terminating", "killing"]) || names.contains(&"killing"), "{names:?}");
}

#[test]
fn a_worker_may_use_its_grace() {
    let env = TestEnv::new();
    let tidy = "trap 'echo tidied; exit 1' TERM; echo begin; sleep 1000 & wait";
    let flow = Flow::new().step_with("work", tidy, &["timeout: 200ms", "grace: 60s"]);
    let _ = env.run(&flow).output().code(1);
    assert_eq!(env.the_run().text("work", 1), "begin\ntidied\n");
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("bad", "exit 1")
        .step_with("after", "true", &["depends_on: [bad]"])
        .step_with("last", "true", &["depends_on: [after]"])
        .step("beside", "true");
    let _ = env.run(&flow).output().code(1);
    let run = env.the_run();
    let states = ["bad", "after", "last", "beside"].map(|step| run.state(step));
    assert_eq!(states, ["failed", "skipped", "skipped", "succeeded"]);
}

#[test]
fn a_failure_may_be_allowed() {
    let env = TestEnv::new();
    let flow = Flow::new().step_with("bad", "exit 1", &["continue_on_error: true"]).step_with(
        "after",
        "true",
        &["depends_on: [bad]"],
    );
    let _ = env.run(&flow).output().code(0);
    let run = env.the_run();
    assert_eq!((run.state("bad").as_str(), run.state("after").as_str()), ("failed", "succeeded"));
    assert_eq!(run.outcome().as_deref(), Some("succeeded"));
}

#[test]
fn on_failure_continue_goes_on_and_the_run_fails_nevertheless() {
    let env = TestEnv::new();
    let flow = Flow::new().step_with("bad", "exit 1", &["on_failure: continue"]).step_with(
        "after",
        "true",
        &["depends_on: [bad]"],
    );
    let _ = env.run(&flow).output().code(1);
    assert_eq!(env.the_run().state("after"), "succeeded");
}

#[test]
fn no_more_steps_run_at_a_time_than_allowed() {
    let env = TestEnv::new();
    // Each counts those that are at work with it.
    let script = "mkdir -p busy; touch busy/$$; ls busy | wc -l >> seen; rm busy/$$";
    let mut flow = Flow::new().with("concurrency: 2");
    for n in 0..20 {
        flow = flow.step(&format!("s{n}"), script);
    }
    let _ = env.run(&flow).output().code(0);
    let seen = env.read("seen");
    assert_eq!(seen.lines().count(), 20);
    assert!(seen.lines().all(|line| line.trim().parse::<u32>().unwrap() <= 2), "{seen}");
}

#[test]
fn a_leaked_child_does_not_hold_up_the_run() {
    let env = TestEnv::new();
    let flow = Flow::of("sleep 1000 & echo done");
    let _ = env.run(&flow).args(["--drain", "200ms"]).output().code(0);
    assert_eq!(env.the_run().text("work", 1), "done\n");
}

#[test]
fn what_left_its_session_ends_with_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "(setsid sleep 1000 > /dev/null 2>&1 &); (setsid sleep 1000 &); echo done";
        let _ = env.run(&Flow::of(script)).args(["--drain", "200ms", mode]).output().code(0);
        assert_eq!(env.the_run().text("work", 1), "done\n");
        // And nothing is left, which every test insists on at its end.
    }
}

#[test]
fn a_signal_that_ended_a_worker_is_called_by_its_name_in_every_view() {
    for (signal, words) in [("KILL", "killed by SIGKILL (out of memory?)"), ("SEGV", "killed by SIGSEGV")] {
        let env = TestEnv::new();
        let printed = env.run(&Flow::of(&format!("kill -{signal} $$"))).output().code(1).text();
        assert!(printed.contains(words), "{printed}");
        for command in [&["show"][..], &["events"], &["attach", "--no-tui"]] {
            let shown = env.roboppi(command).output();
            assert!(shown.to_string().contains(words), "{command:?}\n{shown}");
        }
        let text = env.roboppi(["export", "-1", "work", "--format", "txt"]).output().code(0).text();
        assert!(text.contains(&format!("Signal: SIG{signal}\n")), "{text}");
    }
    let env = TestEnv::new();
    let printed = env.run(&Flow::of("exit 137")).output().code(1).text();
    assert!(printed.contains("exit code 137") && !printed.contains("SIGKILL"), "{printed}");
}

#[test]
fn a_script_may_begin_like_an_option() {
    for (script, said) in [("- echo one", "-: command not found"), ("+e", "+e: command not found")] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of(script)).output().code(1);
        let log = env.the_run().text("work", 1);
        assert!(log.contains(said), "{log}");
    }
}
