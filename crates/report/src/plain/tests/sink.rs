//! The sink on runs with a record.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use roboppi_ipc::{Gap, OutputStream};
use roboppi_run::{AttemptRef, RunEvent, RunOutcome, StepState};

use super::eventful;
use crate::fixtures::{LiveRun, attempt, changed, run_finished, run_started};
use crate::plain::{FailureOutput, PlainSettings, run};

const OUT: OutputStream = OutputStream::Stdout;
const ERR: OutputStream = OutputStream::Stderr;

/// After this long a test gives up.
const LIMIT: Duration = Duration::from_secs(60);

/// A writer a test can hold up and read.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    text: Vec<u8>,
    closed: bool,
    /// Writes that are stopped at the gate.
    stopped: usize,
}

impl Gate {
    fn close(&self) {
        self.0.0.lock().unwrap().closed = true;
    }

    fn open(&self) {
        self.0.0.lock().unwrap().closed = false;
        self.0.1.notify_all();
    }

    fn wait_stopped(&self) {
        self.wait_for("a write that waits", |state| state.stopped > 0);
    }

    fn wait_text(&self, wanted: &str) {
        self.wait_for(wanted, |state| String::from_utf8_lossy(&state.text).contains(wanted));
    }

    fn wait_for(&self, what: &str, there: impl Fn(&GateState) -> bool) {
        let state = self.0.0.lock().unwrap();
        let (state, limit) = self.0.1.wait_timeout_while(state, LIMIT, |state| !there(state)).unwrap();
        let text = String::from_utf8_lossy(&state.text);
        assert!(!limit.timed_out(), "no {what:?} within {LIMIT:?} in:\n{text}");
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().text.clone()).unwrap()
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        if state.closed {
            state.stopped += 1;
            self.0.1.notify_all();
            state = self.0.1.wait_while(state, |state| state.closed).unwrap();
            state.stopped -= 1;
        }
        state.text.extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn streaming() -> PlainSettings {
    PlainSettings { stream: true, verbose: true, ..PlainSettings::default() }
}

/// The text of a run that is over.
fn text(live: &LiveRun, settings: PlainSettings) -> String {
    let gate = Gate::default();
    run(live.source(), settings, gate.clone()).unwrap();
    gate.text()
}

fn worker_lines(text: &str, step: &str) -> Vec<String> {
    let prefixes = [format!("{step} | "), format!("{step} ! "), format!("{step} |"), format!("{step} !")];
    let own = |line: &str| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)).map(str::to_owned);
    text.lines().filter_map(own).collect()
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_others_are() {
    let mut live = LiveRun::new();
    live.event(run_started(&[("a", 1)]));
    live.close();
    assert!(run(live.source(), PlainSettings::default(), Failing(io::ErrorKind::BrokenPipe)).is_ok());
    let error =
        run(live.source(), PlainSettings::default(), Failing(io::ErrorKind::StorageFull)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_sink_that_was_held_up_tells_the_same() {
    let mut live = LiveRun::new();
    let noise = |number: usize| RunEvent::Warning { message: format!("noise {number}"), step: None };
    let mut events = eventful();
    let end = events.pop().unwrap();
    let mut events = events.into_iter();
    live.event(events.next().unwrap());

    let gate = Gate::default();
    gate.close();
    let (source, out) = (live.source(), gate.clone());
    let sink = thread::spawn(move || run(source, PlainSettings::default(), out));
    gate.wait_stopped();
    // Far more than a follower may be behind.
    for number in 0..300 {
        live.event(noise(number));
    }
    live.events(events);
    for number in 300..600 {
        live.event(noise(number));
    }
    live.event(end);
    live.close();
    gate.open();
    sink.join().unwrap().unwrap();

    let afterwards = text(&live, PlainSettings::default());
    assert_eq!(gate.text(), afterwards);
    assert_eq!(afterwards.matches("! noise ").count(), 600);
    assert!(afterwards.contains("↻ flaky  attempt 1 failed: exit code 7, retrying in 100ms"), "{afterwards}");
}

#[test]
fn without_a_journal_a_held_up_sink_still_tells_how_steps_ended() {
    let mut live = LiveRun::new();
    let mut events = eventful().into_iter();
    live.event(events.next().unwrap());
    live.lose_journal();
    let gate = Gate::default();
    gate.close();
    let (source, out) = (live.source(), gate.clone());
    let sink = thread::spawn(move || run(source, PlainSettings::default(), out));
    gate.wait_stopped();
    for number in 0..300 {
        live.event(RunEvent::Warning { message: format!("noise {number}"), step: None });
    }
    live.events(events);
    live.close();
    gate.open();
    sink.join().unwrap().unwrap();
    let text = gate.text();
    for line in
        ["✓ build", "✗ flaky", "✗ lint", "- deploy", "core lost: gone", "! lint  second", "FAILED: 1 of 4"]
    {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(text.contains("earlier warnings are in the record"), "{text}");
}

#[test]
fn failed_output_is_told_from_its_end() {
    let mut live = LiveRun::new();
    let of = attempt("test", 1);
    live.event(run_started(&[("test", 1)]));
    live.start(&of);
    for number in 1..=1_234 {
        live.output(&of, OUT, format!("line {number}\n").as_bytes(), false);
    }
    live.output(&of, ERR, b"10%\r100%\r\nno newline", false);
    live.finish(&of, 1);
    live.event(run_finished(RunOutcome::Failed, 1_000, "failed: `test`"));
    live.close();

    let text = text(&live, PlainSettings::default());
    let header = format!(
        "--- output of test (last 50 of 1,236 lines; whole log: {}) ---\n  | line 1187\n",
        live.run_dir.log_path(&of.base()).unwrap().display()
    );
    assert!(text.contains(&header), "{text}");
    assert!(
        text.contains("  | line 1234\n  | 100%\n  | no newline\n  read it: roboppi logs 0194-demo test\n"),
        "{text}"
    );
}

#[test]
fn a_line_that_does_not_fit_into_the_tail_is_left_out_and_counted() {
    let mut live = LiveRun::new();
    let of = attempt("test", 1);
    live.event(run_started(&[("test", 1)]));
    live.start(&of);
    live.output(&of, OUT, b"first\nsecond\nthird\n", false);
    live.finish(&of, 1);
    live.close();
    let cases = [
        (13, "last 2 of 3 lines", "  | second\n  | third\n"),
        (12, "last 1 of 3 lines", "  | third\n"),
        (6, "last 1 of 3 lines", "  | third\n"),
        (4, "last 1 of 3 lines", "  | …hird\n"),
        (19, "3 lines", "  | first\n  | second\n  | third\n"),
        (100, "3 lines", "  | first\n  | second\n  | third\n"),
    ];
    for (tail_bytes, part, lines) in cases {
        let text = text(&live, PlainSettings { tail_bytes, ..PlainSettings::default() });
        assert!(text.contains(&format!("({part}; whole log: ")), "{tail_bytes}: {text}");
        assert!(text.contains(&format!(" ---\n{lines}  read it: ")), "{tail_bytes}: {text}");
    }
}

#[test]
fn the_end_of_an_endless_line_is_told() {
    let mut live = LiveRun::new();
    let of = attempt("test", 1);
    live.event(run_started(&[("test", 1)]));
    live.start(&of);
    for number in 0..5_000 {
        live.output(&of, OUT, format!("working on {number}\r").as_bytes(), false);
    }
    live.output(&of, OUT, b"died", false);
    live.finish(&of, 1);
    live.event(run_finished(RunOutcome::Failed, 1_000, ""));
    live.close();
    let text = text(&live, PlainSettings::default());
    assert!(text.contains("(last 1 of 1 lines;"), "{text}");
    assert!(text.contains("\n  | …died\n"), "{text}");
}

#[test]
fn streamed_output_shows_its_step_and_stream() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    live.output(&of, OUT, b"one\n\n::error::no\n", true);
    live.output(&of, ERR, b"##vso[task.complete]no\n", true);
    live.output(&of, OUT, b"last", true);
    live.finish(&of, 3);
    live.event(run_finished(RunOutcome::Failed, 1_000, ""));
    live.close();
    let text = text(&live, streaming());
    let lines = "build | one\nbuild |\nbuild | ::error::no\nbuild ! ## vso[task.complete]no\nbuild | last\n";
    assert!(text.contains(lines), "{text}");
    let (before, after) = text.split_once("build | last").unwrap();
    assert!(before.contains("build  started") && after.contains("✗ build"), "{text}");
    assert_eq!(text.matches("last").count(), 1, "{text}");
    assert!(after.contains("output   roboppi logs 0194-demo build"), "{text}");
    let last = PlainSettings { failure_output: FailureOutput::Final, ..streaming() };
    assert!(self::text(&live, last).contains("output of build: above; whole log: "));
}

#[test]
fn a_gap_alone_shows_what_it_stands_for_while_the_worker_lives() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let gate = Gate::default();
    let (source, out) = (live.source(), gate.clone());
    let sink = thread::spawn(move || run(source, streaming(), out));
    gate.wait_text("build  started");
    live.output(&of, OUT, b"shed\n", false);
    let gap = Gap::new(0..1, 0..5).with_missing(1, 5);
    live.gap(&of, gap);
    gate.wait_text("build | shed\n");
    live.output(&of, ERR, b"said\n", true);
    gate.wait_text("build ! said\n");
    live.finish(&of, 0);
    live.close();
    sink.join().unwrap().unwrap();
    assert_eq!(worker_lines(&gate.text(), "build"), ["shed", "said"]);
}

#[test]
fn silence_is_broken_while_the_run_goes_on() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    live.output(&of, OUT, b"Compiling x\n", true);
    let gate = Gate::default();
    let (source, out) = (live.source(), gate.clone());
    let settings = PlainSettings { heartbeat: Duration::from_millis(1), ..PlainSettings::default() };
    let sink = thread::spawn(move || run(source, settings, out));
    gate.wait_text("still running: build (");
    gate.wait_text("ago: \"Compiling x\")");
    live.close();
    sink.join().unwrap().unwrap();
}

