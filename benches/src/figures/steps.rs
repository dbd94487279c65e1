//! What steps cost.

use super::{FLOOR, OURS};
use crate::support::{
    Cache, Figure, Measurement, Peaks, Row, at_most, in_turn, mebibytes, plain, step, timed, watched,
};

const CHAIN_EACH: Row = at_most("added to each step", 0.5, "ms");
const CHAIN_RATIO: Row = at_most("roboppi by floor", 1.25, "x");

/// Steps that each wait for the one before.
pub(super) const CHAIN: Figure = Figure {
    name: "chain",
    compared: "500 steps that each wait for the one before, beside a loop of `bash -e -c true` in bash",
    cache: Cache::Kept,
    rows: &[OURS, FLOOR, CHAIN_RATIO, CHAIN_EACH],
    measure: chain,
};

/// The steps of a chain.
pub(super) fn chained(count: u64) -> String {
    let after = |n: u64| if n == 0 { String::new() } else { format!("    depends_on: [s{}]\n", n - 1) };
    (0..count).map(|n| step(&format!("s{n}"), "true", &after(n))).collect()
}

/// Steps that wait for nothing.
pub(super) fn independent(count: u64) -> String {
    (0..count).map(|n| step(&format!("s{n}"), "true", "")).collect()
}

fn chain(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let steps = measurement.scaled(500);
    let flow = place.flow("chain", "", &chained(steps));
    let script = format!("for n in $(seq {steps}); do bash -e -c true; done");
    let ours = || timed(&mut place.fresh_run(&flow, &["--supervised"]));
    let pair = in_turn(measurement.rounds(5), ours, || timed(&mut place.bash(&script)));
    measurement.put_pair(&OURS, &FLOOR, &CHAIN_RATIO, &pair);
    measurement.put(&CHAIN_EACH, (pair.ours.seconds() - pair.theirs.seconds()) * 1e3 / steps as f64);
}

const WIDE_RATIO: Row = at_most("roboppi by floor", 1.25, "x");

/// Steps that depend on nothing, eight at a time.
pub(super) const WIDE: Figure = Figure {
    name: "wide",
    compared: "1,000 steps that wait for nothing, eight at a time, beside `make -j8` with `bash -e -c true`",
    cache: Cache::Kept,
    rows: &[OURS, FLOOR, WIDE_RATIO],
    measure: wide,
};

fn wide(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let steps = measurement.scaled(1_000);
    let flow = place.flow("wide", "concurrency: 8\n", &independent(steps));
    let all: Vec<_> = (0..steps).map(|n| format!("t{n}")).collect();
    let all = all.join(" ");
    let makefile = format!(".PHONY: all {all}\nall: {all}\n{all}:\n\t@bash -e -c true\n");
    place.write("Makefile", &makefile);
    let ours = || timed(&mut place.fresh_run(&flow, &["--supervised"]));
    let pair = in_turn(measurement.rounds(5), ours, || timed(&mut place.bash("make -j8")));
    measurement.put_pair(&OURS, &FLOOR, &WIDE_RATIO, &pair);
}

const FEW: Row = plain("a step of 1,000", "ms");
const MANY: Row = plain("a step of 10,000", "ms");
const GROWTH_RATIO: Row = at_most("a step of 10,000 by one of 1,000", 1.15, "x");
const MEMORY: Row = at_most("peak memory of the supervisor at 10,000", 40.0, "MiB");
const CORE_MEMORY: Row = at_most("peak memory of the core at 10,000", 40.0, "MiB");

/// How the cost of a step grows with their number.
pub(super) const GROWTH: Figure = Figure {
    name: "growth",
    compared: "10,000 steps that wait for nothing, eight at a time, beside 1,000 of them",
    cache: Cache::Removed,
    rows: &[FEW, MANY, GROWTH_RATIO, MEMORY, CORE_MEMORY],
    measure: growth,
};

fn growth(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let mut peaks = Peaks::default();
    let counts = [1_000, 10_000].map(|count| measurement.scaled(count));
    let flows = [("few", counts[0]), ("many", counts[1])]
        .map(|(name, count)| place.flow(name, "concurrency: 8\n", &independent(count)));
    let mut run = |flow| {
        let run = &mut place.run(flow, &["--supervised"]);
        let time = watched(run, &["supervisor", "guard", "core"], &mut peaks);
        place.forget_runs();
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let _ = run(&flows[0]);
    let [few, many] =
        [(&flows[0], counts[0]), (&flows[1], counts[1])].map(|(flow, count)| run(flow) / count as f64);
    measurement.put_with(&FEW, few, "once");
    measurement.put_with(&MANY, many, "once");
    measurement.put(&GROWTH_RATIO, many / few);
    measurement.put(&MEMORY, mebibytes(peaks.of("supervisor")));
    measurement.put(&CORE_MEMORY, mebibytes(peaks.of("core")));
}
