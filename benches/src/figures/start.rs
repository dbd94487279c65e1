//! How soon roboppi is there.

use std::fs;
use std::process::Command;

use super::{FLOOR, OURS};
use crate::support::{
    Cache, Figure, Measurement, Row, Times, at_most, in_turn, mebibytes, plain, step, timed,
};

const VERSION_OURS: Row = at_most("roboppi", 5.0, "ms");

/// How long the program takes to print its version.
pub(super) const VERSION: Figure = Figure {
    name: "version",
    compared: "`roboppi --version`, beside `true`",
    cache: Cache::Warm,
    rows: &[VERSION_OURS, FLOOR],
    measure: version,
};

fn version(measurement: &mut Measurement<'_>) {
    let mut ours = Command::new(measurement.program());
    ours.arg("--version");
    let pair = in_turn(measurement.rounds(40), || timed(&mut ours), || timed(&mut Command::new("true")));
    measurement.put_times(&VERSION_OURS, &pair.ours);
    measurement.put_times(&FLOOR, &pair.theirs);
}

const BYTES: Row = at_most("program", 15.0, "MiB");

/// How large the program is.
pub(super) const SIZE: Figure = Figure {
    name: "size",
    compared: "the size of the program",
    cache: Cache::Unconcerned,
    rows: &[BYTES],
    measure: size,
};

fn size(measurement: &mut Measurement<'_>) {
    let bytes = fs::metadata(measurement.program()).map_or(0, |metadata| metadata.len());
    measurement.put(&BYTES, mebibytes(bytes));
}

const ADDED: Row = at_most("added by roboppi", 30.0, "ms");
const DIRECT: Row = plain("roboppi --direct", "ms");

/// What roboppi adds to three small commands, two of them side by side.
pub(super) const HELLO: Figure = Figure {
    name: "hello",
    compared: "a workflow of three small commands, two of them side by side, beside the same commands as `bash -e -c` in a \
               script",
    cache: Cache::Warm,
    rows: &[OURS, DIRECT, FLOOR, ADDED],
    measure: hello,
};

fn hello(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let scripts = ["echo hello", "for n in 1 2 3; do echo $n; done", "echo goodbye"];
    let steps = [
        step("greet", scripts[0], ""),
        step("count", scripts[1], ""),
        step("goodbye", scripts[2], "    depends_on: [greet, count]\n"),
    ];
    let flow = place.flow("hello", "", &steps.concat());
    let script = format!(
        "bash -e -c '{}' > a & bash -e -c '{}' > b & wait; bash -e -c '{}' > c",
        scripts[0], scripts[1], scripts[2]
    );
    let mut direct = Vec::new();
    let ours = || {
        direct.extend(timed(&mut place.run(&flow, &["--direct"])));
        timed(&mut place.run(&flow, &["--supervised"]))
    };
    let pair = in_turn(measurement.rounds(20), ours, || timed(&mut place.bash(&script)));
    measurement.put_times(&OURS, &pair.ours);
    measurement.put_times(&DIRECT, &Times::new(direct));
    measurement.put_times(&FLOOR, &pair.theirs);
    measurement.put(&ADDED, (pair.ours.seconds() - pair.theirs.seconds()) * 1e3);
}

const ONE_ADDED: Row = at_most("added by roboppi", 10.0, "ms");
const ONE_ADDED_DIRECT: Row = at_most("added by roboppi --direct", 6.0, "ms");

/// What roboppi adds to the smallest command there is.
pub(super) const ONE: Figure = Figure {
    name: "hello-one",
    compared: "a workflow of one step `true`, beside `bash -e -c true`",
    cache: Cache::Warm,
    rows: &[OURS, DIRECT, FLOOR, ONE_ADDED, ONE_ADDED_DIRECT],
    measure: one,
};

fn one(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let flow = place.flow("one", "", &step("one", "true", ""));
    let mut direct = Vec::new();
    let ours = || {
        direct.extend(timed(&mut place.run(&flow, &["--direct"])));
        timed(&mut place.run(&flow, &["--supervised"]))
    };
    let mut bash = Command::new("bash");
    bash.args(["-e", "-c", "true"]);
    let pair = in_turn(measurement.rounds(40), ours, || timed(&mut bash));
    let direct = Times::new(direct);
    measurement.put_times(&OURS, &pair.ours);
    measurement.put_times(&DIRECT, &direct);
    measurement.put_times(&FLOOR, &pair.theirs);
    measurement.put(&ONE_ADDED, (pair.ours.seconds() - pair.theirs.seconds()) * 1e3);
    measurement.put(&ONE_ADDED_DIRECT, (direct.seconds() - pair.theirs.seconds()) * 1e3);
}
