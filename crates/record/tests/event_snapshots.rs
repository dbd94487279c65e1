//! What a worker did is the same from a snapshot and the rest of its event file as from all of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use roboppi_ipc::{
    AgentText, Gap, Patch, PlanItem, PlanStatus, SessionInfo, ToolCall, ToolResult, Usage, UtcMillis,
    Waiting, WorkerEvent,
};
use roboppi_record::{EventFileWriter, EventSnapshotWriter, LogLimits, RecordError, RunDir};
use roboppi_run::{AttemptActivity, AttemptRecord};

const BASE: &str = "steps/s/i1-a1";

fn event() -> impl Strategy<Value = WorkerEvent> {
    let id = || prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        4 => (id(), ".{0,300}").prop_map(|(id, command)| {
            WorkerEvent::ToolCall(ToolCall::new(id, "Bash", serde_json::json!({"command": command})))
        }),
        4 => (id(), any::<bool>(), ".{0,300}")
            .prop_map(|(id, ok, preview)| WorkerEvent::ToolResult(ToolResult::new(id, ok, preview))),
        1 => (id(), "[xy]{0,9}").prop_map(|(id, text)| {
            WorkerEvent::Text(AgentText::new(text).with_id(Some(id.to_owned())))
        }),
        1 => (id(), ".{0,99}").prop_map(|(path, diff)| WorkerEvent::Patch(Patch::new(path, diff))),
        1 => "[a-z]{0,9}".prop_map(|why| WorkerEvent::Waiting(Waiting::new(why))),
        1 => id().prop_map(|id| WorkerEvent::Session(SessionInfo::new(id))),
        1 => any::<u32>().prop_map(|tokens| {
            let mut usage = Usage::default();
            (usage.input_tokens, usage.cost_usd) = (u64::from(tokens), Some(f64::from(tokens) / 7.0));
            WorkerEvent::Usage(usage)
        }),
        1 => "[a-z]{0,9}".prop_map(|text| WorkerEvent::Plan { items: vec![PlanItem::new(text, PlanStatus::Pending)] }),
        1 => ".{0,40}".prop_map(|raw| WorkerEvent::Unknown { raw }),
    ]
}

/// What happens to an event file, and to those that look at it.
#[derive(Clone, Debug)]
enum Op {
    Append(WorkerEvent),
    /// Events did not come.
    Miss(u64),
    Check,
    Compare,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        60 => event().prop_map(Op::Append),
        1 => (1..5_u64).prop_map(Op::Miss),
        6 => Just(Op::Check),
        1 => Just(Op::Compare),
    ];
    prop::collection::vec(op, 1..400)
}

/// A record of a run with the event file of one attempt, its writer, and the writer of its snapshots.
struct Place {
    _dir: tempfile::TempDir,
    run: RunDir,
    events: EventFileWriter,
    snapshots: EventSnapshotWriter,
    seq: u64,
}

