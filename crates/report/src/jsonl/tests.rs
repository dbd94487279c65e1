use std::io;
use std::sync::{Arc, Mutex};

use roboppi_ipc::{OutputStream, ToolCall, WorkerEvent};
use roboppi_run::{RunOutcome, StepState};
use serde_json::Value;

use super::*;
use crate::fixtures::{LiveRun, attempt, changed, run_finished, run_started};

const OUT: OutputStream = OutputStream::Stdout;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(out: &Shared) -> Vec<Value> {
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lets a sink write until it would wait.
fn take_what_is_there(sink: &mut JsonSink<Shared>) {
    while let Some(item) = sink.follower.try_next() {
        assert!(!sink.take(item).unwrap(), "the run is over");
    }
}

fn all(live: &LiveRun) -> Vec<Value> {
    let out = Shared::default();
    run(live.source(), out.clone()).unwrap();
    lines(&out)
}

fn journal_numbers(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .filter(|line| line.get("attempt").is_none())
        .map(|line| line["seq"].as_u64().unwrap())
        .collect()
}

/// `seq kind` of the events of an attempt; gaps with what they say.
fn attempt_events(lines: &[Value]) -> Vec<String> {
    let one = |line: &Value| {
        let event = &line["event"];
        match event["type"].as_str().unwrap() {
            "gap" => format!(
                "gap {}..{} bytes {}..{}: {} events",
                event["fromSeq"], event["toSeq"], event["fromOffset"], event["toOffset"], event["events"]
            ),
            kind => format!("{} {kind}", line["seq"]),
        }
    };
    lines.iter().filter(|line| line.get("attempt").is_some()).map(one).collect()
}

fn tool(id: &str) -> WorkerEvent {
    WorkerEvent::ToolCall(ToolCall::new(id, "edit", Value::Null))
}

#[test]
fn a_run_as_lines() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    let out = Shared::default();
    let (source, sink_out) = (live.source(), out.clone());
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let mut sink = JsonSink::new(source, sink_out).unwrap();
    take_what_is_there(&mut sink);
    live.output(&of, OUT, b"hello\n", true);
    live.does(&of, tool("t1"));
    live.finish(&of, 0);
    live.event(RunEvent::Unknown { raw: r#"{"type":"sang","song":[1,2]}"#.to_owned() });
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();

    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let shown: Vec<&str> = text.lines().skip(1).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {"v":1,"seq":2,"ts":1000100,"event":{"type":"step_changed","step":"build","state":"starting"}}
    {"v":1,"seq":3,"ts":1000200,"event":{"type":"attempt_started","of":{"step":"build","iteration":1,"attempt":1},"jobId":"build","base":"steps/build/i1-a1"}}
    {"v":1,"seq":4,"ts":1000300,"event":{"type":"attempt_phase","of":{"step":"build","iteration":1,"attempt":1},"phase":{"name":"running"}}}
    {"v":1,"seq":5,"ts":1000400,"event":{"type":"step_changed","step":"build","state":"running"}}
    {"v":1,"attempt":{"step":"build","iteration":1,"attempt":1},"seq":0,"ts":1000500,"event":{"type":"stdout","data":"hello\n","offset":0,"len":6}}
    {"v":1,"attempt":{"step":"build","iteration":1,"attempt":1},"seq":1,"ts":1000500,"event":{"type":"tool_call","id":"t1","name":"edit","input":null}}
    {"v":1,"seq":6,"ts":1000500,"event":{"type":"attempt_finished","of":{"step":"build","iteration":1,"attempt":1},"result":{"status":"SUCCEEDED","artifacts":[],"observations":[],"cost":{"wallTimeMs":0},"durationMs":1,"exitCode":0,"details":{"logBytes":0,"eventsBytes":0}},"lastSeq":1,"logBytes":6,"eventsBytes":0}}
    {"v":1,"seq":7,"ts":1000600,"event":{"type":"step_changed","step":"build","state":"succeeded","durationMs":1500}}
    {"v":1,"seq":8,"ts":1000700,"event":{"type":"sang","song":[1,2]}}
    {"v":1,"seq":9,"ts":1000800,"event":{"type":"run_finished","outcome":"succeeded","exitCode":0,"durationMs":1000}}
    "#);
    assert!(
        text.starts_with(r#"{"v":1,"seq":1,"ts":1000000,"event":{"type":"run_started","runId":"0194-demo","#)
    );
}

/// Text that was told of a stream, and the stretches of the log it came from.
fn told(lines: &[Value], stream: &str) -> (String, Vec<(u64, u64)>) {
    let events: Vec<_> =
        lines.iter().map(|line| &line["event"]).filter(|event| event["type"] == stream).collect();
    let number = |event: &Value, key: &str| event[key].as_u64().unwrap();
    let text = events.iter().map(|event| event["data"].as_str().unwrap()).collect();
    (text, events.iter().map(|event| (number(event, "offset"), number(event, "len"))).collect())
}

#[test]
fn output_that_is_announced_is_read_from_its_log() {
    const ERR: OutputStream = OutputStream::Stderr;

    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let out = Shared::default();
    let mut sink = JsonSink::new(live.source(), out.clone()).unwrap();
    take_what_is_there(&mut sink);
    live.grows(&of, &[(OUT, b"one\n"), (ERR, b"two\n"), (OUT, "three \u{20ac}".as_bytes())]);
    live.does(&of, tool("t1"));
    let euro = "\u{20ac}".as_bytes();
    live.grows(&of, &[(OUT, &euro[..2])]);
    live.grows(&of, &[(OUT, &euro[2..]), (OUT, b"\n\xff\xe2")]);
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();

    let lines = lines(&out);
    assert_eq!(
        attempt_events(&lines),
        ["0 stdout", "0 stderr", "0 stdout", "1 tool_call", "2 stdout", "3 stdout", "3 stdout"]
    );
    let (stdout, stretches) = told(&lines, "stdout");
    assert_eq!(stdout, "one\nthree \u{20ac}\u{20ac}\n\u{fffd}\u{fffd}");
    assert_eq!(stretches, [(0, 4), (8, 9), (17, 2), (19, 4), (23, 0)]);
    assert_eq!(told(&lines, "stderr"), ("two\n".to_owned(), vec![(4, 4)]));
}

#[test]
fn what_is_no_text_for_people_is_passed_over_and_much_comes_in_pieces() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let out = Shared::default();
    let mut sink = JsonSink::new(live.source(), out.clone()).unwrap();
    take_what_is_there(&mut sink);
    let line = "x".repeat(99) + "\n";
    live.grows(&of, &[(OUT, line.repeat(1_000).as_bytes())]);
    live.output(&of, OutputStream::Stderr, b"said by the agent\n", false);
    live.grows(&of, &[(OUT, b"end\n")]);
    live.grows(&of, &[]);
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();

    let lines = lines(&out);
    let (stdout, stretches) = told(&lines, "stdout");
    assert_eq!(stdout, line.repeat(1_000) + "end\n");
    assert!(
        stretches.iter().all(|(_, len)| *len <= 16 * 1024 && (len % 100 == 0 || *len == 4)),
        "{stretches:?}"
    );
    assert_eq!(told(&lines, "stderr").0, "");
}

#[test]
fn announced_output_that_cannot_be_read_is_a_hole() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let out = Shared::default();
    let mut sink = JsonSink::new(live.source(), out.clone()).unwrap();
    take_what_is_there(&mut sink);
    live.grows(&of, &[(OUT, b"gone\n")]);
    std::fs::remove_file(live.run_dir.log_path(&of.base()).unwrap()).unwrap();
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();
    assert_eq!(attempt_events(&lines(&out)), ["gap 0..1 bytes 0..5: 0 events"]);
}

#[test]
fn whoever_comes_late_gets_the_journal_and_what_was_recorded() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    live.output(&of, OUT, b"12345\n", true);
    live.does(&of, tool("t1"));
    live.output(&of, OUT, b"67\n", true);
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    let lines = all(&live);
    assert_eq!(journal_numbers(&lines), (1..=8).collect::<Vec<_>>());
    assert_eq!(lines.last().unwrap()["event"]["type"], "run_finished");
    assert_eq!(attempt_events(&lines), ["1 tool_call", "gap 0..3 bytes 0..9: 2 events"]);
    // The attempt's events are between its start and its end.
    let place = |kind: &str| lines.iter().position(|line| line["event"]["type"] == kind).unwrap();
    assert!(place("attempt_started") < place("tool_call") && place("gap") < place("attempt_finished"));
}

