//! A viewer without news.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::run::{start, wait_for_step};
use crate::support::{Cache, Figure, Measurement, Row, at_most, cpu};

const SHARE: Row = at_most("of a processor", 0.5, "%");

/// What a viewer costs that has nothing to show.
pub(super) const IDLE: Figure = Figure {
    name: "watch-idle",
    compared: "`roboppi logs -f` of a step that sleeps",
    cache: Cache::Unconcerned,
    rows: &[SHARE],
    measure: idle,
};

fn idle(measurement: &mut Measurement<'_>) {
    const SECONDS: u64 = 10;
    let place = measurement.place();
    let mut run = start(&place, &["sleep 15"]);
    wait_for_step(&place);
    let mut viewer = place.roboppi(&["logs", "-f"]).stdout(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    let before = cpu(viewer.id());
    thread::sleep(Duration::from_secs(SECONDS));
    let used = cpu(viewer.id()) - before;
    let _ = (viewer.kill(), viewer.wait(), run.wait());
    measurement.put(&SHARE, used * 100.0 / SECONDS as f64);
}
