use proptest::prelude::*;
use roboppi_ipc::{ToolCall, ToolResult, Waiting, WorkerKind, WorkerResult};

use super::*;
use crate::{RunId, RunMode, RunOutcome, StepPlan};

fn journal(ts: u64, event: RunEvent) -> RunRecord {
    RunRecord::Journal(JournalRecord { seq: ts, ts: UtcMillis(ts), event })
}

fn worker(ts: u64, event: WorkerEvent) -> RunRecord {
    let record = AttemptRecord { seq: ts, ts: UtcMillis(ts), at: 0, event };
    RunRecord::Attempt(AttemptRef::first("build".into()), record)
}

fn began() -> RunRecord {
    let plan = |name: &str| StepPlan {
        step: name.into(),
        worker: WorkerKind::CUSTOM,
        depends_on: Vec::new(),
        description: None,
        timeout_ms: None,
        max_attempts: 2,
        max_iterations: None,
        role: crate::Role::Work,
        check: None,
        host: crate::HostId::here(),
    };
    journal(
        1_000,
        RunEvent::RunStarted {
            run_id: RunId::parse("r").unwrap(),
            handle: None,
            name: "flow".into(),
            workflow: "/w.yaml".into(),
            workspace: "/w".into(),
            context_dir: "/w/c".into(),
            mode: RunMode::Direct,
            timeout_ms: 1,
            concurrency: 1,
            stream_stdio: true,
            steps: ["build", "never"].map(|name| Arc::new(plan(name))).to_vec(),
            only: Vec::new(),
            resumes: None,
        },
    )
}

fn started(ts: u64, attempt: u32) -> RunRecord {
    let of = AttemptRef { attempt, ..AttemptRef::first("build".into()) };
    journal(
        ts,
        RunEvent::AttemptStarted {
            base: of.base(),
            of,
            job_id: "j".into(),
            fingerprint: None,
            resumed_session: None,
        },
    )
}

fn finished(ts: u64, attempt: u32, status: &str, code: u32) -> RunRecord {
    let of = AttemptRef { attempt, ..AttemptRef::first("build".into()) };
    let result: WorkerResult = serde_json::from_str(&format!(
        r#"{{"status":"{status}","cost":{{"wallTimeMs":1}},"durationMs":1,"exitCode":{code}}}"#
    ))
    .unwrap();
    let event = RunEvent::AttemptFinished {
        of,
        result: result.into(),
        last_seq: None,
        log_bytes: 0,
        events_bytes: 0,
    };
    journal(ts, event)
}

fn call(id: &str, name: &str) -> WorkerEvent {
    let (id, name) = (id.to_owned(), name.to_owned());
    WorkerEvent::ToolCall(ToolCall::new(id, name, serde_json::Value::Null))
}

fn result(id: &str, ok: bool) -> WorkerEvent {
    let (id, preview) = (id.to_owned(), String::new());
    WorkerEvent::ToolResult(ToolResult::new(id, ok, preview))
}

fn waiting(why: &str) -> WorkerEvent {
    WorkerEvent::Waiting(Waiting::new(why))
}

fn phase(ts: u64, phase: AttemptPhase) -> RunRecord {
    journal(ts, RunEvent::AttemptPhase { of: AttemptRef::first("build".into()), phase })
}

fn timeline(records: &[RunRecord]) -> Timeline {
    let mut builder = TimelineBuilder::default();
    for record in records {
        builder.record(record);
    }
    builder.finish()
}

/// A line for each slice: its track, depth by containment, name, times and end.
fn drawn(timeline: &Timeline) -> Vec<String> {
    let mut lines = Vec::new();
    for track in &timeline.tracks {
        let mut open: Vec<u64> = Vec::new();
        for slice in &track.slices {
            while open.last().is_some_and(|end| *end <= slice.from.0) {
                open.pop();
            }
            let indent = "  ".repeat(open.len());
            let end = slice.end.as_deref().unwrap_or("…");
            lines.push(format!(
                "{}: {indent}{} {}-{} {end}",
                track.name, slice.name, slice.from.0, slice.to.0
            ));
            open.push(slice.to.0);
        }
        lines.extend(track.marks.iter().map(|mark| format!("{}: ! {} {}", track.name, mark.name, mark.at.0)));
    }
    lines
}