#[test]
fn a_slow_reader_gets_every_journal_record_and_every_recorded_event_and_knows_its_holes() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let out = Shared::default();
    let mut sink = JsonSink::new(live.source(), out.clone()).unwrap();
    take_what_is_there(&mut sink);
    live.output(&of, OUT, b"seen\n", true);
    live.does(&of, tool("t1"));
    take_what_is_there(&mut sink);
    for number in 0..600 {
        live.output(&of, OUT, b"x\n", true);
        if number % 100 == 0 {
            live.does(&of, tool("again"));
            live.event(changed("build", StepState::Running, ""));
        }
    }
    take_what_is_there(&mut sink);
    live.does(&of, tool("late"));
    live.output(&of, OUT, b"end\n", true);
    take_what_is_there(&mut sink);
    for _ in 0..300 {
        live.output(&of, OUT, b"y\n", true);
    }
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();

    let lines = lines(&out);
    let numbers = journal_numbers(&lines);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let calls: Vec<u64> = lines
        .iter()
        .filter(|line| line["event"]["type"] == "tool_call")
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    let recorded: Vec<u64> =
        live.run_dir.events(&of.base()).unwrap().map(|record| record.unwrap().seq).collect();
    assert_eq!(calls, recorded);
    // Every number was told or lies in a gap, and the gaps count right.
    let events: Vec<&Value> = lines.iter().filter(|line| line.get("attempt").is_some()).collect();
    let mut told = vec![false; 910];
    let mut said = 0;
    for line in &events {
        if line["event"]["type"] == "gap" {
            said += line["event"]["events"].as_u64().unwrap();
        } else {
            let seq = usize::try_from(line["seq"].as_u64().unwrap()).unwrap();
            assert!(!std::mem::replace(&mut told[seq], true), "{seq} twice");
        }
    }
    for line in &events {
        if line["event"]["type"] == "gap" {
            let number = |key: &str| usize::try_from(line["event"][key].as_u64().unwrap()).unwrap();
            told[number("fromSeq")..number("toSeq")].fill(true);
        }
    }
    assert!(told.iter().all(|told| *told), "{told:?}");
    let outputs = events.iter().filter(|line| line["event"]["type"] == "stdout").count() as u64;
    assert_eq!((outputs, outputs + said), (2, 902));
}

