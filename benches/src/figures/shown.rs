//! A worker that writes as fast as it can, and a view that prints all of it.

use super::flood::{Flood, lines_of_100, pour, rows, same_lines};
use super::{FLOOR, OURS};
use crate::support::{Cache, Figure, Measurement, Row, Tool, at_most, in_turn, plain, step, timed};

const RATIO: Row = at_most("roboppi by floor", 1.5, "x");
const ROWS: &[Row] = &rows(RATIO, plain("lines", "million/s"));

const PRINTED: &[&str] = &["--stream"];
const TEE_AND_SED: &str = "| tee flood.txt | sed 's/^/flood | /'";

/// Each line is printed with the name of its step.
pub(super) const SHOWN: Figure = Figure {
    name: "flood-shown",
    compared: "a worker that writes 10 million lines of 100 bytes, each recorded and printed behind the name of its step \
               (`--stream`), beside `… | tee file | sed 's/^/…/'`",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let flood = same_lines(measurement);
        pour(measurement, &flood, PRINTED, TEE_AND_SED);
    },
};

/// A line as tests print it.
const COLOURED: &str =
    "\x1b[32m✓\x1b[39m \x1b[1mPASS\x1b[0m src/components/button.test.ts \x1b[2m(1.2 s)\x1b[22m";

/// The same with colours in the lines.
pub(super) const COLOURS: Figure = Figure {
    name: "flood-shown-colours",
    compared: "the same with lines that hold four colours and a sign that is not ASCII",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let flood = coloured_lines(measurement);
        pour(measurement, &flood, PRINTED, TEE_AND_SED);
    },
};

fn coloured_lines(measurement: &Measurement<'_>) -> Flood {
    let lines = measurement.scaled(10_000_000);
    let line = COLOURED.replace('\x1b', r"\033");
    let generator = format!("yes \"$(printf '{line}')\" | head -n {lines}");
    Flood { generator, lines, bytes: lines * (COLOURED.len() as u64 + 1), secrets: 0 }
}

/// The same with secrets that are searched.
pub(super) const SECRETS: Figure = Figure {
    name: "flood-shown-secrets",
    compared: "the same with lines of 100 bytes that are searched for twenty secrets",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let flood = Flood { secrets: 20, ..same_lines(measurement) };
        pour(measurement, &flood, PRINTED, TEE_AND_SED);
    },
};

/// The same with both.
pub(super) const BOTH: Figure = Figure {
    name: "flood-shown-both",
    compared: "the same with lines that hold colours and are searched for twenty secrets",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let flood = Flood { secrets: 20, ..coloured_lines(measurement) };
        pour(measurement, &flood, PRINTED, TEE_AND_SED);
    },
};

/// A log on a terminal, which must not obey it.
pub(super) const LOG: Figure = Figure {
    name: "log-on-terminal",
    compared: "`roboppi logs` of a log with 2 million lines of 100 bytes on a terminal that takes all at once, beside `cat` of the file",
    cache: Cache::Warm,
    rows: &[OURS, FLOOR, RATIO],
    measure: log,
};

fn log(measurement: &mut Measurement<'_>) {
    if Tool::find("script").is_none() {
        return measurement.put_absent(&RATIO, "script is not installed");
    }
    let place = measurement.place();
    let flow = place.flow("log", "", &step("log", &lines_of_100(measurement.scaled(2_000_000)), ""));
    let ran = timed(&mut place.run(&flow, &[]));
    let (Some(_), Some(log)) = (ran, place.logs("log").pop()) else {
        return measurement.put_absent(&RATIO, "failed");
    };
    let on_terminal = |command: &str| {
        let mut script = place.bash(&format!("script -qec \"{command}\" /dev/null > /dev/null"));
        timed(script.envs(place.env()))
    };
    let ours = format!("{} logs -1 log", place.program());
    let theirs = format!("cat {}", log.display());
    let pair = in_turn(measurement.rounds(3), || on_terminal(&ours), || on_terminal(&theirs));
    measurement.put_pair(&OURS, &FLOOR, &RATIO, &pair);
}
