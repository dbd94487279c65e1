//! A core of protocol 1, which says no hello, records nothing and knows four kinds of events.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::env::{Invocation, TestEnv, before_summary};
use crate::flow::Flow;

/// Grants every permit, and says that the job said two lines and how far it is. `EVENTS` turns these off. With
/// `RUDE` it also does what such cores are known for: it says nothing about a heartbeat, sends events when their
/// job is over, gives no result with the completion, and lives on when its input has ended. It connects when it
/// is told to.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
if [ -n "$ROBOPPI_IPC_SOCKET_PORT" ]; then
  exec 0<>"/dev/tcp/$ROBOPPI_IPC_SOCKET_HOST/$ROBOPPI_IPC_SOCKET_PORT" 1>&0
fi
event() { printf '{"type":"job_event","jobId":"%s","ts":1790000000000,"seq":%s,"event":%s}\n' "$job" "$1" "$2"; }
while IFS= read -r line; do
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) [ "$RUDE" ] && ! [ "$greeted" ] || [ -z "$RUDE" ] && echo '{"type":"heartbeat_ack","timestamp":1790000000000}' ;;
    *'"type":"submit_job"'*) printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job" ;;
    *'"type":"request_permit"'*)
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$id" "$job"
      if [ "$EVENTS" != 0 ]; then
        event 0 '{"type":"stdout","data":"an old line"}'
        event 1 '{"type":"stderr","data":"another one"}'
        event 2 '{"type":"progress","message":"half","percent":50}'
      fi
      echo "this core is old" >&2
      if [ "$RUDE" ]; then
        printf '{"type":"job_completed","jobId":"%s","outcome":"succeeded"}\n' "$job"
        event 3 '{"type":"stdout","data":"a straggler"}'
        printf 'console.log of a library\n[1,2]\n{"type":"surprise"}\n'
        greeted=yes
        continue
      fi
      printf '{"type":"job_completed","jobId":"%s","outcome":"succeeded","result":{"status":"SUCCEEDED","artifacts":[],"observations":[],"cost":{"wallTimeMs":1},"durationMs":1,"exitCode":0}}\n' "$job" ;;
  esac
done
if [ "$RUDE" ]; then
  while :; do sleep 0.05; done
fi
"#;

/// The core above with a Unix socket for its streams, which no shell can connect to.
const CONNECTED_CORE: &str = r#"#!/bin/sh
exec "$THIS_TEST" --exact old_core::it_connects_when_it_is_started_as_a_core
"#;

/// Names the core to become.
const BEHIND: &str = "CORE_BEHIND_THE_SOCKET";

/// The part of [`CONNECTED_CORE`] that connects. As a test there is nothing to it.
#[test]
fn it_connects_when_it_is_started_as_a_core() {
    let Some(core) = std::env::var_os(BEHIND) else { return };
    let place = std::env::var_os("ROBOPPI_IPC_SOCKET_PATH").unwrap();
    let socket = OwnedFd::from(UnixStream::connect(place).unwrap());
    let error = Command::new(core).stdin(socket.try_clone().unwrap()).stdout(socket).exec();
    panic!("{error}");
}

fn with_old_core<'e>(env: &'e TestEnv, more: &[&str]) -> Invocation<'e> {
    let core = env.write("old-core", CORE);
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    env.run(&Flow::of("true").step_with("after", "true", &["depends_on: [work]"]))
        .arg("--core")
        .arg(core)
        .args(more)
}

#[test]
fn it_is_driven() {
    let env = TestEnv::new();
    let _ = with_old_core(&env, &[]).output().code(0);
    let run = env.the_run();
    assert_eq!((run.outcome().as_deref(), run.state("after").as_str()), (Some("succeeded"), "succeeded"));
    assert_eq!(run.events("core_started")[0]["protocol"], 1);
    assert!(fs::read_to_string(run.dir.join("core.stderr")).unwrap().contains("this core is old"));
}