#[test]
fn events_that_cannot_be_had_any_more_are_counted_in_their_place() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let out = Shared::default();
    let mut sink = JsonSink::new(live.source(), out.clone()).unwrap();
    take_what_is_there(&mut sink);
    live.does(&of, tool("seen"));
    take_what_is_there(&mut sink);
    for _ in 0..600 {
        live.does(&of, tool("missed"));
    }
    std::fs::remove_file(live.run_dir.events_path(&of.base()).unwrap()).unwrap();
    take_what_is_there(&mut sink);
    live.does(&of, tool("late"));
    live.finish(&of, 0);
    live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
    live.close();
    sink.run().unwrap();
    let lines = lines(&out);
    let events = attempt_events(&lines);
    assert_eq!(events, ["0 tool_call", "gap 1..601 bytes 0..0: 600 events", "601 tool_call"]);
    assert!(lines.iter().any(|line| line["event"]["recorded"] == 600), "{lines:?}");
}

#[test]
fn records_that_cannot_be_had_are_named() {
    let mut live = LiveRun::new();
    live.event(run_started(&[("build", 1)]));
    live.lose_journal();
    live.start(&attempt("build", 1));
    live.finish(&attempt("build", 1), 1);
    live.event(run_finished(RunOutcome::Failed, 1_000, ""));
    live.close();
    let lines = all(&live);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], serde_json::json!({"v": 1, "missing": {"fromSeq": 2, "toSeq": 9}}));
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_others_are() {
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut live = LiveRun::new();
    live.event(run_started(&[("a", 1)]));
    live.close();
    assert!(run(live.source(), Failing(io::ErrorKind::BrokenPipe)).is_ok());
    let error = run(live.source(), Failing(io::ErrorKind::StorageFull)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
