//! What a parent hands down: ignored and blocked signals, limits, variables that are wrong or missing, a terminal that
//! belongs to another job, streams that do not wait. Every command does in each of them what it does without.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::env::{Invocation, Running, TestEnv};
use crate::flow::Flow;
use crate::processes::Process;

const MODES: [&str; 2] = ["--supervised", "--direct"];

/// Says its pid and waits for the file `go`.
const UNTIL_GO: &str = "echo the first line; echo $$ > started; while [ ! -e go ]; do sleep 0.02; done";

/// An agent that says where it is.
const AGENT: &str = r#"#!/bin/sh
cat > /dev/null
echo '{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[],"cwd":"/"}'
printf '{"type":"result","subtype":"success","is_error":false,"duration_ms":1,"num_turns":1,"result":"I am in %s","session_id":"s"}\n' "$PWD"
"#;

/// What a parent does before it becomes the program.
const PARENTS: [(&str, &str); 8] = [
    ("one that ignores what nohup and & ignore", "trap '' HUP INT QUIT"),
    ("one that ignores all it can", "trap '' HUP INT QUIT PIPE ALRM TERM USR1 USR2 CHLD TSTP TTIN TTOU XFSZ"),
    ("one with few files", "ulimit -n 64"),
    ("one with few files for now", "ulimit -Sn 48"),
    ("one with small files", "ulimit -f 200"),
    (
        "one without a home",
        "unset HOME; export ROBOPPI_STATE_DIR=$XDG_STATE_HOME/roboppi; unset XDG_STATE_HOME",
    ),
    ("one that works elsewhere", "export PWD=/elsewhere OLDPWD=/before"),
    (
        "one without a mask, variables or input",
        "umask 000; unset LANG TERM XDG_RUNTIME_DIR TMPDIR; exec < /dev/null",
    ),
];

/// A command of ours, started by a shell that first does `preparation`.
fn started_by<'e, A: AsRef<OsStr>>(
    env: &'e TestEnv,
    preparation: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Invocation<'e> {
    env.shell(&format!("{preparation}\nexec \"$ROBOPPI\" \"$@\"")).arg("roboppi").args(arguments)
}

/// Signals everything of ours that runs, and none of its workers.
fn signal_all_of_ours(env: &TestEnv, signals: &[Signal]) {
    let name = |process: &Process| fs::read_to_string(format!("/proc/{}/comm", process.pid));
    let ours: Vec<_> = Process::marked(env.mark())
        .into_iter()
        .filter(|process| name(process).is_ok_and(|name| name.starts_with("roboppi")))
        .collect();
    assert!(ours.len() >= 2, "{ours:?}");
    for process in ours {
        signals.iter().for_each(|signal| process.signal(*signal));
    }
}

/// A run whose worker waits.
fn start_waiting<'e>(env: &'e TestEnv, preparation: &str, mode: &str) -> Running<'e> {
    env.write("flow.yaml", &Flow::of(UNTIL_GO).text());
    let run = started_by(env, preparation, ["workflow", "run", "flow.yaml", "--no-tui", mode]).start();
    env.wait_for_file("started");
    run
}

