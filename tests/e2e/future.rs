//! Records, cores and requests of later versions: a word that this version does not know is shown, and what is around it is
//! read.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::env::{Running, TestEnv};
use crate::flow::Flow;
use crate::run_files::RunFiles;
use crate::wire_peer::WirePeer;

/// `test` fails until there is a file `fixed`.
fn flow() -> Flow {
    Flow::new()
        .step("build", "echo built; echo build >> done")
        .step_with("test", "echo tested; echo test >> done; [ -e fixed ]", &["depends_on: [build]"])
        .step_with("ship", "echo shipped; echo ship >> done", &["depends_on: [test]"])
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Writes a later version's words into the record of [`flow`].
fn make_later(run: &RunFiles) {
    let manifest = run.dir.join("run.json");
    let mut head: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    head["mode"] = "remote".into();
    head["record"] = "sampled".into();
    fs::write(manifest, head.to_string()).unwrap();

    let told = [
        json!({"type": "plan", "items": [{"text": "think", "status": "delegated"}]}),
        json!({"type": "file_changed", "path": "a.c", "action": "renamed"}),
        json!({"type": "waiting", "why": "it is night", "cause": "daylight"}),
    ];
    let told: Vec<Value> = told
        .into_iter()
        .zip(1..)
        .map(|(event, seq)| json!({"seq": seq, "ts": 1, "at": 0, "event": event}))
        .collect();
    let told = text_of(&told);
    fs::write(run.dir.join("steps/build/i1-a1.events.jsonl"), &told).unwrap();

    let mut later: Vec<Value> = Vec::new();
    for mut record in run.journal() {
        let ts = record["ts"].clone();
        let mut before = |event: Value| later.push(json!({"ts": ts, "event": event}));
        let event = &mut record["event"];
        match event["type"].as_str().unwrap() {
            "run_started" => {
                event["mode"] = "remote".into();
                event["steps"][0]["worker"] = "SCRIBE".into();
            }
            "step_changed" if event["step"] == "test" && event["state"] == "failed" => {
                event["state"] = "parked".into();
            }
            "attempt_finished" if event["of"]["step"] == "build" => event["eventsBytes"] = told.len().into(),
            "attempt_finished" => {
                before(
                    json!({"type": "attempt_phase", "of": event["of"], "phase": {"name": "suspending", "until": 7}}),
                );
                event["result"]["status"] = "SHELVED".into();
                event["result"]["errorClass"] = "OUT_OF_CREDIT".into();
                event["result"]["details"]["cancelReason"] = "quota".into();
            }
            "run_finished" => {
                before(json!({"type": "command", "command": {"type": "pause", "for": "the night"}}));
                before(json!({"type": "run_ending", "reason": "curfew", "force": false}));
                event["outcome"] = "paused".into();
            }
            _ => {}
        }
        later.push(record);
    }
    for (record, seq) in later.iter_mut().zip(1..) {
        record["seq"] = seq.into();
    }
    fs::write(run.dir.join("journal.jsonl"), text_of(&later)).unwrap();
}

fn later_run() -> TestEnv {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(1);
    make_later(&env.the_run());
    env
}

/// Insists that a command reads the record, and shows words.
fn shows(env: &TestEnv, command: &[&str], words: &[&str]) -> String {
    let printed = env.roboppi(command).output().code(0).all();
    for word in words {
        assert!(printed.contains(word), "{command:?}, {word}: {printed}");
    }
    assert!(!printed.contains("not what roboppi writes"), "{command:?}: {printed}");
    printed
}

#[test]
fn every_command_reads_a_record_of_a_later_version() {
    let env = later_run();
    shows(&env, &["show"], &["paused", "parked", "SCRIBE", "build", "ship", "skipped"]);
    shows(&env, &["runs"], &["paused", "1/3"]);
    let told = ["parked", "suspending", "shelved", "`pause`", "curfew", "paused"];
    shows(&env, &["events"], &told);
    let text = shows(
        &env,
        &["events", "--json", "--workers"],
        &["OUT_OF_CREDIT", "quota", "delegated", "renamed", "daylight"],
    );
    let records = lines(&text);
    let phase = records.iter().find(|line| line["event"]["phase"]["name"] == "suspending").unwrap();
    assert_eq!(phase["event"]["phase"]["until"], 7, "what is not known is passed on: {phase}");
    let command = records.iter().find(|line| line["event"]["type"] == "command").unwrap();
    assert_eq!(command["event"]["command"], json!({"type": "pause", "for": "the night"}));

    assert_eq!(env.roboppi(["logs", "-1", "build"]).output().code(0).text(), "built\n");
    shows(&env, &["logs", "--all"], &["built", "tested"]);
    for command in [&["attach", "--no-tui"][..], &["replay", "--no-tui", "--speed", "max"]] {
        shows(&env, command, &["parked", "curfew", "paused", "`pause`"]);
        let json = [command, &["--output", "json"]].concat();
        shows(&env, &json, &["SCRIBE", "remote", "parked", "OUT_OF_CREDIT"]);
    }
    shows(&env, &["export", "-1", "build", "--format", "json"], &["SCRIBE"]);
    shows(&env, &["export", "-1", "test", "--format", "json"], &["shelved"]);

    let there = TestEnv::new();
    let file = env.path("run.tar.zst");
    let _ = env.roboppi(["export", "-1", "-o"]).arg(&file).output().code(0);
    let _ = there.roboppi(["import"]).arg(&file).output().code(0);
    shows(&there, &["show"], &["paused", "parked", "SCRIBE"]);
    shows(&there, &["runs"], &["paused"]);
}

#[test]
fn the_screen_shows_a_record_of_a_later_version() {
    let env = later_run();
    for command in [&["attach"][..], &["replay", "--speed", "max"]] {
        let mut screen = env.roboppi(command).start_in_terminal(40, 140);
        screen.wait_for_text("paused");
        // The selection follows what runs, and a replay at full speed may be seen while the second step does.
        screen.press("g");
        screen.press("8");
        screen.wait_for_text("remote");
        screen.press("6");
        screen.wait_for_text("think (delegated)");
        screen.wait_for_text("renamed a.c");
        // The overview of `build`, and of the step after it.
        screen.press("1");
        screen.wait_for_text("SCRIBE");
        screen.press("j");
        screen.wait_for_text("parked");
        screen.press("q");
        screen.expect_code(0);
        screen.expect_restored_terminal();
    }
}

#[test]
fn a_run_goes_on_with_one_of_a_later_version() {
    let env = later_run();
    env.write("fixed", "");
    let plan = ["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1", "--dry-run"];
    let plan = env.roboppi(plan).output().code(0).text();
    assert!(plan.contains("it was `parked`"), "{plan}");
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--rerun-failed"]).output().code(0);
    assert_eq!(env.read("done"), "build\ntest\ntest\nship\n");
    let second = env.runs().pop().unwrap();
    assert_eq!((second.state("build"), second.state("ship")), ("succeeded".into(), "succeeded".into()));
}

#[test]
fn an_owner_refuses_a_request_it_does_not_know() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done")).start();
    env.wait_for_file("up");
    let manifest = fs::read_to_string(env.the_run().dir.join("run.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let mut stream = UnixStream::connect(manifest["control"].as_str().unwrap()).unwrap();
    let request = json!({"runId": manifest["runId"], "command": {"type": "pause", "for": "the night"}});
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let why = "this version does not know the request `pause`";
    assert_eq!(answer, json!({"type": "refused", "why": why}));
    env.write("go", "");
    let _ = run.wait().code(0);
}

/// A core that speaks protocol 2 and ends every job in a way that is not known.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
echo '{"type":"hello","protocol":{"min":1,"max":2},"capabilities":["levitate"],"version":"9.0.0"}'
while IFS= read -r line; do
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1}' ;;
    *'"type":"submit_job"'*) printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job" ;;
    *'"type":"request_permit"'*)
      if ! [ -e asked ]; then
        echo > asked
        printf '{"type":"permit_rejected","requestId":"%s","rejection":{"reason":"NAP_TIME"}}\n' "$id"
        continue
      fi
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{"GEMINI":"MELTED"}}}\n' "$id" "$job"
      printf '{"type":"core_event","ts":1,"event":{"type":"worker_started","jobId":"%s","process":{"pid":1,"startTime":1}}}\n' "$job"
      printf '{"type":"job_event","jobId":"%s","ts":1,"seq":0,"at":0,"event":{"type":"plan","items":[{"text":"think","status":"delegated"}]}}\n' "$job"
      printf '{"type":"core_event","ts":1,"event":{"type":"worker_ending","jobId":"%s","phase":"suspending","reason":"curfew","limitMs":1}}\n' "$job"
      printf '{"type":"job_completed","jobId":"%s","outcome":"parked","result":{"status":"SHELVED","artifacts":[],"observations":[],"cost":{"wallTimeMs":1},"durationMs":1,"errorClass":"OUT_OF_CREDIT","details":{"cancelReason":"curfew"}},"errorClass":"OUT_OF_CREDIT"}\n' "$job" ;;
  esac
