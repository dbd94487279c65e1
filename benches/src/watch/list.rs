//! Lists of runs.

use std::fs;

use super::run::start;
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
    let _ = start(&place, &["echo one", "seq 100", "true", "echo last"]).wait();
    let runs = place.path("state/runs");
    let original = place.runs().remove(0);
    let id = original.file_name().unwrap().to_str().unwrap().to_owned();
    for number in 1..measurement.scaled(1_000) {
        let copy = format!("{number:05}{}", &id[5..]);
        fs::create_dir(runs.join(&copy)).unwrap();
        for file in ["run.json", "journal.jsonl"] {
            let text = fs::read_to_string(original.join(file)).unwrap();
            fs::write(runs.join(&copy).join(file), text.replace(&id, &copy)).unwrap();
        }
    }
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
