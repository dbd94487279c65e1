//! What the record has to say in the end.

use crate::env::TestEnv;

/// The run came to an end of its own and says so with one of these codes, which is returned: each attempt is finished once, no step is left
/// under way, and the end is the last word.
#[track_caller]
pub(crate) fn expect_complete(env: &TestEnv, codes: &[i32]) -> i32 {
    expect_readable(env);
    let run = env.the_run();
    let journal = run.journal();
    let last = &journal.last().expect("a journal is not empty")["event"];
    assert_eq!(last["type"], "run_finished", "the last record");
    let code = i32::try_from(last["exitCode"].as_i64().unwrap()).unwrap();
    assert!(codes.contains(&code), "exit code {code} instead of one of {codes:?}");
    assert_eq!(run.events("run_finished").len(), 1);
    let started = run.events("attempt_started");
    let finished = run.events("attempt_finished");
    for attempt in &started {
        let ends = finished.iter().filter(|end| end["of"] == attempt["of"]).count();
        assert_eq!(ends, 1, "ends of {}", attempt["of"]);
    }
    for change in run.events("step_changed") {
        let state = run.state(change["step"].as_str().unwrap());
        assert!(!["starting", "running", "ending"].contains(&state.as_str()), "a step is left {state}");
    }
    code
}

/// Nobody was there to write the end down; what is there can be read.
#[track_caller]
pub(crate) fn expect_broken_off(env: &TestEnv) {
    expect_readable(env);
    assert_eq!(env.the_run().outcome(), None, "a run whose supervisor was killed does not say how it ended");
}

/// Every whole line is a record, and they are numbered without a gap.
#[track_caller]
pub(crate) fn expect_readable(env: &TestEnv) {
    for run in env.runs() {
        for (record, number) in run.journal().iter().zip(1_u64..) {
            assert_eq!(record["seq"], number, "{record}");
        }
    }
}
