//! A core of protocol 1, which says no hello, records nothing and knows four kinds of events.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;

/// Grants every permit, and says that the job said two lines and how far it is. `EVENTS` turns these off.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
event() { printf '{"type":"job_event","jobId":"%s","ts":1790000000000,"seq":%s,"event":%s}\n' "$job" "$1" "$2"; }
while IFS= read -r line; do
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1790000000000}' ;;
    *'"type":"submit_job"'*) printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job" ;;
    *'"type":"request_permit"'*)
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$id" "$job"
      if [ "$EVENTS" != 0 ]; then
        event 0 '{"type":"stdout","data":"an old line"}'
        event 1 '{"type":"stderr","data":"another one"}'
        event 2 '{"type":"progress","message":"half","percent":50}'
      fi
      echo "this core is old" >&2
      printf '{"type":"job_completed","jobId":"%s","outcome":"succeeded","result":{"status":"SUCCEEDED","artifacts":[],"observations":[],"cost":{"wallTimeMs":1},"durationMs":1,"exitCode":0}}\n' "$job" ;;
  esac
done
"#;

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