#[test]
fn a_worker_it_does_not_know_is_not_asked_of_it() {
    let env = TestEnv::new();
    let _ = with_old_core(&env, &[]);
    let flow = "name: g\nversion: \"1\"\ntimeout: 1m\nsteps:\n  ask:\n    worker: GEMINI\n    capabilities: [READ]\n    \
                instructions: Hello\n";
    env.write("flow.yaml", flow);
    let core = env.path("work/old-core");
    let run = ["workflow", "run", "flow.yaml", "--no-tui", "--core"];
    let text = env.roboppi(run).arg(core).output().code(1).all();
    assert!(text.contains("does not know GEMINI workers"), "{text}");
    // It says so when it is asked for a permit.
    let said = fs::read_to_string(env.the_run().dir.join("core.stderr")).unwrap_or_default();
    assert!(!said.contains("this core is old"), "{said}");
}

#[test]
fn what_it_would_not_do_and_not_say_is_not_asked_of_it() {
    let env = TestEnv::new();
    let _ = with_old_core(&env, &[]);
    let flow = Flow::of("true").with("environment: { block: [\"AWS_*\"] }");
    env.write("flow.yaml", &flow.text());
    let core = env.path("work/old-core");
    let run = ["workflow", "run", "flow.yaml", "--no-tui", "--core"];
    let text = env.roboppi(run).arg(core).output().code(1).all();
    assert!(text.contains("cannot keep variables from workers"), "{text}");
}

#[test]
fn what_agents_use_up_is_not_counted_by_one_that_does_not_report_it() {
    let env = TestEnv::new();
    let _ = with_old_core(&env, &[]);
    let core = env.path("work/old-core");
    for (keys, refused) in [
        ("max_tokens: 5", "does not report what agents use up"),
        ("program: agent", "this core cannot obey `program`"),
    ] {
        env.write(
            "flow.yaml",
            &format!(
                "name: f\nversion: \"1\"\ntimeout: 5m\nsteps:\n  a: {{ worker: CODEX_CLI, instructions: x, capabilities: [READ], {keys} }}\n"
            ),
        );
        let run = ["workflow", "run", "flow.yaml", "--no-tui", "--core"];
        let text = env.roboppi(run).arg(&core).output().code(1).all();
        assert!(text.contains(refused), "{text}");
    }
}

#[test]
fn one_without_events_runs_jobs_all_the_same() {
    let env = TestEnv::new();
    let _ = with_old_core(&env, &[]).env("EVENTS", "0").output().code(0);
    let run = env.the_run();
    assert_eq!((run.outcome().as_deref(), run.state("after").as_str()), (Some("succeeded"), "succeeded"));
    assert_eq!(run.log("work", 1), b"");
}

#[test]
fn what_it_sends_is_recorded_and_shown() {
    let env = TestEnv::new();
    let shown = with_old_core(&env, &["--stream"]).output().code(0);
    let run = env.the_run();
    assert_eq!(run.log("work", 1), b"an old line\nanother one\n");
    let manifest = fs::read_to_string(run.dir.join("run.json")).unwrap();
    assert!(manifest.contains("\"record\": \"events\""), "{manifest}");
    let shown = shown.all();
    for said in ["an old line", "another one", "keeps no record"] {
        assert!(shown.contains(said), "{shown}");
    }
    let events = fs::read_to_string(run.dir.join("steps/work/i1-a1.events.jsonl")).unwrap();
    assert!(events.contains("half") && events.contains("\"at\":24"), "{events}");
}

