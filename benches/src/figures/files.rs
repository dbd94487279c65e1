//! What it costs to know which files a worker changed.

use std::fs;

use super::FLOOR;
use crate::support::{Cache, Figure, Measurement, Row, Times, at_most, in_turn, plain, step, timed};

const OURS: Row = at_most("run with the comparison", 1_500.0, "ms");
const WITHOUT: Row = plain("run without it", "ms");
const RATIO: Row = plain("with by without", "x");

/// Files of a directory.
const IN_ONE: u64 = 100;

/// A workspace of the size of a project.
pub(super) const BASELINE: Figure = Figure {
    name: "file-changes",
    compared: "a step that changes one of 10,000 files of 1 KiB, with and without `file_changes`, and `find` over them",
    cache: Cache::Warm,
    rows: &[OURS, WITHOUT, RATIO, FLOOR],
    measure,
};

fn measure(measurement: &mut Measurement<'_>) {
    let place = measurement.place();
    let content = "a line of sixteen\n".repeat(57);
    for number in 0..measurement.scaled(10_000) {
        let dir = place.path(&format!("files/{}", number / IN_ONE));
        let _ = fs::create_dir_all(&dir);
        let _ = fs::write(dir.join(number.to_string()), &content);
    }
    let flow = |name: &str, more: &str| place.flow(name, "", &step("change", "echo x >> files/0/0", more));
    let (with, without) =
        (flow("with", "    file_changes: true\n"), flow("without", "    file_changes: false\n"));
    let rounds = measurement.rounds(7);
    let pair = in_turn(rounds, || timed(&mut place.run(&with, &[])), || timed(&mut place.run(&without, &[])));
    measurement.put_pair(&OURS, &WITHOUT, &RATIO, &pair);
    let floor = Times::new((0..rounds).filter_map(|_| timed(&mut place.bash("find files -type f | wc -l"))));
    measurement.put_times(&FLOOR, &floor);
}