#[test]
fn an_incomplete_line_is_held_back_while_the_worker_lives() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    let gate = Gate::default();
    let (source, out) = (live.source(), gate.clone());
    let (done, is_done) = mpsc::channel();
    let sink = thread::spawn(move || {
        run(source, streaming(), out).unwrap();
        done.send(()).unwrap();
    });
    live.output(&of, OUT, b"half ", true);
    live.output(&of, ERR, b"a line\nmore", true);
    live.output(&of, OUT, b"\n", true);
    live.output(&of, OUT, b"end", true);
    live.finish(&of, 0);
    live.close();
    is_done.recv().unwrap();
    sink.join().unwrap();
    assert_eq!(worker_lines(&gate.text(), "build"), ["half a line", "more", "end"]);
}

#[test]
fn what_the_disk_did_not_take_is_said() {
    let mut live = LiveRun::new();
    let of = attempt("build", 1);
    live.event(run_started(&[("build", 1)]));
    live.start(&of);
    live.output(&of, OUT, b"one\ntwo\n", true);
    // The directory of the step is replaced by a file: there is no log to read.
    let steps = live.run_dir.path().join("steps/build");
    std::fs::rename(&steps, live.run_dir.path().join("gone")).unwrap();
    std::fs::write(&steps, b"").unwrap();
    live.finish(&of, 1);
    live.event(run_finished(RunOutcome::Failed, 1_000, ""));
    live.close();
    for settings in [PlainSettings::default(), streaming()] {
        let text = text(&live, settings);
        assert!(text.contains("cannot open") && text.contains("FAILED: 1 of 1 step"), "{text}");
    }
}

