//! A core that answers badly, too often, too late or too much, and a supervisor that makes the best of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use super::malformed;
use crate::env::{Invocation, TestEnv, before_summary};
use crate::flow::Flow;

/// Does what a core of protocol 1 does. `behaviour` replaces a part of it.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
# Several of these may write at a time: each line is one write.
flood() { while :; do printf '{"type":"ack","requestId":"nobody","jobId":"%01000d"}\n' 0; done; }
event() { printf '{"type":"job_event","jobId":"%s","ts":%s,"seq":%s,"event":%s}\n' "$job" "$1" "$2" "$3"; }
ack() { printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job"; }
grant() {
  printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$id" "$job"
}
complete() { printf '{"type":"job_completed","jobId":"%s","outcome":"%s"}\n' "$job" "$1"; }
first_time() { mkdir seen 2> /dev/null; }
on_heartbeat() { printf '{"type":"heartbeat_ack","timestamp":1}\n'; }
on_submit() { ack; }
on_permit() { grant; event 1 0 '{"type":"stdout","data":"fine"}'; complete succeeded; }
on_cancel() { printf '{"type":"job_cancelled","requestId":"%s","jobId":"%s","reason":"user"}\n' "$id" "$job"; complete cancelled; }
. ./behaviour
while IFS= read -r line; do
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) on_heartbeat ;;
    *'"type":"submit_job"'*) on_submit ;;
    *'"type":"request_permit"'*) on_permit ;;
    *'"type":"cancel_job"'*) on_cancel ;;
  esac
done
"#;

/// Behaviour that harms no run.
const HARMLESS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("malformed", "on_permit() { grant; cat malformed; event 1 0 '{\"type\":\"stdout\",\"data\":\"fine\"}'; complete succeeded; }"),
    ("a flood", "flood &"),
    (
        "answers of another type before the right one",
        "eval \"really_$(declare -f on_permit)\"; on_permit() { ack; on_cancel_of_nobody; really_on_permit; }
         on_cancel_of_nobody() { printf '{\"type\":\"job_cancelled\",\"requestId\":\"%s\",\"jobId\":\"nobody\",\"reason\":\"\"}\\n' \"$id\"; }",
    ),
    (
        "everything twice",
        "eval \"really_$(declare -f on_permit)\"; on_submit() { ack; ack; }; on_permit() { really_on_permit; really_on_permit; }",
    ),
    (
        "an end before the permit",
        "on_permit() { event 1 0 '{\"type\":\"stdout\",\"data\":\"fine\"}'; complete succeeded; grant; }",
    ),
    (
        "one byte at a time",
        "eval \"really_$(declare -f on_permit)\"
         on_permit() { really_on_permit | while IFS= read -rN1 byte; do printf %s \"$byte\"; done; }",
    ),
    (
        "the other line end, and spaces",
        "eval \"really_$(declare -f on_permit)\"; on_permit() { really_on_permit | sed 's/^/ \\t/; s/$/ \\r/'; }",
    ),
    (
        "numbers that make no sense",
        "on_permit() {
           grant
           event -1 0 '{\"type\":\"stdout\",\"data\":\"fine\"}'
           event 1e300 -1 '{\"type\":\"progress\",\"message\":\"far\",\"percent\":1e300}'
           event 1 1e300 '{\"type\":\"progress\",\"message\":\"far\",\"percent\":-5}'
           event 1 1 '{\"type\":\"progress\",\"message\":5}'
           complete succeeded
         }",
    ),
    (
        "a pause in reading, while it says more than a pipe holds",
        "on_heartbeat() { echo '{\"type\":\"heartbeat_ack\",\"timestamp\":1}'; for n in {1..5000}; do event 1 0 '{\"type\":\"stdout\",\"data\":\"nobody\"}'; done; }",
    ),
    ("half a line and its end, once", "eval \"really_$(declare -f on_permit)\"; on_permit() { if first_time; then grant; complete succeeded | head -c 40; exit; fi; really_on_permit; }"),
    ("a closed stdout, once", "eval \"really_$(declare -f on_permit)\"; on_permit() { if first_time; then grant; exec >&-; else really_on_permit; fi; }"),
];