impl Place {
    fn new(limits: LogLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().to_owned());
        let events = EventFileWriter::within(run.path(), BASE, limits, None).unwrap();
        let snapshots = EventSnapshotWriter::new(run.clone(), BASE).unwrap().every(4_000);
        Self { _dir: dir, run, events, snapshots, seq: 0 }
    }

    fn append(&mut self, event: WorkerEvent) {
        let (seq, at) = (self.seq, self.seq * 7);
        self.events.append(&AttemptRecord { seq, ts: UtcMillis(1_000 + seq), at, event }).unwrap();
        // Other numbers are those of output.
        self.seq += 1 + seq % 3;
    }

    fn miss(&mut self, events: u64) {
        let gap = Gap::new(self.seq..self.seq + events, 0..0).with_missing(events, 0).with_recorded(events);
        self.events.append_gap(UtcMillis(1_000 + self.seq), gap).unwrap();
        self.seq += events;
    }

    fn call(&mut self, number: u64) {
        let id = number.to_string();
        let input = serde_json::json!({"command": "x".repeat(150)});
        self.append(WorkerEvent::ToolCall(ToolCall::new(id.clone(), "Bash", input)));
        self.append(WorkerEvent::ToolResult(ToolResult::new(id, true, "y".repeat(150))));
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.run.path().join(format!("{BASE}.{extension}"))
    }

    /// What the worker did, and what cannot be read of it.
    fn fold(&self, from_snapshot: bool) -> (AttemptActivity, Vec<String>) {
        let mut reader = self.run.events(BASE).unwrap();
        let restored = if from_snapshot { reader.restore() } else { None };
        let (mut activity, mut problems) = (restored.unwrap_or_default(), Vec::new());
        for record in &mut reader {
            match record {
                Ok(record) => activity.apply(&record),
                Err(error @ RecordError::BadJson { .. }) => problems.push(error.to_string()),
                Err(error) => panic!("{error}"),
            }
        }
        (activity, problems)
    }

    fn restores(&self) -> bool {
        self.run.events(BASE).unwrap().restore().is_some()
    }

    #[track_caller]
    fn compare(&self) {
        let (from_snapshot, all) = (self.fold(true), self.fold(false));
        assert_eq!(from_snapshot.1, all.1);
        assert!(from_snapshot.0 == all.0, "the activities differ");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_the_rest_are_all_of_it(ops in ops(), bounded in any::<bool>(), rounds in 1..6_usize) {
        let bounds = LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 };
        let mut place = Place::new(if bounded { bounds } else { LogLimits::NONE });
        for op in std::iter::repeat_n(&ops, rounds).flatten() {
            match op {
                Op::Append(event) => place.append(event.clone()),
                Op::Miss(events) => place.miss(*events),
                Op::Check => drop(place.snapshots.check().unwrap()),
                Op::Compare => place.compare(),
            }
        }
        place.compare();
    }

    #[test]
    fn a_damaged_snapshot_or_event_file_is_no_other_one(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>(), what in 0..2_usize) {
        let mut place = Place::new(LogLimits::NONE);
        (0..40).for_each(|number| place.call(number));
        prop_assert!(place.snapshots.check().unwrap() && place.restores());
        (40..45).for_each(|number| place.call(number));
        let path = place.path(["events.snapshot", "events.jsonl"][what]);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        fs::write(&path, bytes).unwrap();
        place.compare();
    }
}

#[test]
fn what_is_before_the_discarded_part_stays_known_while_that_grows() {
    let mut place = Place::new(LogLimits { bytes: LogLimits::SMALLEST, min_free: 0 });
    let (mut fresh, mut behind) = (0, 0);
    for number in 0..2_000 {
        place.call(number);
        if number % 10 == 9 {
            place.snapshots.check().unwrap();
            fresh += u32::from(place.restores());
        }
        if number % 50 == 5 {
            behind += u32::from(place.restores());
            place.compare();
        }
    }
    assert!(place.events.given_up().is_some_and(|hole| hole.to > 4 * hole.from), "much was discarded");
    assert!(place.path("events.head.snapshot").exists());
    assert!(fresh >= 190, "{fresh}");
    assert_eq!(behind, 39, "all but the first, when nothing was due");
    let (activity, _) = place.fold(true);
    assert!(activity.events_missing > 0 && activity.counts_are_lower_bounds());
}

#[test]
fn a_line_that_is_no_event_is_met_by_every_reader() {
    let mut place = Place::new(LogLimits::NONE);
    (0..40).for_each(|number| place.call(number));
    assert!(place.snapshots.check().unwrap());
    let mut text = fs::read(place.path("events.jsonl")).unwrap();
    text.extend_from_slice(b"{\"seq\":\n");
    fs::write(place.path("events.jsonl"), &text).unwrap();
    fs::write(place.path("events.jsonl"), text.repeat(20)).unwrap();
    assert!(!place.snapshots.check().unwrap());
    assert!(!place.restores());
    assert_eq!(place.fold(true).1.len(), 20);
}

#[test]
fn there_is_none_of_a_short_file_and_readers_write_nothing() {
    let mut place = Place::new(LogLimits::NONE);
    assert!(!place.snapshots.check().unwrap());
    place.call(1);
    assert!(!place.snapshots.check().unwrap() && !place.restores());
    let names: Vec<_> = fs::read_dir(place.path("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["i1-a1.events.jsonl"]);
}
