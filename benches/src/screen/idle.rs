//! Nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use super::run_screen::RunScreen;
use crate::support::{Cache, Figure, Measurement, Row, at_most, step};

const SHARE: Row = at_most("of a processor", 0.3, "%");
const OVER_DRAWN: Row = at_most("frames in ten seconds", 0.0, "");

/// The run is over.
pub(super) const OVER: Figure = Figure {
    name: "idle-over",
    compared: "the screen of a run that is over",
    cache: Cache::Unconcerned,
    rows: &[OVER_DRAWN, SHARE],
    measure: |measurement| idle(measurement, "true", "press q to leave", &OVER_DRAWN),
};

const RUNNING_DRAWN: Row = at_most("frames in ten seconds", 11.0, "");

/// Only the clock of the run goes on.
pub(super) const RUNNING: Figure = Figure {
    name: "idle-running",
    compared: "the screen of a run with one step that sleeps",
    cache: Cache::Unconcerned,
    rows: &[RUNNING_DRAWN, SHARE],
    measure: |measurement| idle(measurement, "sleep 1000", "Attempt     running", &RUNNING_DRAWN),
};

fn idle(measurement: &mut Measurement<'_>, script: &str, shown: &str, frames: &Row) {
    let screen = RunScreen::start(measurement, &step("work", script, ""));
    screen.wait(shown);
    thread::sleep(Duration::from_secs(1));
    let (drawn, processor, since) = (screen.drawn(), screen.processor(), Instant::now());
    thread::sleep(Duration::from_secs(10));
    let share = (screen.processor() - processor) / since.elapsed().as_secs_f64() * 100.0;
    measurement.put(frames, (screen.drawn() - drawn) as f64);
    measurement.put(&SHARE, share);
    screen.end();
}
