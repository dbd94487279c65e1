//! Lists of runs.

use super::run::copies;
use crate::support::{Cache, Figure, Measurement, Row, Times, at_most, plain, timed};

const FIRST: Row = plain("the first time", "ms");
const AGAIN: Row = at_most("again", 50.0, "ms");
const FLOOR: Row = plain("ls -lR", "ms");

/// A list of 1,000 runs, when nothing is remembered of them and when it is.
pub(super) const LIST: Figure = Figure {
    name: "list",
    compared: "`roboppi runs` with 1,000 runs, beside `ls -lR` of their directories",
    cache: Cache::Warm,
    rows: &[FIRST, AGAIN, FLOOR],
    measure: list,
};

fn list(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let runs = copies(&place, measurement.scaled(1_000));
    let (mut first, mut again, mut ls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..measurement.rounds(20) {
        place.remove("state/runs.cache");
        first.extend(timed(&mut place.roboppi(&["runs"])));
        again.extend(timed(&mut place.roboppi(&["runs"])));
        ls.extend(timed(place.command("ls", &["-lR"]).arg(&runs)));
    }
    for (row, times) in [(FIRST, first), (AGAIN, again), (FLOOR, ls)] {
        measurement.put_times(&row, &Times::new(times));
    }
}
