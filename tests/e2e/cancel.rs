//! Stopped is stopped: signals, a dead core, a dead supervisor.

use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, SIGTSTP};

use crate::env::{TestEnv, before_summary};
use crate::flow::Flow;
use crate::processes::Process;

const SLEEPER: &str = "echo $$ > started; sleep 1000";

#[test]
fn signals_end_the_run_with_their_code() {
    for mode in ["--supervised", "--direct"] {
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] {
            let env = TestEnv::new();
            let flow = Flow::of(SLEEPER).step_with("after", "touch ran", &["depends_on: [work]"]);
            let running = env.run(&flow).arg(mode).start();
            env.wait_for_file("started");
            running.signal(signal);
            let _ = running.wait().code(code);
            let run = env.the_run();
            assert_eq!(run.outcome().as_deref(), Some("cancelled"), "{mode} {signal}");
            assert_eq!(run.state("work"), "cancelled", "{mode} {signal}");
            assert!(!env.work().join("ran").exists());
        }
    }
}

#[test]
fn a_second_signal_kills_what_the_first_one_asked() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let stubborn = "trap 'echo asked > asked' TERM; echo > started; while :; do sleep 0.05 || true; done";
        let running = env.run(&Flow::of(stubborn)).args(["--grace", "1h", mode]).start();
        env.wait_for_file("started");
        running.signal(SIGINT);
        env.wait_for_file("asked");
        running.signal(SIGINT);
        let _ = running.wait().code(130);
        assert_eq!(env.the_run().exit_code("work"), Some(137), "{mode}");
    }
}

#[test]
fn a_stopped_worker_can_be_ended() {
    let env = TestEnv::new();
    let running =
        env.run(&Flow::of("trap 'echo tidied; exit 1' TERM; echo $$ > started; sleep 1000 & wait")).start();
    let worker: i32 = env.wait_for_file("started").trim().parse().unwrap();
    let worker = Process::of(worker).unwrap();
    worker.signal(SIGSTOP);
    env.wait_for("a stopped worker", || (Process::of(worker.pid)?.state == 'T').then_some(()));
    running.signal(SIGTERM);
    let _ = running.wait().code(143);
    assert_eq!(env.the_run().text("work", 1), "tidied\n");
}

#[test]
fn a_run_stands_still_and_goes_on() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "echo $$ > started; while [ ! -e go ]; do sleep 0.02; done; echo went on";
        let running = env.run(&Flow::of(script)).arg(mode).start();
        let worker: i32 = env.wait_for_file("started").trim().parse().unwrap();
        running.signal(SIGTSTP);
        let stopped = |process: Option<Process>| process.is_some_and(|process| process.state == 'T');
        env.wait_for("everybody to stand still", || {
            (stopped(Process::of(worker)) && stopped(running.process())).then_some(())
        });
        env.write("go", "");
        running.signal(SIGCONT);
        let printed = running.wait().code(0).all();
        assert!(printed.contains("was suspended"), "{mode}: {printed}");
        assert_eq!(env.the_run().text("work", 1), "went on\n", "{mode}");
    }
}

#[test]
fn a_dead_core_loses_its_steps_and_nothing_hangs() {
    let env = TestEnv::new();
    let flow = Flow::of(SLEEPER).step_with("after", "touch ran", &["depends_on: [work]"]);
    let running = env.run(&flow).args(["--supervised", "--grace", "200ms"]).start();
    env.wait_for_file("started");
    let core = env.wait_for("the pid of the core", || env.the_run().core_pid());
    Process::of(core).expect("the core runs").signal(SIGKILL);
    let printed = running.wait().code(3).all();
    assert!(printed.contains("core lost"), "{printed}");
    let run = env.the_run();
    assert_eq!(run.state("work"), "lost");
    assert_eq!(run.outcome().as_deref(), Some("lost"));
    assert_eq!(run.events("core_lost").len(), 1);
    assert!(!env.work().join("ran").exists());
}

