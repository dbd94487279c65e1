//! The exit code says how a run ended.

use nix::sys::signal::Signal::{SIGQUIT, SIGXFSZ};

use crate::env::TestEnv;
use crate::flow::Flow;

#[test]
fn all_green_is_0() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of("true")).arg(mode).output().code(0);
    }
}

#[test]
fn a_failed_step_is_1_whatever_the_worker_said() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of("exit 77")).arg(mode).output().code(1);
        assert_eq!(env.the_run().outcome().as_deref(), Some("failed"));
    }
}

#[test]
fn a_worker_that_dies_of_a_signal_is_a_failed_step() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("kill -SEGV $$")).output().code(1);
    let finished = &env.the_run().events("attempt_finished")[0];
    assert_eq!(finished["result"]["exitCode"], 128 + 11);
}

#[test]
fn a_mistake_in_the_command_line_is_2() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    for arguments in [
        &["workflow", "run"][..],
        &["workflow", "run", "absent.yaml"],
        &["workflow", "run", "flow.yaml", "--no-such-flag"],
        &["workflow", "run", "flow.yaml", "--grace", "soon"],
        &["workflow", "run", "flow.yaml", "--output", "xml"],
        &["workflow", "run", "flow.yaml", "--supervised", "--direct"],
        &["no-such-verb"],
        &["workflow", "validate", "absent.yaml"],
    ] {
        let printed = env.roboppi(arguments).output().code(2);
        assert!(!printed.stderr.trim().is_empty(), "{arguments:?} says nothing");
        assert!(printed.stdout.is_empty(), "{arguments:?}");
    }
    let printed = env.roboppi(["workflow", "run", "absent.yaml"]).output().code(2);
    assert!(printed.stderr.contains("absent.yaml"), "{}", printed.stderr);
    assert!(env.runs().is_empty());
}

#[test]
fn an_invalid_workflow_is_2() {
    let env = TestEnv::new();
    env.write("flow.yaml", "name: x\n");
    let _ = env.roboppi(["workflow", "run", "flow.yaml"]).output().code(2);
    env.write("flow.yaml", "{ not yaml");
    let _ = env.roboppi(["workflow", "run", "flow.yaml"]).output().code(2);
    let endless = env.roboppi(["workflow", "run", "/dev/zero"]).output().code(2).all();
    assert!(endless.contains("more than the"), "{endless}");
}

#[test]
fn a_workspace_that_is_a_file_is_said_so() {
    let env = TestEnv::new();
    env.write("file", "");
    let printed = env.run(&Flow::of("true")).args(["--workspace", "file"]).output();
    let printed = printed.code(3).all();
    assert!(printed.contains("cannot use the workspace") && printed.contains("not a directory"), "{printed}");
}

#[test]
fn a_core_that_cannot_be_had_is_3() {
    for core in ["/nonexistent/core", "/bin/false"] {
        let env = TestEnv::new();
        let printed = env.run(&Flow::of("true")).args(["--core", core]).output().code(3).all();
        assert!(printed.contains("core"), "{core}: {printed}");
        assert_eq!(env.the_run().outcome().as_deref(), Some("lost"), "{core}");
    }
}

#[test]
fn a_core_that_does_not_answer_is_not_waited_for() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("true")).args(["--core", "/bin/cat", "--ipc-request-timeout", "300ms"]);
    let printed = run.output().code(1).all();
    assert!(printed.contains("timed out after 300ms"), "{printed}");
}

#[test]
fn a_run_that_takes_too_long_is_124() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("sleep 1000").step("other", "sleep 1000").with("timeout: 300ms");
        let _ = env.run(&flow).arg(mode).output().code(124);
        let run = env.the_run();
        assert_eq!(run.outcome().as_deref(), Some("timed_out"));
        assert_eq!((run.state("work").as_str(), run.state("other").as_str()), ("cancelled", "cancelled"));
    }
}

#[test]
fn quit_is_131_and_leaves_a_run_that_is_lost() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let running = env.run(&Flow::of("echo begun > begun; sleep 1000")).arg(mode).start();
        env.wait_for_file("begun");
        running.signal(SIGQUIT);
        let outcome = running.wait();
        assert_eq!(outcome.exit_code(), 131, "{mode}: {outcome}");
        env.wait_until_nothing_is_left();
        assert_eq!(env.the_run().outcome(), None, "{mode}");
        let listed = env.roboppi(["runs", "--json"]).output().code(0).text();
        assert!(listed.contains("\"lost\""), "{mode}: {listed}");
    }
}

#[test]
fn a_file_that_may_not_grow_does_not_end_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo begun > begun; until [ -e go ]; do sleep 0.01; done");
        let running = env.run(&flow).arg(mode).start();
        env.wait_for_file("begun");
        running.signal(SIGXFSZ);
        env.write("go", "");
        let _ = running.wait().code(0);
    }
}

#[test]
fn a_lost_reader_changes_nothing() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("seq 1 20000").text());
    let script =
        "$ROBOPPI workflow run flow.yaml --no-tui --stream | head -n 1 > /dev/null; echo ${PIPESTATUS[0]}";
    let printed = env.shell(script).output().code(0);
    assert_eq!(printed.text(), "0\n", "{}", printed.stderr);
    assert!(env.the_run().text("work", 1).ends_with("\n20000\n"));
}

#[test]
fn the_version_is_told() {
    let env = TestEnv::new();
    let printed = env.roboppi(["--version"]).output().code(0);
    assert_eq!(printed.text(), format!("roboppi {}\n", env!("CARGO_PKG_VERSION")));
}
