//! From the write of a worker to attached viewers, one that prints lines and a full screen.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roboppi_terminal::{Screen, Spec, Terminal};

use super::run::{start, wait_for_log};
use crate::support::{Cache, Figure, Measurement, Place, Row, Times, at_most};

const LINES: Row = at_most("lines, 99 of 100", 100.0, "ms");
const SCREEN: Row = at_most("screen, 99 of 100", 100.0, "ms");

/// 50 lines a second.
pub(super) const LATENCY: Figure = Figure {
    name: "latency",
    compared: "50 lines a second, from the write of the worker to attached viewers",
    cache: Cache::Unconcerned,
    rows: &[LINES, SCREEN],
    measure: |measurement| delay(measurement, &often(measurement), "0", [&LINES, &SCREEN]),
};

/// What comes after a rest.
pub(super) const SELDOM: Figure = Figure {
    name: "seldom",
    compared: "the same with a line every 1.5 seconds",
    cache: Cache::Unconcerned,
    rows: &[LINES, SCREEN],
    measure: |measurement| {
        let count = if measurement.is_quick() { 3 } else { 15 };
        let script = format!("for n in $(seq {count}); do date +%s%N; sleep 1.5; done");
        delay(measurement, &script, "0", [&LINES, &SCREEN]);
    },
};

const POLLED_LINES: Row = at_most("lines, 99 of 100", 250.0, "ms");
const POLLED_SCREEN: Row = at_most("screen, 99 of 100", 250.0, "ms");

/// No writes are notified.
pub(super) const POLLING: Figure = Figure {
    name: "polling",
    compared: "50 lines a second where no writes are notified, as on file systems of the network",
    cache: Cache::Unconcerned,
    rows: &[POLLED_LINES, POLLED_SCREEN],
    measure: |measurement| delay(measurement, &often(measurement), "1", [&POLLED_LINES, &POLLED_SCREEN]),
};

fn often(measurement: &Measurement<'_>) -> String {
    let count = if measurement.is_quick() { 200 } else { 1_000 };
    format!("for n in $(seq {count}); do date +%s%N; sleep 0.02; done")
}

fn delay(measurement: &mut Measurement<'_>, script: &str, poll: &str, rows: [&Row; 2]) {
    let place = measurement.place();
    let mut run = start(&place, &[script]);
    wait_for_log(&place);
    let viewers = thread::scope(|scope| {
        let lines = scope.spawn(|| delay_of_lines(&place, poll));
        let screen = delay_on_screen(&place, poll);
        [lines.join().unwrap(), screen]
    });
    let _ = run.wait();
    for (row, times) in rows.into_iter().zip(viewers) {
        let times = Times::new(times);
        measurement.note_times(row.name, &times);
        measurement.put_with(row, times.percentile(99) * 1e3, &format!("of {}", times.len()));
    }
}

/// Takes notes of how old lines are that say when they were written.
#[derive(Default)]
pub(super) struct Ages {
    last: u128,
    pub(super) took: Vec<Duration>,
}

impl Ages {
    pub(super) fn look(&mut self, text: &str) {
        let (now, before) = (now(), self.last);
        let stamps = text.split_whitespace().filter(|word| word.len() == 19);
        for written in stamps.filter_map(|word| word.parse::<u128>().ok()) {
            // What was there when the viewer began says nothing about it.
            if before > 0 && written > before {
                let took = u64::try_from(now.saturating_sub(written)).unwrap();
                self.took.push(Duration::from_nanos(took));
            }
            self.last = written.max(self.last);
        }
    }
}

fn delay_of_lines(place: &Place, poll: &str) -> Vec<Duration> {
    let mut viewer = place.roboppi(&["attach", "--no-tui", "--stream"]);
    let mut viewer = viewer.env("ROBOPPI_POLL", poll).stdout(Stdio::piped()).spawn().unwrap();
    let began = now();
    let mut ages = Ages { last: began + 500_000_000, ..Ages::default() };
    for line in BufReader::new(viewer.stdout.take().unwrap()).lines() {
        ages.look(&line.unwrap());
    }
    let _ = viewer.wait();
    ages.took
}

pub(super) fn delay_on_screen(place: &Place, poll: &str) -> Vec<Duration> {
    const LIMIT: Duration = Duration::from_secs(120);
    let variables = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("ROBOPPI_POLL", poll)];
    let mut env = place.env();
    env.extend(variables.map(|(name, value)| (name.into(), value.into())));
    let argv = [place.program(), "attach"].map(OsString::from).to_vec();
    let spec = Spec { argv, env, cwd: place.dir().to_owned(), rows: 40, cols: 120 };
    let mut screen = Terminal::start(&spec).unwrap();
    screen.wait_until("the run", LIMIT, |screen| screen.contents().contains("Time limit")).unwrap();
    screen.press("2").unwrap();
    let ages = RefCell::new(Ages::default());
    let look = |screen: &Screen| {
        let text = screen.contents();
        ages.borrow_mut().look(&text);
        text.contains("press q to leave")
    };
    screen.wait_until("the end of the run", LIMIT, look).unwrap();
    screen.press("q").unwrap();
    ages.into_inner().took
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}
