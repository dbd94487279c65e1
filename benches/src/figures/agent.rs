//! An agent that calls tools faster than any real one, and the record it leaves.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{FLOOR, OURS};
use crate::support::{
    Cache, Figure, Measurement, Peaks, Place, Row, Times, at_least, at_most, in_turn, mebibytes, plain,
    timed, wait_for, watched,
};

/// Calls of tools, of two lines each.
const CALLS: u64 = 500_000;

const RATE: Row = at_least("lines", 250.0, "thousand/s");
const SUPERVISOR: Row = at_most("peak memory of the supervisor", 40.0, "MiB");
const CORE: Row = at_most("peak memory of the core", 40.0, "MiB");
const MISSING: Row = at_most("calls that are not counted", 0.0, "");

/// A million lines of Claude Code, each of them an event of the run.
pub(super) const LINES: Figure = Figure {
    name: "agent",
    compared: "an agent that prints a million lines of JSON, 500,000 calls of a tool with their results, beside `cat lines > file`",
    cache: Cache::Removed,
    rows: &[OURS, FLOOR, RATE, SUPERVISOR, CORE],
    measure: |measurement| {
        let agent = Agent::new(measurement, false);
        let mut peaks = Peaks::default();
        let ours = || {
            let time = watched(&mut agent.run(), &["supervisor", "guard", "core"], &mut peaks);
            agent.place.forget_runs();
            time
        };
        let theirs = || {
            let time = timed(&mut agent.place.bash("cat lines > copy"));
            agent.place.remove("copy");
            time
        };
        let pair = in_turn(measurement.rounds(3), ours, theirs);
        measurement.put_times(&OURS, &pair.ours);
        measurement.put_times(&FLOOR, &pair.theirs);
        measurement.put(&RATE, agent.lines as f64 / pair.ours.seconds() / 1e3);
        measurement.put(&SUPERVISOR, mebibytes(peaks.of("supervisor")));
        measurement.put(&CORE, mebibytes(peaks.of("core")));
    },
};

const SHOW: Row = at_most("show", 100.0, "ms");
const ATTACH: Row = at_most("first line of attach --no-tui", 100.0, "ms");
const LIST: Row = at_most("runs", 100.0, "ms");
const SHOW_LIVE: Row = at_most("show, while the agent waits", 100.0, "ms");
const FLOOR_OF_READING: Row = plain("floor, `cat` of its events", "ms");

/// What it takes to open the run of such an agent.
pub(super) const OPENED: Figure = Figure {
    name: "agent-opened",
    compared: "looking at the run of an agent with 500,000 calls of tools, live and over, beside `cat events > /dev/null`",
    cache: Cache::Warm,
    rows: &[SHOW, ATTACH, LIST, SHOW_LIVE, FLOOR_OF_READING, MISSING],
    measure: |measurement| {
        let rounds = measurement.rounds(9);
        let agent = Agent::new(measurement, true);
        let place = &agent.place;
        let mut run = Running(agent.run().spawn().expect("the program was built"));
        place.wait_for_file("printed");
        let shown = || agent.place.roboppi(&["show", "-1"]).output().map_or(0, |out| calls_in(&out.stdout));
        // At its limit the record has fewer, and says so.
        wait_for("the last of its calls", || shown() > 0 && is_quiet(place));
        let times = |words: &[&str]| Times::new((0..rounds).filter_map(|_| timed(&mut agent.command(words))));
        let live = times(&["show", "-1"]);
        place.write("go", "");
        let _ = run.0.wait();
        measurement.put_times(&SHOW, &times(&["show", "-1"]));
        let attached = (0..rounds).filter_map(|_| agent.first_line(&["attach", "-1", "--no-tui"]));
        measurement.put_times(&ATTACH, &Times::new(attached));
        measurement.put_times(&LIST, &times(&["runs"]));
        measurement.put_times(&SHOW_LIVE, &live);
        let events = events_of(place);
        let floor = || timed(&mut place.bash(&format!("cat {} > /dev/null", events.display())));
        measurement.put_times(&FLOOR_OF_READING, &Times::new((0..rounds).filter_map(|_| floor())));
        if events.with_extension("hole").exists() {
            measurement.put_absent(&MISSING, "its record is at its limit");
        } else {
            measurement.put(&MISSING, (agent.lines / 2 - shown()) as f64);
        }
    },
};

