//! A report of a program that records itself.

use crate::support::{Cache, Figure, Measurement, Row, Times, at_most, plain, timed};

const REPORT: Row = at_most("a report", 5.0, "ms");
const NOTHING: Row = plain("roboppi --version", "ms");

/// What a program waits for when it reports something by a call of its own.
pub(super) const EMIT: Figure = Figure {
    name: "emit",
    compared: "`roboppi emit tool-call`, beside a call that reports nothing",
    cache: Cache::Warm,
    rows: &[REPORT, NOTHING],
    measure: emit,
};

fn emit(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let _ = place.roboppi(&["emit", "start"]).output();
    let (mut reports, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..measurement.rounds(100) {
        reports.extend(timed(&mut place.roboppi(&["emit", "--run", "r1", "tool-call", "Bash", "--ok"])));
        nothing.extend(timed(&mut place.roboppi(&["--version"])));
    }
    for (row, times) in [(REPORT, reports), (NOTHING, nothing)] {
        measurement.put_times(&row, &Times::new(times));
    }
}
