//! What a long workflow file costs.

use super::FLOOR;
use crate::support::{Cache, Figure, Measurement, Row, at_most, in_turn, plain, timed};

const OURS: Row = at_most("roboppi", 2_000.0, "ms");
const RATIO: Row = plain("roboppi by floor", "x");

/// The longest file that is read without an option.
pub(super) const VALIDATE: Figure = Figure {
    name: "validate",
    compared: "a generated file of 100,000 steps that each wait for the one before, beside `grep` of its lines",
    cache: Cache::Warm,
    rows: &[OURS, FLOOR, RATIO],
    measure: validate,
};

fn validate(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let flow = place.flow("many", "", &super::steps::chained(measurement.scaled(100_000)));
    let path = flow.to_str().expect("a path of ours");
    let ours = || timed(&mut place.roboppi(&["workflow", "validate", path]));
    let floor = || timed(&mut place.command("grep", &["-cE", "^ +[a-z_]+: [^ ]+$", path]));
    let pair = in_turn(measurement.rounds(5), ours, floor);
    measurement.put_pair(&OURS, &FLOOR, &RATIO, &pair);
}
