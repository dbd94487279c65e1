//! All runs on one screen: how late an event is, how long the first screen takes, and what it costs when nothing happens.

use std::cell::RefCell;
use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_terminal::{Screen, Spec, Terminal};

use super::delay::{Ages, delay_on_screen};
use super::run::{copies, start, wait_for_log};
use crate::support::{Cache, Figure, Measurement, Place, Row, Times, at_most, cpu, mebibytes, memory, plain};

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(120);

const EVENTS: Row = at_most("dashboard, 99 of 100", 100.0, "ms");
const ATTACHED: Row = at_most("attached screen, 99 of 100", 100.0, "ms");

/// 20 events a second.
pub(super) const LATENCY: Figure = Figure {
    name: "dashboard-latency",
    compared: "20 events a second, from the write of the worker to the dashboard, beside the same as lines on an attached screen",
    cache: Cache::Unconcerned,
    rows: &[EVENTS, ATTACHED],
    measure: latency,
};

const FIRST: Row = at_most("first screen, median", 200.0, "ms");
const COUNT: Row = plain("runs", "");
const SHARE: Row = at_most("of a processor, idle", 0.5, "%");
const PEAK: Row = plain("memory", "MiB");

/// 2,000 runs that are over.
pub(super) const START: Figure = Figure {
    name: "dashboard-start",
    compared: "the dashboard with 2,000 runs that are over",
    cache: Cache::Warm,
    rows: &[FIRST, COUNT, SHARE, PEAK],
    measure: first_screen,
};

fn open(place: &Place, tab: &str) -> Terminal {
    let mut env = place.env();
    env.extend([("TERM".into(), "xterm-256color".into()), ("LANG".into(), "C.UTF-8".into())]);
    let argv = [place.program(), "dashboard", "--tab", tab].map(OsString::from).to_vec();
    let spec = Spec { argv, env, cwd: place.dir().to_owned(), rows: 40, cols: 120 };
    Terminal::start(&spec).unwrap()
}

fn leave(mut terminal: Terminal) {
    let _ = terminal.press("q");
    while matches!(terminal.exit_status(), Ok(None)) {
        thread::sleep(Duration::from_millis(5));
    }
}

fn latency(measurement: &mut Measurement<'_>) {
    let count = if measurement.is_quick() { 60 } else { 1_000 };
    let script = format!(
        "for n in $(seq {count}); do t=$(date +%s%N); echo \"::progress::at $t\"; echo $t; sleep 0.05; done"
    );
    let place = measurement.place();
    let mut run = start(&place, &[&script]);
    wait_for_log(&place);
    let [dashboard, attached] = thread::scope(|scope| {
        let dashboard = scope.spawn(|| on_dashboard(&place));
        let attached = delay_on_screen(&place, "0");
        [dashboard.join().unwrap(), attached]
    });
    let _ = run.wait();
    for (row, times) in [(&EVENTS, dashboard), (&ATTACHED, attached)] {
        let times = Times::new(times);
        measurement.note_times(row.name, &times);
        measurement.put_with(row, times.percentile(99) * 1e3, &format!("of {}", times.len()));
    }
}

fn on_dashboard(place: &Place) -> Vec<Duration> {
    let terminal = open(place, "events");
    let ages = RefCell::new(Ages::default());
    let look = |screen: &Screen| {
        let text = screen.contents();
        // The newest is at the top, and each is looked at once.
        let upwards: Vec<&str> = text.lines().rev().collect();
        ages.borrow_mut().look(&upwards.join("\n"));
        text.contains("run.finished")
    };
    terminal.wait_until("the end of the run", LIMIT, look).unwrap();
    leave(terminal);
    ages.into_inner().took
}

fn first_screen(measurement: &mut Measurement<'_>) {
    const SECONDS: u64 = 10;
    let place = measurement.place();
    let runs = measurement.scaled(2_000);
    copies(&place, runs);
    // What is remembered of runs is there after the first look of any command.
    let _ = place.roboppi(&["runs"]).output();
    let mut times = Vec::new();
    for _ in 0..measurement.rounds(10) {
        let began = Instant::now();
        let terminal = open(&place, "runs");
        terminal.wait_until("runs", LIMIT, |screen| screen.contents().contains(" ago")).unwrap();
        times.push(began.elapsed());
        leave(terminal);
    }
    let times = Times::new(times);
    measurement.note_times(FIRST.name, &times);
    measurement.put(&FIRST, times.percentile(50) * 1e3);
    measurement.put(&COUNT, runs as f64);
    let terminal = open(&place, "runs");
    terminal.wait_until("runs", LIMIT, |screen| screen.contents().contains(" ago")).unwrap();
    thread::sleep(Duration::from_secs(2));
    let pid = terminal.pid().unwrap();
    let before = cpu(pid);
    thread::sleep(Duration::from_secs(SECONDS));
    measurement.put(&SHARE, (cpu(pid) - before) * 100.0 / SECONDS as f64);
    measurement.put(&PEAK, mebibytes(memory(pid).1));
    leave(terminal);
}
