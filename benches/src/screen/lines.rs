//! A step that prints many lines.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_terminal::Screen;

use super::run_screen::RunScreen;
use crate::support::{Cache, Figure, Measurement, Row, at_most, plain, step, threads};

/// With this argument, this program is a worker that prints.
pub(crate) const PRINTS: &str = "print-lines-at";

const RATE: u32 = 10_000;

const LINES: Row = plain("lines a second", "");
const FRAMES: Row = at_most("frames a second", 31.0, "");
const BYTES: Row = plain("bytes to the terminal", "bytes/s");
const DRAWING: Row = at_most("processor for drawing", 10.0, "%");

/// 10,000 lines a second, whose log is shown and followed.
pub(super) const MANY_LINES: Figure = Figure {
    name: "10000-lines",
    compared: "a step that prints 10,000 lines a second, whose log is on the screen and followed",
    cache: Cache::Removed,
    rows: &[LINES, FRAMES, BYTES, DRAWING],
    measure: many_lines,
};

fn many_lines(measurement: &mut Measurement<'_>) {
    let this = std::env::current_exe().unwrap();
    let script = format!("exec {} {PRINTS} {RATE}", this.display());
    let mut screen = RunScreen::start(measurement, &step("first", &script, ""));
    screen.wait("first");
    screen.press("2");
    screen.wait("following");
    thread::sleep(Duration::from_secs(1));
    let lines = |screen: &RunScreen| screen.terminal.look(last_number) as f64;
    let counted = |screen: &RunScreen| {
        [lines(screen), screen.drawn() as f64, screen.terminal.written().len() as f64, screen.drawing()]
    };
    let (before, threads_before) = (counted(&screen), threads(screen.pid()));
    let since = Instant::now();
    thread::sleep(Duration::from_secs(10));
    let seconds = since.elapsed().as_secs_f64();
    let now = counted(&screen);
    for (name, now) in threads(screen.pid()) {
        let share = (now - threads_before.get(&name).copied().unwrap_or_default()) / seconds * 100.0;
        measurement.note(&format!("thread {name:<37} {share:8.2} %"));
    }
    for (at, row) in [LINES, FRAMES, BYTES].iter().enumerate() {
        measurement.put(row, (now[at] - before[at]) / seconds);
    }
    measurement.put(&DRAWING, (now[3] - before[3]) / seconds * 100.0);
    screen.end();
}

/// The number at the end of the last line of the log on the screen.
fn last_number(screen: &Screen) -> u64 {
    let rows = screen.rows(0, 120).collect::<Vec<_>>();
    let number = |row: &String| row.split("line number ").nth(1)?.split_whitespace().next()?.parse().ok();
    rows.iter().rev().find_map(number).unwrap_or_default()
}

/// Prints numbered lines, so many a second, until they are not read any more.
pub(crate) fn print_at(rate: u32) {
    let began = Instant::now();
    let mut out = std::io::stdout().lock();
    let mut number = 0_u64;
    loop {
        thread::sleep(Duration::from_millis(5));
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        let mut text = String::new();
        while number < due {
            number += 1;
            text += &format!(
                "\x1b[32mINFO\x1b[0m 2026-01-02 some::module: line number {number} of what a worker says\n"
            );
        }
        if out.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}