done
"#;

#[test]
fn the_words_of_a_later_core_are_recorded_and_are_no_success() {
    let env = TestEnv::new();
    let core = env.write_program("core", CORE);
    let flow = Flow::of("true").step_with("after", "true", &["depends_on: [work]"]);
    let printed = env.run(&flow).args(["--verbose", "--core"]).arg(core).output().code(1).all();
    for word in ["NAP_TIME", "suspending", "SHELVED"] {
        assert!(printed.contains(word), "{word}: {printed}");
    }
    let run = env.the_run();
    assert_eq!((run.state("work"), run.state("after")), ("failed".into(), "skipped".into()));
    let result = &run.events("attempt_finished")[0]["result"];
    assert_eq!(result["status"], "SHELVED");
    assert_eq!(result["errorClass"], "OUT_OF_CREDIT");
    assert_eq!(result["details"]["cancelReason"], "curfew");
    let phases = run.events("attempt_phase");
    let phase = phases.iter().find(|event| event["phase"]["name"] == "suspending").unwrap();
    assert_eq!(phase["phase"]["reason"], "curfew");
}

/// A core, and a runner of a later version on its wire.
fn later_runner(env: &TestEnv) -> (Running<'_>, WirePeer) {
    let (core, stdin, stdout) = env.roboppi(["core"]).start_with_pipes();
    let mut wire = WirePeer::new(stdout, stdin);
    wire.say(&json!({"type": "hello", "protocol": {"min": 1, "max": 2}, "version": "9.0.0"}));
    (core, wire)
}