#[test]
fn what_it_left_out_is_said_where_it_is_missing_in_every_view() {
    let note = "'{\"type\":\"progress\",\"message\":\"half\",\"percent\":50}'";
    // Once it says so, and once its numbers do.
    let ways = [
        CORE.replace(
            &format!("event 2 {note}"),
            "event 2 '{\"type\":\"progress\",\"message\":\"(logs truncated)\"}'",
        ),
        CORE.replace("event 1 '", "event 7 '").replace(&format!("event 2 {note}"), ":"),
    ];
    for (way, core) in ways.iter().enumerate() {
        let env = TestEnv::new();
        let core = env.write_program("cutting-core", core);
        let invocation = env.run(&Flow::of("true")).args(["--stream", "--core"]).arg(core);
        let streamed = invocation.output().code(0).all();
        let missing = "output is missing here: the core left out an unknown amount";
        // The line is there, and the warning at the step, once.
        let place = streamed.find(&format!("[{missing}]")).unwrap_or_else(|| panic!("{streamed}"));
        let (one, other) = (streamed.find("an old line").unwrap(), streamed.find("another one").unwrap());
        assert!(
            if way == 0 { one < place && other < place } else { one < place && place < other },
            "{streamed}"
        );
        let warning = "the core left out a part of what the worker wrote";
        assert_eq!(before_summary(&streamed).matches(warning).count(), 1, "{streamed}");

        let logs = env.roboppi(["logs", "-1", "work"]).output().code(0);
        assert_eq!(logs.text(), "an old line\nanother one\n");
        assert!(logs.stderr.contains(missing), "{}", logs.stderr);
        for (command, words) in [
            (&["show"][..], warning),
            (&["events", "--kind", "warning"], warning),
            (&["events", "--workers", "--kind", "gap", "--json"], "\"atLeast\":true"),
            (&["attach", "--no-tui"], warning),
            (&["replay", "--speed", "max", "--no-tui", "--stream"], missing),
            (&["logs", "--timestamps"], missing),
            (&["export", "-1", "work", "--format", "txt"], missing),
        ] {
            let said = env.roboppi(command).output().code(0).all();
            assert!(said.contains(words), "{command:?}: {said}");
        }
        let mut on_screen = env.roboppi(["attach", "--tui"]).start_in_terminal(30, 120);
        on_screen.wait_for_text("press q to leave");
        on_screen.press("2");
        on_screen.wait_until("that output is missing", |screen| {
            let text = screen.contents();
            text.contains("output is missing here") || text.contains("output before this line is missing")
        });
        on_screen.press("q");
        on_screen.expect_code(0);
    }
}