#[test]
fn every_command_does_what_it_always_does() {
    let parents = PARENTS.iter().map(|(name, preparation)| (*name, *preparation, false));
    for (name, preparation, blocks) in parents.chain([("one that blocks all signals", "true", true)]) {
        for mode in MODES {
            let env = TestEnv::new();
            let hostile = |arguments: &[&str]| {
                let command = started_by(&env, preparation, arguments);
                if blocks { command.with_signals_blocked() } else { command }
            };
            env.write_program("../bin/claude", AGENT);
            let flow = Flow::of("echo $PWD; for i in $(seq 200); do echo line $i; done; echo x > made")
                .step_with("more", "cat made; exit 1", &["depends_on: [work]"]);
            env.write("flow.yaml", &flow.text());
            let told = hostile(&["workflow", "run", "flow.yaml", "--no-tui", mode]).output().code(1).all();
            assert!(told.contains("FAILED: 1 of 2 steps"), "{name} {mode}: {told}");
            let run = env.the_run();
            assert_eq!(run.outcome().as_deref(), Some("failed"), "{name} {mode}");
            let log = run.text("work", 1);
            assert!(log.starts_with(&format!("{}\n", env.work().display())), "{name} {mode}: {log}");
            assert!(log.ends_with("line 200\n"), "{name} {mode}: {log}");
            let agent = hostile(&["run", "--worker", "claude-code", "--no-tui", mode, "fix it"]);
            let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap());
            let answer = agent.env("PATH", path).output().code(0).text();
            assert_eq!(answer, format!("I am in {}\n", env.work().display()), "{name} {mode}");
            for command in [
                &["logs", "-2"][..],
                &["logs", "-2", "work", "--follow"],
                &["show", "-2"],
                &["events", "-2"],
                &["events", "-2", "--follow", "--json"],
                &["runs"],
                &["attach", "-2", "--no-tui"],
                &["attach", "-2", "--output", "json"],
                &["replay", "-2", "--no-tui", "--speed", "max"],
                &["export", "-2"],
                &["export", "-2", "work", "--format", "txt"],
                &["workflow", "validate", "flow.yaml"],
                &["--version"],
                &["workflow", "--help"],
            ] {
                let usual = env.roboppi(command).output().code(0).stdout;
                let here = hostile(command).output().code(0).stdout;
                assert!(!usual.is_empty(), "{command:?} prints nothing");
                // An archive says when it was made, and a table how long ago that is.
                let usual_after = || env.roboppi(command).output().code(0).stdout;
                let alike = usual == here || command == ["export", "-2"] || usual_after() == here;
                let (usual, here) = (String::from_utf8_lossy(&usual), String::from_utf8_lossy(&here));
                assert!(alike, "{name}: {command:?}\n--- usual ---\n{usual}\n--- here ---\n{here}");
            }
        }
    }
}

#[test]
fn what_a_parent_ignores_stays_ignored() {
    for mode in MODES {
        let env = TestEnv::new();
        let run = start_waiting(&env, "trap '' HUP INT QUIT", mode);
        signal_all_of_ours(&env, &[SIGHUP, SIGINT, SIGQUIT]);
        // Whoever answers this has had the others.
        run.signal(SIGUSR1);
        run.wait_for_text("0 of 1 steps are over");
        env.write("go", "");
        let told = run.wait().code(0).all();
        assert!(!told.contains("ending the run"), "{mode}: {told}");
        assert_eq!(env.the_run().outcome().as_deref(), Some("succeeded"));
    }
}

#[test]
fn what_a_parent_blocks_is_heard_and_is_called_by_its_name() {
    // A shell that says what it was given, so that this test can fail.
    let env = TestEnv::new();
    let mask = env.shell("grep SigBlk /proc/self/status").with_signals_blocked().output().code(0).text();
    assert!(!mask.contains("0000000000000000"), "{mask}");
    for mode in MODES {
        for (signal, code, words) in
            [(SIGTERM, 143, "it received SIGTERM"), (SIGHUP, 129, "its terminal was closed (SIGHUP)")]
        {
            for blocked in [false, true] {
                let env = TestEnv::new();
                let run = env.run(&Flow::of(UNTIL_GO)).arg(mode);
                let run = if blocked { run.with_signals_blocked() } else { run }.start();
                env.wait_for_file("started");
                run.signal(signal);
                let told = run.wait().code(code).all();
                assert!(told.contains(&format!("ending the run: {words}")), "{mode} {signal}: {told}");
                assert!(told.contains(&format!("(1 cancelled)\n  {words}\n")), "{mode} {signal}: {told}");
                assert!(!told.contains("has gone"), "{told}");
                assert_eq!(env.the_run().events("run_ending")[0]["signal"], signal.as_str());
            }
        }
    }
}

#[test]
fn user_signals_ask_for_a_status_and_end_nothing() {
    for mode in MODES {
        let env = TestEnv::new();
        let run = start_waiting(&env, "true", mode);
        signal_all_of_ours(&env, &[SIGUSR2]);
        let worker = env.read("started");
        // A worker may be faster than the record of its start.
        env.wait_for("the step that runs", || (env.the_run().state("work") == "running").then_some(()));
        let status = [format!("pid {}", worker.trim()), "    | the first line".to_owned()];
        // Each request is answered with what the record has at that time.
        env.wait_for("the status with the last line", || {
            run.signal(SIGUSR1);
            status.iter().all(|text| run.has_printed(text)).then_some(())
        });
        signal_all_of_ours(&env, &[SIGUSR1, SIGUSR2]);
        env.write("go", "");
        let printed = run.wait().code(0);
        let status = printed.stderr.lines().find(|line| line.trim_start().starts_with("work")).unwrap();
        assert!(status.contains("running"), "{}", printed.stderr);
        assert!(!printed.text().contains("pid"), "{}", printed.text());
    }
}