/// A job with `value` in a field of its task.
fn job(env: &TestEnv, id: &str, field: &str, value: Value) -> Value {
    let mut task = json!({
        "workerTaskId": "t", "workerKind": "CUSTOM", "workspaceRef": env.work(), "instructions": "true",
        "capabilities": ["RUN_COMMANDS"], "outputMode": "STREAM", "budget": {"deadlineAt": 4_000_000_000_000_u64},
    });
    task[field] = value;
    json!({
        "jobId": id, "type": "WORKER_TASK", "priority": {"value": 0, "class": "WHENEVER"}, "payload": task,
        "limits": {"timeoutMs": 60_000, "maxAttempts": 1}, "context": {"traceId": "t", "correlationId": "c"},
    })
}

#[test]
fn a_core_refuses_orders_it_does_not_know() {
    let env = TestEnv::new();
    let (core, mut wire) = later_runner(&env);
    wire.start(&job(&env, "known", "instructions", "true".into()));
    assert_eq!(wire.completed("known")["outcome"], "succeeded", "whoever waits for it does not matter");
    wire.start(&job(&env, "kind", "workerKind", "SCRIBE".into()));
    let ended = wire.completed("kind");
    assert_eq!(ended["outcome"], "failed");
    let error = ended["result"]["details"]["error"].as_str().unwrap();
    assert!(error.contains("no adapter for SCRIBE workers"), "{ended}");
    for (id, field, value, said) in [
        ("capability", "capabilities", json!(["LEVITATE"]), "the capability `LEVITATE`"),
        ("mode", "outputMode", "TELEPATHY".into(), "the output mode `TELEPATHY`"),
    ] {
        wire.start(&job(&env, id, field, value));
        assert_eq!(wire.completed(id)["outcome"], "failed");
        let said_so =
            |message: &Value| message["event"]["message"].as_str().is_some_and(|text| text.contains(said));
        let _ = wire.next(said, said_so);
    }
    drop(wire);
    let _ = core.wait().code(0);
}

#[test]
fn a_core_gives_back_a_reason_it_does_not_know() {
    let env = TestEnv::new();
    let (core, mut wire) = later_runner(&env);
    wire.start(&job(&env, "long", "instructions", "echo > up; sleep 1000".into()));
    env.wait_for_file("up");
    wire.say(&json!({"type": "cancel_job", "requestId": "c", "jobId": "long", "reason": "quota"}));
    assert_eq!(wire.next("that it ends", |message| message["type"] == "job_cancelled")["reason"], "quota");
    let ending = wire.next("how it ends", |message| message["event"]["type"] == "worker_ending");
    assert_eq!(ending["event"]["reason"], "quota");
    let ended = wire.completed("long");
    assert_eq!(
        (&ended["outcome"], &ended["result"]["details"]["cancelReason"]),
        (&"cancelled".into(), &"quota".into())
    );
    drop(wire);
    let _ = core.wait().code(0);
}
