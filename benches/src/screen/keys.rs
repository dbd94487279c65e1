//! How long a key takes.

use super::run_screen::{QUICK_KEY, RunScreen, SELECT, put_keys};
use crate::support::{Cache, Figure, Measurement, Row, at_most, step};

/// Nothing else happens.
pub(super) const IDLE: Figure = Figure {
    name: "keys-idle",
    compared: "a key that selects a step, until the terminal shows it; nothing else happens",
    cache: Cache::Unconcerned,
    rows: &[QUICK_KEY],
    measure: idle,
};

fn idle(measurement: &mut Measurement<'_>) {
    let steps = step("first", "sleep 1000", "") + &step("second", "sleep 1000", "");
    let mut screen = RunScreen::start(measurement, &steps);
    screen.wait("second");
    put_keys(measurement, &QUICK_KEY, &screen.keys(measurement.scaled(200), SELECT));
    screen.end();
}

const FLOODED_KEY: Row = at_most("key to screen, 95 of 100", 33.0, "ms");

/// Beside a step that prints as fast as it can, and whose log is shown.
pub(super) const FLOODED: Figure = Figure {
    name: "keys-flood",
    compared: "the same beside a step that prints as fast as it can, and whose log is on the screen",
    cache: Cache::Removed,
    rows: &[FLOODED_KEY],
    measure: flooded,
};

fn flooded(measurement: &mut Measurement<'_>) {
    let steps = step("first", "yes it goes on and on", "") + &step("second", "sleep 1000", "");
    let mut screen = RunScreen::start(measurement, &steps);
    screen.wait("second");
    screen.press("2");
    screen.wait("goes on and on");
    put_keys(measurement, &FLOODED_KEY, &screen.keys(measurement.scaled(200), SELECT));
    screen.end();
}