#[test]
fn a_job_in_the_background_of_a_terminal_is_shown_as_lines() {
    let commands = [
        "$ROBOPPI workflow run flow.yaml --supervised & wait $!",
        "$ROBOPPI workflow run flow.yaml --direct & wait $!",
        "$ROBOPPI workflow run flow.yaml --tui & wait $!",
        "set +m; timeout 60 $ROBOPPI workflow run flow.yaml",
        "$ROBOPPI attach -1 & wait $!",
        "$ROBOPPI replay -1 --speed max & wait $!",
        "set +m; timeout 60 $ROBOPPI replay -1 --speed max",
    ];
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("echo the first line").text());
    for command in commands {
        let script = format!("set -m; {command}; echo ended with $?");
        let mut on_screen = env.shell(&script).start_in_terminal(40, 120);
        on_screen.wait_for_text("ended with 0");
        on_screen.expect_code(0);
        let written = String::from_utf8_lossy(&on_screen.terminal.written()).into_owned();
        assert!(written.contains("SUCCEEDED"), "{command}: {written}");
        assert!(!written.contains("\x1b[?1049h"), "{command}: {written}");
        let said = written.contains("this one is in the background");
        assert_eq!(said, command.contains("--tui"), "{command}: {written}");
    }
}

#[test]
fn a_stream_that_does_not_wait_gets_everything() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("seq 1 60000").text());
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(0);
    let numbers: String = (1..=60_000).map(|number| format!("{number}\n")).collect();
    for command in [
        &["logs", "-1"][..],
        &["logs", "-1", "--timestamps"],
        &["events", "-1", "--workers", "--json"],
        &["export", "-1", "work", "--format", "txt"],
        &["replay", "-1", "--no-tui", "--stream", "--speed", "max"],
        &["attach", "-1", "--output", "json"],
        &["show", "-1"],
        &["workflow", "run", "flow.yaml", "--no-tui", "--stream", "--supervised"],
        &["workflow", "run", "flow.yaml", "--no-tui", "--stream", "--direct"],
        &["workflow", "run", "flow.yaml", "--output", "json"],
    ] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            String::from_utf8(read).unwrap()
        });
        let command_of_ours = env.roboppi(command).stdout(writer.into()).start();
        let printed = command_of_ours.wait().code(0);
        assert!(!printed.stderr.contains("unavailable"), "{command:?}: {}", printed.stderr);
        let read = reading.join().unwrap();
        assert!(read.ends_with('\n'), "{command:?} ends in the middle of a line");
        if command == ["logs", "-1"] {
            assert!(read == numbers, "{} bytes", read.len());
        }
        if command.contains(&"json") || command.contains(&"--json") {
            let whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
            assert!(read.lines().all(whole), "{command:?}");
        }
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    for mode in MODES {
        let env = TestEnv::new();
        env.write("flow.yaml", &Flow::of("seq 1 200000; ulimit -f unlimited; kill -XFSZ $$").text());
        let run = started_by(&env, "ulimit -Sf 100", ["workflow", "run", "flow.yaml", "--no-tui", mode]);
        let told = run.output().code(1).all();
        assert!(told.contains("File too large"), "{mode}: {told}");
        // The worker has the signal as it should be.
        assert_eq!(env.the_run().exit_code("work"), Some(128 + 25), "{mode}");
    }
}

