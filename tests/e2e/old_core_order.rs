//! A core of protocol 1 that refuses, answers in another order than it was asked, and is cancelled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal::SIGINT;
use serde_json::Value;

use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;

/// Writes down what it is told, one line each, and answers as `MANNER` says.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
grant() { printf '{"permit":{"deadlineAt":4000000000000,"permitId":"p","jobId":"%s","attemptIndex":0,"circuitStateSnapshot":{},"tokensGranted":{"rps":1,"concurrency":1}},"requestId":"%s","type":"permit_granted"}\n' "$1" "$2"; }
refuse() { printf '{"type":"permit_rejected","requestId":"%s","rejection":{"reason":"%s"}}\n' "$id" "$1"; }
ended() { printf '{"outcome":"%s","jobId":"%s","result":{"status":"%s","artifacts":[],"observations":[],"cost":{"wallTimeMs":0},"durationMs":0},"type":"job_completed"}\n' "$2" "$1" "$3"; }
while IFS= read -r line; do
  printf '%s\n' "$line" >> told
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1790000000000}' ;;
    *'"type":"submit_job"'*) printf '{"jobId":"%s","requestId":"%s","type":"ack"}\n' "$job" "$id" ;;
    *'"type":"cancel_job"'*)
      printf '{"type":"job_cancelled","jobId":"%s","reason":"x","requestId":"%s"}\n' "$job" "$id"
      [ "$MANNER" = deaf ] || ended "$job" cancelled CANCELLED ;;
    *'"type":"request_permit"'*)
      asked=$((asked + 1))
      case $MANNER-$asked in
        soft-1) refuse DEFERRED ;;
        soft-2) refuse SOME_NEW_REASON ;;
        hard-*) refuse BUDGET_EXHAUSTED ;;
        # The completion comes before the permit.
        soft-*) ended "$job" succeeded SUCCEEDED; grant "$job" "$id" ;;
        # The second job is answered, and over, before the first.
        turned-1) first=$job; first_id=$id ;;
        turned-2)
          grant "$job" "$id"; ended "$job" succeeded SUCCEEDED
          grant "$first" "$first_id"; ended "$first" succeeded SUCCEEDED ;;
        *) grant "$job" "$id"; echo up > up ;;
      esac ;;
  esac
done
while :; do sleep 0.05; done
"#;

fn with_core<'e>(env: &'e TestEnv, flow: &Flow, manner: &str) -> Invocation<'e> {
    let core = env.write("old-core", CORE);
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let run = env.run(flow).arg("--core").arg(core).args(["--grace", "50ms", "--drain", "50ms"]);
    run.env("MANNER", manner)
}

/// What the core was told of this type.
fn told(env: &TestEnv, kind: &str) -> Vec<Value> {
    let lines: Vec<Value> =
        env.read("told").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.into_iter().filter(|message| message["type"] == kind).collect()
}

#[test]
fn what_it_refuses_for_now_is_asked_again_and_a_completion_may_come_first() {
    let env = TestEnv::new();
    let _ = with_core(&env, &Flow::of("true"), "soft").output().code(0);
    assert_eq!(env.the_run().state("work"), "succeeded");
    let (submitted, asked) = (told(&env, "submit_job"), told(&env, "request_permit"));
    assert_eq!((submitted.len(), asked.len()), (1, 3));
    for message in submitted.iter().chain(&asked) {
        let job = &message["job"];
        assert_eq!(job["jobId"], submitted[0]["job"]["jobId"]);
        assert!(job["limits"]["timeoutMs"].is_number() && job["limits"]["maxAttempts"].is_number(), "{job}");
        assert!(
            job["context"]["traceId"].is_string() && job["context"]["correlationId"].is_string(),
            "{job}"
        );
        assert!(job["payload"]["budget"]["deadlineAt"].is_number(), "{job}");
    }
    assert!(asked.iter().all(|message| message["attemptIndex"].as_f64() == Some(0.0)));
    assert!(!env.read("told").contains("null"), "for such a core a null is not an absent field");
}

#[test]
fn what_it_refuses_for_good_is_not_asked_again() {
    let env = TestEnv::new();
    let _ = with_core(&env, &Flow::of("true"), "hard").output().code(1);
    assert_eq!(env.the_run().state("work"), "failed");
    assert_eq!(told(&env, "request_permit").len(), 1);
}

#[test]
fn two_jobs_may_be_answered_in_the_other_order() {
    let env = TestEnv::new();
    let flow = Flow::of("true").step("other", "true");
    let _ = with_core(&env, &flow, "turned").output().code(0);
    let run = env.the_run();
    assert_eq!((run.state("work").as_str(), run.state("other").as_str()), ("succeeded", "succeeded"));
    assert_eq!(told(&env, "request_permit").len(), 2);
}

#[test]
fn it_is_told_to_cancel_and_not_waited_for_in_vain() {
    for (manner, code, state) in [("good", 130, "cancelled"), ("deaf", 3, "lost")] {
        let env = TestEnv::new();
        let running = with_core(&env, &Flow::of("true"), manner).start();
        env.wait_for_file("up");
        running.signal(SIGINT);
        let _ = running.wait().code(code);
        assert_eq!(env.the_run().state("work"), state);
        let job = &told(&env, "submit_job")[0]["job"]["jobId"];
        let cancels = told(&env, "cancel_job");
        assert!(!cancels.is_empty(), "{manner}");
        for cancel in cancels {
            assert_eq!(&cancel["jobId"], job);
            assert!(cancel["reason"].is_string() && cancel["requestId"].is_string(), "{cancel}");
        }
        env.wait_until_nothing_is_left();
    }
}