#[test]
fn a_core_that_will_never_do_is_tried_once() {
    let env = TestEnv::new();
    let hello =
        "#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":{\"min\":9,\"max\":9}}'\nexec cat > /dev/null\n";
    let late = env.write_program("late-core", hello);
    let text = env.write("no-program", "hello\n");
    let cores = [
        (late, "speaks protocol 9 to 9"),
        (text, "cannot be started"),
        (env.work(), "cannot be started"),
        ("/bin/true".into(), "exited with code 0"),
    ];
    for (core, said) in cores {
        let env = TestEnv::new();
        let printed = env.run(&Flow::of("true")).arg("--core").arg(&core).output().code(3).all();
        assert!(printed.contains(said), "{printed}");
        assert_eq!(before_summary(&printed).matches("core lost").count(), 1, "{printed}");
        assert_eq!(env.the_run().events("core_lost").len(), 1, "{printed}");
    }
}

#[test]
fn the_time_a_run_waits_for_its_core_counts() {
    let silent = "#!/bin/sh\necho > up\nexec sleep 1000\n";
    let patience = ["--grace", "10ms", "--drain", "10ms"];
    let env = TestEnv::new();
    let core = env.write_program("silent-core", silent);
    let running = env.run(&Flow::of("true")).arg("--core").arg(core).args(patience).start();
    env.wait_for_file("up");
    running.signal(SIGTERM);
    let _ = running.wait().code(143);
    let finished = env.the_run().events("run_finished").pop().unwrap();
    assert!(finished["durationMs"].as_u64() > Some(0), "{finished}");

    let env = TestEnv::new();
    let core = env.write_program("silent-core", silent);
    let flow = Flow::of("touch ran").with("timeout: 300ms");
    let printed = env.run(&flow).arg("--core").arg(core).args(patience).output().code(124).all();
    assert_eq!(env.the_run().outcome().as_deref(), Some("timed_out"), "{printed}");
    assert_eq!(env.the_run().state("work"), "skipped", "{printed}");
}

#[test]
fn a_core_that_hangs_counts_as_lost() {
    let env = TestEnv::new();
    let patience =
        ["--grace", "200ms", "--drain", "200ms", "--heartbeat", "100ms", "--heartbeat-limit", "500ms"];
    let running = env.run(&Flow::of(SLEEPER)).arg("--supervised").args(patience).start();
    env.wait_for_file("started");
    let core = env.wait_for("the pid of the core", || env.the_run().core_pid());
    Process::of(core).expect("the core runs").signal(SIGSTOP);
    let _ = running.wait().code(3);
    assert_eq!(env.the_run().state("work"), "lost");
}

#[test]
fn a_dead_supervisor_takes_its_core_and_workers_with_it() {
    let env = TestEnv::new();
    let running =
        env.run(&Flow::of(SLEEPER)).args(["--grace", "200ms", "--drain", "200ms", "--supervised"]).start();
    env.wait_for_file("started");
    running.signal(SIGKILL);
    let _ = running.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    assert_eq!(env.the_run().outcome(), None, "a run without its supervisor does not say how it ended");
}

#[test]
fn a_nested_run_ends_with_the_outer_one() {
    let env = TestEnv::new();
    env.write("inner.yaml", &Flow::of("echo > started; sleep 1000").text());
    let inner = format!("{} workflow run inner.yaml --no-tui", env!("CARGO_BIN_EXE_roboppi"));
    let running = env.run(&Flow::of(&inner)).start();
    env.wait_for_file("started");
    running.signal(SIGTERM);
    let _ = running.wait().code(143);
    let outcomes: Vec<_> = env.runs().iter().map(crate::run_files::RunFiles::outcome).collect();
    assert_eq!(outcomes, [Some("cancelled".to_owned()), Some("cancelled".to_owned())]);
}

/// `timeout` signals the process it has started and then the whole group.
#[test]
fn a_signal_to_a_process_and_to_its_group_asks_once() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let cleans = "trap 'until [ -e go ]; do sleep 0.01; done; echo cleaned > cleaned; exit 0' TERM; \
                      echo > started; while :; do sleep 0.01; done";
        let running = env.run(&Flow::of(cleans)).arg(mode).start();
        env.wait_for_file("started");
        running.signal(SIGTERM);
        running.signal_group(SIGTERM);
        env.wait_for("the end that was asked for", || {
            (!env.the_run().events("run_ending").is_empty()).then_some(())
        });
        env.write("go", "");
        let _ = running.wait().code(143);
        assert_eq!(env.read("cleaned"), "cleaned\n", "{mode}");
    }
}