#[test]
fn steps_wait_for_room_and_have_the_limit_of_the_parent() {
    for mode in MODES {
        let env = TestEnv::new();
        let mut flow = Flow::new().with("concurrency: 40");
        for number in 0..40 {
            flow = flow.step(&format!("s{number}"), "ulimit -Sn; while [ ! -e go ]; do sleep 0.1; done");
        }
        env.write("flow.yaml", &flow.text());
        let arguments = ["workflow", "run", "flow.yaml", "--no-tui", mode];
        let run = started_by(&env, "ulimit -n 90", arguments).start();
        run.wait_for_text("it waits for room to start");
        env.write("go", "");
        let told = run.wait().code(0).all();
        assert!(!told.contains("incomplete"), "{mode}: {told}");
        let run = env.the_run();
        for number in 0..40 {
            assert_eq!(run.text(&format!("s{number}"), 1), "90\n", "{mode}");
        }
    }
}

#[test]
fn who_waits_for_room_can_be_ended() {
    for mode in MODES {
        let env = TestEnv::new();
        let mut flow = Flow::new().with("concurrency: 40").with("timeout: 5m");
        for number in 0..39 {
            flow = flow.step(&format!("s{number}"), "while [ ! -e go ]; do sleep 0.1; done");
        }
        flow = flow.step_with("short", "true", &["timeout: 1s", "on_failure: continue"]);
        env.write("flow.yaml", &flow.text());
        let arguments = ["workflow", "run", "flow.yaml", "--no-tui", "--grace", "200ms", mode];
        let run = started_by(&env, "ulimit -n 90", arguments).start();
        run.wait_for_text("short  it waits for room to start");
        env.wait_for("the end of its time", || (env.the_run().state("short") == "failed").then_some(()));
        run.signal(SIGTERM);
        let _ = run.wait().code(143);
        assert_eq!(env.the_run().outcome().as_deref(), Some("cancelled"), "{mode}");
    }
}

#[test]
fn a_limit_that_is_raised_is_not_that_of_workers() {
    for mode in MODES {
        let env = TestEnv::new();
        let mut flow = Flow::new().with("concurrency: 30");
        for number in 0..30 {
            flow = flow.step(&format!("s{number}"), "ulimit -Sn; ulimit -Hn; sleep 0.2");
        }
        env.write("flow.yaml", &flow.text());
        let arguments = ["workflow", "run", "flow.yaml", "--no-tui", mode];
        let told = started_by(&env, "ulimit -Sn 80; ulimit -Hn 1000", arguments).output().code(0).all();
        assert!(!told.contains("waits for room"), "{mode}: {told}");
        for number in 0..30 {
            assert_eq!(env.the_run().text(&format!("s{number}"), 1), "80\n1000\n", "{mode}");
        }
    }
}

#[test]
fn few_files_are_said_and_never_a_panic() {
    for mode in MODES {
        for files in 4..26 {
            let env = TestEnv::new();
            env.write("flow.yaml", &Flow::of("true").text());
            let limit = format!("ulimit -n {files}");
            let printed =
                started_by(&env, &limit, ["workflow", "run", "flow.yaml", "--no-tui", mode]).output();
            let shown = printed.to_string();
            assert!(!shown.contains("panicked"), "{mode} {files}: {shown}");
            assert!([0, 1, 3, 125].contains(&printed.exit_code()), "{mode} {files}: {shown}");
        }
    }
}

#[test]
fn few_processes_are_said_and_never_a_panic() {
    for mode in MODES {
        for processes in 1..12 {
            let env = TestEnv::new();
            env.write("flow.yaml", &Flow::of("true").text());
            let limit = format!("ulimit -u {processes}");
            let run = started_by(&env, &limit, ["workflow", "run", "flow.yaml", "--no-tui", mode]);
            // `root` has no such limit.
            let Some(run) = run.without_privileges() else { return };
            let printed = run.output();
            let shown = printed.to_string();
            assert!(!shown.contains("panicked"), "{mode} {processes}: {shown}");
            assert!([0, 1, 3, 125].contains(&printed.exit_code()), "{mode} {processes}: {shown}");
        }
    }
}

#[test]
fn a_worker_is_told_where_it_is() {
    for mode in MODES {
        let env = TestEnv::new();
        fs::create_dir_all(env.work().join("launch")).unwrap();
        fs::create_dir_all(env.work().join("target/deep")).unwrap();
        let script = "echo $(pwd -P) ${PWD-none} ${OLDPWD-none}";
        let flow = Flow::of(script).step_with("deep", script, &["workspace: deep"]);
        env.write("flow.yaml", &flow.text());
        let there = "cd launch; export OLDPWD=/before";
        let arguments = ["workflow", "run", "../flow.yaml", "-w", "../target", "--no-tui", mode];
        let _ = started_by(&env, there, arguments).output().code(0);
        let real = env.work().canonicalize().unwrap();
        for (step, dir) in [("work", "target"), ("deep", "target/deep")] {
            let dir = real.join(dir).display().to_string();
            assert_eq!(env.the_run().text(step, 1), format!("{dir} {dir} none\n"), "{mode} {step}");
        }
    }
}