#[test]
fn attempts_hold_what_happened_in_them_and_calls_at_a_time_have_tracks_of_their_own() {
    let made = timeline(&[
        began(),
        started(1_100, 1),
        phase(1_100, AttemptPhase::WaitingPermit { detail: "full".into() }),
        phase(1_200, AttemptPhase::Running { process: None }),
        worker(1_300, call("1", "Bash")),
        worker(1_350, call("2", "Read")),
        worker(1_400, result("1", true)),
        worker(1_500, result("2", false)),
        worker(1_600, waiting("a person")),
        journal(1_650, RunEvent::Warning { message: "slow".into(), step: Some("build".into()) }),
        worker(1_700, call("3", "Edit")),
        finished(1_800, 1, "FAILED", 3),
        started(1_900, 2),
        finished(2_000, 2, "SUCCEEDED", 0),
        journal(
            2_100,
            RunEvent::RunFinished {
                outcome: RunOutcome::Succeeded,
                exit_code: 0,
                duration_ms: 1,
                detail: None,
                flaky: Vec::new(),
            },
        ),
    ]);
    assert_eq!(
        drawn(&made),
        [
            "run: flow 1000-2100 succeeded",
            "build: build 1100-1800 failed: exit code 3",
            "build:   waits for a permit 1100-1200 over",
            "build:   Bash 1300-1400 succeeded",
            "build:   a person 1600-1700 over",
            "build:   Edit 1700-1800 …",
            "build: waits for a retry 1800-1900 over",
            "build: build, attempt 2 1900-2000 succeeded",
            "build: ! slow 1650",
            "build (2): Read 1350-1500 failed",
        ]
    );
    assert_eq!(made.tracks.last().unwrap().name, "never");
}

#[test]
fn what_goes_on_lasts_until_the_last_known_moment() {
    let made = timeline(&[began(), started(1_100, 1), worker(1_300, call("1", "Bash"))]);
    assert_eq!(
        drawn(&made),
        ["run: flow 1000-1300 …", "build: build 1100-1300 …", "build: Bash 1300-1300 …"]
    );
}

proptest! {
    /// Whatever is recorded in whatever order, with clocks that jump: slices of a track are in order, and two of them
    /// lie within each other or do not meet.
    #[test]
    fn slices_of_a_track_never_cross(kinds in prop::collection::vec((0_u64..3_000, 0_u8..9, 0_u8..4), 0..60)) {
        let records = kinds.into_iter().map(|(ts, kind, id)| match kind {
            0 => started(ts, u32::from(id) + 1),
            1 => finished(ts, u32::from(id) + 1, "FAILED", 1),
            2 => worker(ts, waiting("x")),
            3 | 4 => worker(ts, call(&id.to_string(), "tool")),
            5 | 6 => worker(ts, result(&id.to_string(), true)),
            7 => phase(ts, AttemptPhase::Killing { reason: None }),
            _ => phase(ts, AttemptPhase::Running { process: None }),
        });
        let mut all = vec![began()];
        all.extend(records);
        for track in timeline(&all).tracks {
            prop_assert!(track.slices.is_sorted_by_key(|slice| slice.from));
            for (number, slice) in track.slices.iter().enumerate() {
                prop_assert!(slice.from <= slice.to);
                for later in &track.slices[number + 1..] {
                    let beside = slice.to <= later.from;
                    let within = slice.from <= later.from && later.to <= slice.to;
                    prop_assert!(beside || within, "{slice:?} {later:?}");
                }
            }
        }
    }
}
