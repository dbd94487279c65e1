//! Statistics over many runs.

use super::run::copies;
use crate::support::{Cache, Figure, Measurement, Row, Times, at_most, plain, timed};

const FIRST: Row = plain("the first time", "ms");
const AGAIN: Row = at_most("again", 300.0, "ms");
const FLOOR: Row = plain("ls -lR", "ms");

/// Totals of 10,000 runs, when no figures are remembered and when they are.
pub(super) const STATS: Figure = Figure {
    name: "stats",
    compared: "`roboppi stats` with 10,000 runs, beside `ls -lR` of their directories",
    cache: Cache::Warm,
    rows: &[FIRST, AGAIN, FLOOR],
    measure: stats,
};

fn stats(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let runs = copies(&place, measurement.scaled(10_000));
    let (mut first, mut again, mut ls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..measurement.rounds(10) {
        place.remove("state/stats.cache");
        first.extend(timed(&mut place.roboppi(&["stats"])));
        again.extend(timed(&mut place.roboppi(&["stats"])));
        ls.extend(timed(place.command("ls", &["-lR"]).arg(&runs)));
    }
    for (row, times) in [(FIRST, first), (AGAIN, again), (FLOOR, ls)] {
        measurement.put_times(&row, &Times::new(times));
    }
}