/// A run, ended with the figure.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program called `claude` and what it prints.
struct Agent {
    place: Place,
    lines: u64,
    flow: std::path::PathBuf,
}

impl Agent {
    fn new(measurement: &Measurement<'_>, waits: bool) -> Self {
        let place = measurement.place();
        let calls = measurement.scaled(CALLS);
        write_lines(&place, calls).expect("the target directory can be written");
        let wait = if waits { "; touch printed; while [ ! -e go ]; do sleep 0.05; done" } else { "" };
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '2.1.329 (Claude Code)'; exit; fi\ncd {}\ncat > /dev/null; head -n -1 \
             lines{wait}; tail -n 1 lines\n",
            place.dir().display()
        );
        fs::create_dir_all(place.path("bin")).expect("the target directory can be written");
        place.write_program("bin/claude", &script);
        let step = "  agent:\n    worker: CLAUDE_CODE\n    capabilities: [READ]\n    instructions: go\n    timeout: 1h\n";
        let flow = place.flow("agent", "", step);
        Self { place, lines: 2 * calls, flow }
    }

    fn run(&self) -> Command {
        // The events of so many calls are more than the part of a log of usual size that is for them.
        let mut run = self.place.run(&self.flow, &["--supervised", "--log-limit", "2GiB"]);
        let path = std::env::var("PATH").unwrap_or_default();
        run.env("PATH", format!("{}:{path}", self.place.path("bin").display()));
        run
    }

    /// The time until a command prints something.
    fn first_line(&self, words: &[&str]) -> Option<Duration> {
        let start = Instant::now();
        let mut child = Running(self.place.roboppi(words).stdout(Stdio::piped()).spawn().ok()?);
        let mut first = [0];
        let read = child.0.stdout.take()?.read(&mut first).ok()?;
        (read == 1).then(|| start.elapsed())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.roboppi(words);
        command.stdout(Stdio::null());
        command
    }
}

/// Two lines for each call, between a first and a last one.
fn write_lines(place: &Place, calls: u64) -> std::io::Result<()> {
    const SESSION: &str = r#""session_id":"11111111-2222-3333-4444-555555555555","uuid":"u"}"#;
    let mut lines = BufWriter::new(File::create(place.path("lines"))?);
    writeln!(
        lines,
        r#"{{"type":"system","subtype":"init","model":"claude-sonnet-4-5","claude_code_version":"2.1.329",{SESSION}"#
    )?;
    for call in 0..calls {
        writeln!(
            lines,
            r#"{{"type":"assistant","message":{{"id":"m{call}","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{{"type":"tool_use","id":"t{call}","name":"Bash","input":{{"command":"echo {call}"}}}}],"stop_reason":null}},"parent_tool_use_id":null,{SESSION}"#
        )?;
        writeln!(
            lines,
            r#"{{"type":"user","message":{{"role":"user","content":[{{"tool_use_id":"t{call}","type":"tool_result","content":"{call}","is_error":false}}]}},"parent_tool_use_id":null,"tool_use_result":{{"stdout":"{call}","stderr":"","interrupted":false}},{SESSION}"#
        )?;
    }
    writeln!(
        lines,
        r#"{{"type":"result","subtype":"success","is_error":false,"num_turns":4,"result":"done","terminal_reason":"completed","permission_denials":[],{SESSION}"#
    )?;
    lines.flush()
}

fn events_of(place: &Place) -> std::path::PathBuf {
    let logs = place.logs("agent");
    logs.first().map(|log| log.with_extension("events.jsonl")).unwrap_or_default()
}

/// Whether the record has not grown for a moment, and its last snapshot is there.
fn is_quiet(place: &Place) -> bool {
    let events = events_of(place);
    let len = || fs::metadata(&events).map_or(0, |found| found.len());
    let before = len();
    std::thread::sleep(Duration::from_secs(1));
    before == len()
}

/// The number of calls that `show` tells.
fn calls_in(page: &[u8]) -> u64 {
    let page = String::from_utf8_lossy(page);
    let count = page.split_once(" calls,").and_then(|(before, _)| before.split_whitespace().next_back());
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}
