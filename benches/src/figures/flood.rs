//! A worker that writes as fast as it can.

use std::fs;

use super::{FLOOR, OURS};
use crate::support::{
    Cache, Figure, Measurement, Peaks, Place, Row, at_least, at_most, in_turn, mebibytes, step, timed,
    watched,
};

const ROWS: &[Row] = &rows(at_most("roboppi by floor", 2.0, "x"), at_least("lines", 5.0, "million/s"));

/// What [`pour`] measures.
pub(super) const fn rows(ratio: Row, rate: Row) -> [Row; 7] {
    [
        OURS,
        FLOOR,
        ratio,
        rate,
        at_most("peak memory of the supervisor", 40.0, "MiB"),
        at_most("peak memory of the core", 40.0, "MiB"),
        at_most("bytes missing in the log", 0.0, ""),
    ]
}

/// Ten million lines: recorded, and streamed to the supervisor.
pub(super) const FLOOD: Figure = Figure {
    name: "flood",
    compared: "a worker that writes 10 million lines of 100 bytes, all recorded and none printed, beside `… | cat > file`",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let flood = same_lines(measurement);
        pour(measurement, &flood, &[], "| cat > flood.txt");
    },
};

/// Numbered lines, of which no two are the same, searched for the values of twenty secrets.
pub(super) const REDACTED: Figure = Figure {
    name: "flood-redacted",
    compared: "a worker that writes the numbers to 100 million, searched for twenty secrets, beside `… | cat > file`",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| {
        let last = measurement.scaled(100_000_000);
        let bytes = (1..=last.to_string().len() as u32)
            .map(|digits| {
                (last.min(10_u64.pow(digits) - 1) + 1 - 10_u64.pow(digits - 1)) * u64::from(digits + 1)
            })
            .sum();
        let flood = Flood { generator: format!("seq {last}"), lines: last, bytes, secrets: 20 };
        pour(measurement, &flood, &[], "| cat > flood.txt");
    },
};

const TIME: Row = at_most("roboppi", 5.0, "s");

/// What output costs whose worker has chosen a secret that it nearly is.
pub(super) const CHOSEN: Figure = Figure {
    name: "flood-chosen",
    compared: "a worker that writes 50 MB of which each part nearly is a secret it has announced",
    cache: Cache::Removed,
    rows: &[TIME],
    measure: chosen,
};

fn chosen(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let script = format!(
        r#"printf ::add-mask::; head -c 60000 /dev/zero | tr "\0" a; echo b; head -c {} /dev/zero | tr "\0" a"#,
        measurement.scaled(50_000_000)
    );
    let flow = place.flow("chosen", "", &step("chosen", &script, ""));
    match timed(&mut place.run(&flow, &["--supervised"])) {
        Some(time) => measurement.put_with(&TIME, time.as_secs_f64(), "once"),
        None => measurement.put_absent(&TIME, "failed"),
    }
}

/// What a worker writes.
pub(super) struct Flood {
    pub(super) generator: String,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// Variables with a secret in the environment.
    pub(super) secrets: usize,
}

/// The command that writes lines of 100 bytes.
pub(super) fn lines_of_100(lines: u64) -> String {
    format!("yes \"$(printf 'x%.0s' $(seq 99))\" | head -n {lines}")
}

pub(super) fn same_lines(measurement: &Measurement<'_>) -> Flood {
    let lines = measurement.scaled(10_000_000);
    Flood { generator: lines_of_100(lines), lines, bytes: lines * 100, secrets: 0 }
}

/// Measures a run of the flood, with a way to show it, beside the same in a shell.
pub(super) fn pour(measurement: &mut Measurement<'_>, flood: &Flood, view: &[&str], without: &str) {
    let Flood { generator, lines, bytes, secrets } = flood;
    let place = measurement.place();
    let flow = place.flow("flood", "", &step("flood", generator, ""));
    let mut peaks = Peaks::default();
    let mut missing = 0;
    let ours = || {
        let mut run = place.run(&flow, &["--supervised"]);
        run.args(view);
        for number in 0..*secrets {
            // Twenty letters that look like those of a token.
            let value = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            run.env(format!("SECRET_{number}_TOKEN"), format!("ghp_{value:016x}{value:016X}"));
        }
        let time = watched(&mut run, &["supervisor", "guard", "core"], &mut peaks);
        missing = missing.max(bytes.abs_diff(log_length(&place)));
        place.forget_runs();
        time
    };
    let theirs = || {
        let time = timed(&mut place.bash(&format!("{generator} {without}")));
        place.remove("flood.txt");
        time
    };
    let pair = in_turn(measurement.rounds(3), ours, theirs);
    let rows = measurement.rows();
    measurement.put_pair(&rows[0], &rows[1], &rows[2], &pair);
    measurement.put(&rows[3], *lines as f64 / pair.ours.seconds() / 1e6);
    measurement.put(&rows[4], mebibytes(peaks.of("supervisor")));
    measurement.put(&rows[5], mebibytes(peaks.of("core")));
    measurement.put(&rows[6], missing as f64);
}

/// Length of the log of the only run.
fn log_length(place: &Place) -> u64 {
    place.logs("flood").first().and_then(|log| fs::metadata(log).ok()).map_or(0, |metadata| metadata.len())
}