/// Behaviour that lets a step fail, and what is said about it.
const HARMFUL: &[(&str, &str, &str)] = &[
    (
        "an answer that cannot be read",
        "on_submit() { printf '{\"type\":\"ack\",\"requestId\":\"%s\",\"jobId\":7}\\n' \"$id\"; }",
        "the answer to submit_job is no message: bad ack",
    ),
    (
        "a permit that cannot be read",
        "on_permit() { printf '{\"type\":\"permit_granted\",\"requestId\":\"%s\"}\\n' \"$id\"; }",
        "the answer to request_permit is no message: bad permit_granted",
    ),
    (
        "an end that cannot be read",
        "on_permit() { grant; printf '{\"type\":\"job_completed\",\"jobId\":\"%s\"}\\n' \"$job\"; }",
        "the core's report of the end of the job cannot be read: bad job_completed",
    ),
    (
        "an error for an answer",
        "on_submit() { printf '{\"type\":\"error\",\"requestId\":\"%s\",\"code\":\"NO\",\"message\":\"not today\"}\\n' \"$id\"; }",
        "the core refuses: not today (NO)",
    ),
];

fn prepare<'e>(env: &'e TestEnv, behaviour: &str, flow: &Flow) -> Invocation<'e> {
    let core = env.write("core", CORE);
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    env.write("behaviour", behaviour);
    env.run(flow).arg("--core").arg(core).args(["--grace", "100ms", "--drain", "100ms"])
}

fn run(env: &TestEnv, behaviour: &str, flow: &Flow, code: i32) -> String {
    prepare(env, behaviour, flow).output().code(code).all()
}

#[test]
fn what_a_core_says_out_of_turn_harms_no_run() {
    for (name, behaviour) in HARMLESS {
        let env = TestEnv::new();
        let all: Vec<u8> = malformed().into_iter().flat_map(|(_, bytes, _)| bytes).collect();
        fs::write(env.work().join("malformed"), all).unwrap();
        // More than fits into a pipe.
        let long = format!(": {}", "x".repeat(100_000));
        let flow = Flow::new().step_with("work", &long, &["on_failure: retry", "max_retries: 1"]).step_with(
            "after",
            "true",
            &["depends_on: [work]"],
        );
        let printed = run(&env, behaviour, &flow, 0);
        let run = env.the_run();
        assert_eq!(
            (run.state("work").as_str(), run.state("after").as_str()),
            ("succeeded", "succeeded"),
            "{name}"
        );
        let tries = run.events("attempt_finished").len();
        assert_eq!(tries, if name.ends_with("once") { 3 } else { 2 }, "{name}: {printed}");
        let warned = before_summary(&printed).matches("the core sends lines that are not messages").count();
        assert_eq!(
            warned,
            usize::from(["malformed", "numbers that make no sense"].contains(name)),
            "{name}: {printed}"
        );
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn what_a_core_says_badly_fails_the_step_and_is_told() {
    for (name, behaviour, said) in HARMFUL {
        let env = TestEnv::new();
        let printed = run(&env, behaviour, &Flow::of("true"), 1);
        assert!(printed.contains(said), "{name}: {printed}");
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn a_flood_does_not_keep_a_cancel_from_the_core() {
    let env = TestEnv::new();
    let behaviour = "on_permit() { grant; flood & echo yes > permitted; }
         eval \"really_$(declare -f on_cancel)\"; on_cancel() { echo yes > cancelled; really_on_cancel; }";
    let run = prepare(&env, behaviour, &Flow::of("true")).start();
    env.wait_for_file("permitted");
    run.signal(Signal::SIGINT);
    let _ = run.wait().code(130);
    assert_eq!(env.read("cancelled"), "yes\n");
    env.wait_until_nothing_is_left();
}
