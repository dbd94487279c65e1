//! Large logs on the screen of another process.

use std::time::Instant;

use roboppi_terminal::Screen;

use super::run_screen::RunScreen;
use crate::support::{
    Cache, Figure, Measurement, Row, Times, at_least, at_most, in_turn, plain, step, timed,
};

const SMALL: Row = plain("peak memory, 10 MB", "MiB");
const MIDDLE: Row = plain("peak memory, 100 MB", "MiB");
const LARGE: Row = plain("peak memory, 1 GB", "MiB");
const MORE: Row = at_most("1 GB beside 10 MB", 4.0, "MiB");

/// Logs of 10 MB, 100 MB and 1 GB, all of which is searched and filtered.
pub(super) const MEMORY: Figure = Figure {
    name: "log-memory",
    compared: "an attached screen that opens a log, searches and filters all of it",
    cache: Cache::Warm,
    rows: &[SMALL, MIDDLE, LARGE, MORE],
    measure: memory,
};

fn memory(measurement: &mut Measurement<'_>) {
    let mut peaks = Vec::new();
    for (row, megabytes) in [(SMALL, 10), (MIDDLE, 100), (LARGE, 1000)] {
        let mut screen = open(measurement, megabytes).1;
        // Every line matches; then one does.
        screen.press("\r/words\r");
        screen.wait_until("all matches", |screen| searched(screen, "words"));
        screen.press("&");
        screen.wait("only");
        screen.press("g");
        screen.wait("│1–35/");
        screen.press("\x1b");
        screen.wait_until("no search", |screen| !screen.contents().contains("only"));
        screen.press("/the last\r");
        screen.wait_until("the match", |screen| searched(screen, "last"));
        screen.press("S");
        screen.wait("stdout only");
        screen.press(":50%\r");
        screen.wait("paused");
        measurement.put(&row, screen.peak());
        peaks.push(screen.peak());
        screen.leave();
    }
    measurement.put(&MORE, peaks[2] - peaks[0]);
}

const RARE: Row = at_least("a text that is there once", 1.0, "GB/s");
const RARE_FLOOR: Row = plain("a text that is there once, grep -c", "GB/s");
const OFTEN: Row = plain("a text in each line", "GB/s");
const OFTEN_FLOOR: Row = plain("a text in each line, grep -c", "GB/s");

/// Searches of a whole log.
pub(super) const SEARCH: Figure = Figure {
    name: "log-search",
    compared: "an attached screen searches a log of 1 GB: from the key until the count of all matches is shown, beside `grep -c`",
    cache: Cache::Warm,
    rows: &[RARE, RARE_FLOOR, OFTEN, OFTEN_FLOOR],
    measure: search,
};

fn search(measurement: &mut Measurement<'_>) {
    let (bytes, mut screen) = open(measurement, 1000);
    let log = screen.place().logs("work").remove(0);
    screen.press("\r");
    for (ours, theirs, text) in [(RARE, RARE_FLOOR, "the last"), (OFTEN, OFTEN_FLOOR, "words")] {
        // Into a pipe: grep stops at the first match when nothing reads its count.
        let script = format!("LC_ALL=C grep -c '{text}' '{}' | cat", log.display());
        let grep = || timed(&mut screen.place().bash(&script));
        let grep = in_turn(measurement.rounds(3), grep, || None).ours;
        let mut times = Vec::new();
        for _ in 0..measurement.rounds(3) {
            screen.press(&format!("/{text}"));
            screen.wait(text);
            let began = Instant::now();
            screen.press("\r");
            screen.wait_until("the count", |screen| searched(screen, text));
            times.push(began.elapsed());
            screen.press("\x1b");
            screen.wait_until("no search", |screen| !searched(screen, text));
        }
        for (row, times) in [(ours, Times::new(times)), (theirs, grep)] {
            measurement.put_with(&row, bytes / times.seconds() / 1e9, &format!("median of {}", times.len()));
        }
    }
    screen.leave();
}

/// Makes a run with a log of this size, and attaches a screen that shows the end of it. The bytes of the log come first.
fn open(measurement: &Measurement<'_>, megabytes: u64) -> (f64, RunScreen) {
    const LAST: &str = "the last line";
    let place = measurement.place();
    let bytes = measurement.scaled(megabytes * 1_000_000);
    let script =
        format!("yes 'some words in a line, as workers print them' | head -c {bytes}; echo; echo {LAST}");
    let flow = place.flow("flow", "", &step("work", &script, ""));
    timed(&mut place.run(&flow, &["--log-limit", "5GiB"])).expect("a run to look at");
    let mut screen = RunScreen::of(place, &["attach", "--tui"]);
    screen.wait("1 Overview");
    screen.press("2");
    screen.wait(LAST);
    (bytes as f64, screen)
}

/// Whether all of the log was searched for a text, and it was found.
fn searched(screen: &Screen, text: &str) -> bool {
    let is_shown =
        |row: String| row.contains(&format!("{text}\"")) && row.contains(" of ") && !row.contains('%');
    screen.rows(0, 120).any(is_shown)
}
