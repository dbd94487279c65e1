//! A run of many steps.

use std::thread;
use std::time::Duration;

use super::run_screen::{RunScreen, SELECT, put_keys};
use crate::support::{Cache, Figure, Measurement, Row, at_most, step};

const OVERVIEW_FRAME: Row = at_most("processor for a frame, Overview", 4.0, "ms");
const OVERVIEW_KEY: Row = at_most("key to screen, 95 of 100, Overview", 16.0, "ms");
const TIMELINE_FRAME: Row = at_most("processor for a frame, Timeline", 4.0, "ms");
const TIMELINE_KEY: Row = at_most("key to screen, 95 of 100, Timeline", 16.0, "ms");

/// 500 steps in layers of ten.
pub(super) const MANY_STEPS: Figure = Figure {
    name: "500-steps",
    compared: "a run of 500 steps in layers of ten: keys that select a step, and what each frame costs",
    cache: Cache::Unconcerned,
    rows: &[OVERVIEW_FRAME, OVERVIEW_KEY, TIMELINE_FRAME, TIMELINE_KEY],
    measure: many_steps,
};

fn many_steps(measurement: &mut Measurement<'_>) {
    let mut steps = step("first", "sleep 1000", "") + &step("second", "sleep 1000", "");
    for number in 0..498 {
        let before = if number < 10 { "first".to_owned() } else { format!("s{}", number - 10) };
        steps += &step(&format!("s{number}"), "true", &format!("    depends_on: [{before}, second]\n"));
    }
    let mut screen = RunScreen::start(measurement, &steps);
    screen.wait("second");
    thread::sleep(Duration::from_secs(1));
    for (tab, shown, frame, key) in
        [("1", "1 Overview", OVERVIEW_FRAME, OVERVIEW_KEY), ("5", "5 Timeline", TIMELINE_FRAME, TIMELINE_KEY)]
    {
        screen.press(tab);
        screen.wait(shown);
        let (drawn, processor) = (screen.drawn(), screen.processor());
        let times = screen.keys(measurement.scaled(200), SELECT);
        let cost = (screen.processor() - processor) / (screen.drawn() - drawn) as f64 * 1e3;
        measurement.put(&frame, cost);
        put_keys(measurement, &key, &times);
    }
    screen.end();
}