/// What a worker and the live plane may do.
#[derive(Clone, Debug)]
enum Doing {
    Output { step: usize, stderr: bool, bytes: Vec<u8>, live: bool },
    Gap { step: usize },
    Lag,
}

fn doing() -> impl Strategy<Value = Doing> {
    let text = prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b' '), Just(b'\n')], 1..30);
    prop_oneof![
        8 => (0..2_usize, any::<bool>(), text, any::<bool>())
            .prop_map(|(step, stderr, bytes, live)| Doing::Output { step, stderr, bytes, live }),
        2 => (0..2_usize).prop_map(|step| Doing::Gap { step }),
        1 => Just(Doing::Lag),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_of_a_log_is_shown_exactly_once(doings in prop::collection::vec(doing(), 0..40), held in any::<bool>()) {
        let steps: [AttemptRef; 2] = [attempt("left", 1), attempt("right", 1)];
        let mut logs = [Vec::new(), Vec::new()];
        let mut live = LiveRun::new();
        live.event(run_started(&[("left", 1), ("right", 1)]));
        for of in &steps {
            live.start(of);
        }
        let gate = Gate::default();
        if held {
            gate.close();
        }
        let (source, out) = (live.source(), gate.clone());
        let sink = thread::spawn(move || run(source, streaming(), out));
        if held {
            gate.wait_stopped();
        }
        for doing in doings {
            match doing {
                Doing::Output { step, stderr, bytes, live: sent } => {
                    logs[step].extend_from_slice(&bytes);
                    live.output(&steps[step], if stderr { ERR } else { OUT }, &bytes, sent);
                }
                Doing::Gap { step } => {
                    let len = logs[step].len() as u64;
                    let gap = Gap::new(0..1, 0..len).with_missing(1, len);
                    live.gap(&steps[step], gap);
                }
                Doing::Lag => {
                    for _ in 0..300 {
                        live.event(changed("left", StepState::Running, ""));
                    }
                }
            }
        }
        for of in &steps {
            live.finish(of, 0);
        }
        live.event(run_finished(RunOutcome::Succeeded, 1_000, ""));
        live.close();
        gate.open();
        sink.join().unwrap().unwrap();
        let text = gate.text();
        for (of, log) in steps.iter().zip(&logs) {
            let log = String::from_utf8(log.clone()).unwrap();
            let expected: Vec<&str> = log.lines().collect();
            prop_assert_eq!(worker_lines(&text, of.step.as_str()), expected);
        }
        // Whoever comes later sees the same lines.
        let later = self::text(&live, streaming());
        for of in &steps {
            prop_assert_eq!(worker_lines(&later, of.step.as_str()), worker_lines(&text, of.step.as_str()));
        }
    }
}