#[test]
fn names_are_bytes() {
    let odd = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    for mode in MODES {
        let env = TestEnv::new();
        let (dir, file, state) = (odd(b"caf\xe9"), odd(b"flow\xff.yaml"), odd(b"st\xfe"));
        fs::create_dir(env.work().join(&dir)).unwrap();
        let flow = Flow::new()
            .step_with("work", "echo made > made; echo done", &["outputs: [{name: o, path: made}]"])
            .step_with("next", "cat \"$ROBOPPI_CONTEXT_DIR/work/o/made\"; ls", &["depends_on: [work]"]);
        fs::write(env.work().join(&file), flow.text()).unwrap();
        let run = |more: &[&str]| {
            let command = env.roboppi(["workflow", "run"]).arg(&file).arg("-w").arg(&dir);
            command.args(["--no-tui", mode]).args(more).env("XDG_STATE_HOME", env.path("").join(&state))
        };
        let told = run(&[]).output().code(0).all();
        assert!(!told.contains("incomplete"), "{mode}: {told}");
        let command =
            |arguments: &[&str]| env.roboppi(arguments).env("XDG_STATE_HOME", env.path("").join(&state));
        assert_eq!(command(&["logs", "-1", "work"]).output().code(0).text(), "done\n", "{mode}");
        let next = command(&["logs", "-1", "next"]).output().code(0).text();
        assert!(next.starts_with("made\n") && next.contains("\nmade\n"), "{mode}: {next}");
        assert!(command(&["show"]).output().code(0).text().contains("succeeded"), "{mode}");
        assert!(env.work().join(&dir).join("context/next/_meta.json").is_file(), "{mode}");
        // It is gone on with where it was.
        let again = run(&["--from", "next"]).output().code(0).all();
        assert!(again.contains("kept from run"), "{mode}: {again}");
        let replaced = fs::read_dir(env.work()).unwrap().filter_map(Result::ok);
        let replaced: Vec<_> =
            replaced.filter(|entry| entry.file_name().to_string_lossy() == "caf\u{fffd}").collect();
        assert_eq!(replaced.len(), 1, "{mode}: {replaced:?}");
    }
    let env = TestEnv::new();
    let wrong = env.roboppi(["logs"]).arg(odd(b"run\xe9")).output().code(2);
    assert!(wrong.stderr.contains(r"`run\xe9` is not UTF-8"), "{}", wrong.stderr);
}

#[test]
fn without_a_home_the_password_database_is_asked() {
    let env = TestEnv::new();
    let home = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().map(|user| user.dir);
    let command = env.roboppi(["show", "no-such-run"]).without_env("HOME").without_env("XDG_STATE_HOME");
    let wrong = command.output().code(2).stderr;
    match home {
        Some(home) => {
            let runs = home.join(".local/state/roboppi/runs").display().to_string();
            assert!(wrong.contains(&runs), "{wrong}");
        }
        None => assert!(wrong.contains("there is no HOME"), "{wrong}"),
    }
}

#[test]
fn a_silent_input_is_explained() {
    let env = TestEnv::new();
    let (run, stdin, _stdout) = env.roboppi(["run", "--worker", "claude-code", "hi"]).start_with_pipes();
    run.wait_for_text("waiting for the end of standard input");
    run.signal(SIGINT);
    let printed = run.wait().signal(SIGINT);
    assert!(printed.stderr.contains("< /dev/null"), "{}", printed.stderr);
    drop(stdin);
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("true").text());
    for command in ["--version", "--help", "workflow run --help", "workflow validate flow.yaml", "workers"] {
        let script = format!("\"$ROBOPPI\" {command} > /dev/full");
        let wrong = env.shell(&script).output().code(125).stderr;
        assert!(wrong.contains("stdout: No space left"), "{command}: {wrong}");
    }
}