#[test]
fn a_rude_one_is_driven_over_every_transport_and_ended() {
    for transport in ["stdio", "tcp", "socket"] {
        let env = TestEnv::new();
        let mut run = with_old_core(&env, &["--stream"]).env("RUDE", "1");
        if transport == "socket" {
            let behind = env.write("behind", CORE);
            fs::set_permissions(&behind, fs::Permissions::from_mode(0o700)).unwrap();
            env.write("old-core", CONNECTED_CORE);
            run = run.env("THIS_TEST", std::env::current_exe().unwrap()).env(BEHIND, behind);
        }
        let shown = run.env("ROBOPPI_SUPERVISED_IPC_TRANSPORT", transport).output().code(0).all();
        let run = env.the_run();
        assert_eq!((run.outcome().as_deref(), run.state("after").as_str()), (Some("succeeded"), "succeeded"));
        // A straggler comes too late, or just in time; the record knows which.
        let text = run.text("work", 1);
        let late = text.strip_prefix("an old line\nanother one\n").expect(&text);
        assert!(["", "a straggler\n"].contains(&late), "{text}");
        for finished in run.events("attempt_finished") {
            let step = finished["of"]["step"].as_str().unwrap().to_owned();
            assert_eq!(finished["logBytes"], run.log(&step, 1).len(), "{finished}");
        }
        for said in ["an old line", "another one"] {
            assert!(shown.contains(said), "{transport}: {shown}");
        }
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn the_entry_point_comes_from_the_flag_or_the_environment() {
    let env = TestEnv::new();
    let named = |name: &str| {
        let core = env.write(name, &CORE.replace("this core is old", name));
        fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
        core
    };
    let (from_env, from_flag) = (named("core-of-the-environment"), named("core-of-the-flag"));
    let run = || env.run(&Flow::of("true")).env("ROBOPPI_CORE_ENTRYPOINT", &from_env);
    let _ = run().output().code(0);
    let _ = run().arg("--core-entrypoint").arg(&from_flag).output().code(0);
    let said: Vec<String> =
        env.runs().iter().map(|run| fs::read_to_string(run.dir.join("core.stderr")).unwrap()).collect();
    assert!(said[0].starts_with("core-of-the-environment\n"), "{said:?}");
    assert!(said[1].starts_with("core-of-the-flag\n"), "{said:?}");
}

#[test]
fn a_script_is_run_by_the_program_for_scripts() {
    let env = TestEnv::new();
    let bin = env.work().join("bin");
    let core = env.write("old-core", CORE);
    let bun = env.write("bin/bun", &format!("#!/bin/sh\nexec bash {}\n", core.display()));
    fs::set_permissions(&bun, fs::Permissions::from_mode(0o700)).unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let script = env.write("index.TS", "");
    let _ = env.run(&Flow::of("true")).arg("--core").arg(script).env("PATH", path.unwrap()).output().code(0);
    assert_eq!(env.the_run().events("core_started")[0]["protocol"], 1);
}

#[test]
fn a_request_that_is_not_answered_times_out() {
    let env = TestEnv::new();
    let core = env.write("deaf", "#!/bin/sh\nread -r _\nread -r _\necho '{\"type\":\"heartbeat_ack\",\"timestamp\":1}'\nexec sleep 1000\n");
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    for (flag, variable) in [
        (Some("70ms"), None),
        (None, Some(("ROBOPPI_IPC_REQUEST_TIMEOUT", "70ms"))),
        (None, Some(("ROBOPPI_IPC_REQUEST_TIMEOUT_MS", "70.9"))),
    ] {
        let mut run =
            env.run(&Flow::of("true")).arg("--core").arg(&core).args(["--grace", "10ms", "--drain", "10ms"]);
        if let Some(flag) = flag {
            run = run.args(["--ipc-request-timeout", flag]);
        }
        if let Some((name, value)) = variable {
            run = run.env(name, value);
        }
        let printed = run.output().code(1).all();
        assert!(printed.contains("Core IPC submit_job timed out after 70ms (jobId="), "{printed}");
    }
    let refused =
        env.run(&Flow::of("true")).env("ROBOPPI_IPC_REQUEST_TIMEOUT_MS", "-1").output().code(2).all();
    assert!(refused.contains("ROBOPPI_IPC_REQUEST_TIMEOUT_MS: `-1`"), "{refused}");
}

#[test]
fn a_core_that_knows_no_time_is_told_when_it_is_over() {
    let env = TestEnv::new();
    let endless = CORE.replace(
        "      echo \"this core is old\" >&2\n",
        "      echo \"this core is old\" >&2; running=$job; continue\n",
    );
    let core = env.write(
        "timeless",
        &endless.replace(
            "  esac\n",
            "    *'\"type\":\"cancel_job\"'*) echo \"$line\" > told\n      printf '{\"type\":\"job_cancelled\",\"jobId\":\"%s\",\"reason\":\"x\",\"requestId\":\"%s\"}\\n' \"$running\" \"$id\"\n      printf '{\"type\":\"job_completed\",\"jobId\":\"%s\",\"outcome\":\"cancelled\"}\\n' \"$running\" ;;\n  esac\n",
        ),
    );
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let flow = Flow::new().step_with("work", "true", &["timeout: 50ms"]);
    let _ = env.run(&flow).arg("--core").arg(core).output().code(1);
    assert!(env.read("told").contains("\"reason\":\"timeout\""));
    let finished = &env.the_run().events("attempt_finished")[0];
    assert_eq!(finished["result"]["details"]["cancelReason"], "timeout", "{finished}");
}

#[test]
fn it_does_not_outlive_a_supervisor_that_is_killed() {
    for transport in ["stdio", "tcp"] {
        let env = TestEnv::new();
        // It ignores the end of its input and every polite request, and has started something of its own.
        let stubborn = CORE.replace(
            "#!/usr/bin/env bash\n",
            "#!/usr/bin/env bash\ntrap '' TERM INT HUP\nsetsid sleep 1000 &\n",
        );
        let core = env.write(
            "stubborn",
            &stubborn.replace("echo \"this core is old\" >&2\n", "echo up > up; continue\n"),
        );
        fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
        let run =
            env.run(&Flow::of("true")).arg("--core").arg(core).args(["--grace", "20ms", "--drain", "20ms"]);
        let running = run.env("RUDE", "1").env("ROBOPPI_SUPERVISED_IPC_TRANSPORT", transport).start();
        env.wait_for_file("up");
        running.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = running.wait().signal(nix::sys::signal::Signal::SIGKILL);
        env.wait_until_nothing_is_left();
    }
}
