//! What many viewers cost the run they watch.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::run::{lines, start, wait_for_log};
use crate::support::{Cache, Figure, Measurement, Place, Row, at_most, cpu, descendants, plain};

const ALONE: Row = plain("CPU time of a line, not watched", "µs");
const WATCHED: Row = plain("CPU time of a line, watched", "µs");
const DOUBT: Row = plain("CPU time, not watched, by the run beside it", "%");
const MORE: Row = at_most("CPU time, watched, more than the run beside it", 2.0, "%");
const LONGER: Row = at_most("longer", 5.0, "%");

/// What 50 viewers cost a run of 100 lines a second.
///
/// Two runs go on at once, and all viewers watch one of them. Of the machine, its caches and its clock they take the same
/// from both; what the watched one uses more than the other is what it pays for being watched. In turn with the same two
/// runs without viewers, which show how far the figures can be believed.
pub(super) const VIEWERS: Figure = Figure {
    name: "viewers",
    compared: "50 viewers of a run of 100 lines a second, beside a run that is not watched, at the same time",
    cache: Cache::Unconcerned,
    rows: &[ALONE, WATCHED, DOUBT, MORE, LONGER],
    measure: viewers,
};

fn viewers(measurement: &mut Measurement<'_>) {
    const VIEWERS: usize = 50;
    let places = [measurement.place(), measurement.place()];
    let mut alone: [Vec<f64>; 3] = Default::default();
    let mut watched: [Vec<f64>; 3] = Default::default();
    for round in 0..measurement.rounds(6) {
        let [watch, beside] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for (viewers, into) in [(0, &mut alone), (VIEWERS, &mut watched)] {
            let costs = side_by_side(measurement, &places[watch], &places[beside], viewers);
            into.iter_mut().zip(costs).for_each(|(all, cost)| all.push(cost));
        }
    }
    let [alone_cpu, doubt, alone_wall] = alone.each_mut().map(|values| Spread::of(values));
    let [watched_cpu, more, watched_wall] = watched.each_mut().map(|values| Spread::of(values));
    measurement.put(&ALONE, alone_cpu.median);
    measurement.put(&WATCHED, watched_cpu.median);
    measurement.put_with(&DOUBT, doubt.median, &doubt.described());
    measurement.put_with(&MORE, more.median, &more.described());
    measurement.put(&LONGER, (watched_wall.median / alone_wall.median - 1.0) * 100.0);
}

/// Values of several rounds.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: &mut [f64]) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let [Some(least), Some(median), Some(most)] =
            [values.first(), values.get(values.len() / 2), values.last()].map(Option::<&f64>::copied)
        else {
            panic!("no round was measured")
        };
        Self { least, median, most }
    }

    fn described(&self) -> String {
        format!("{:+.2} to {:+.2}", self.least, self.most)
    }
}

/// CPU time of a run in microseconds a line, how many per cent more that is than the run beside it uses, and milliseconds
/// a line.
fn side_by_side(measurement: &Measurement<'_>, watched: &Place, beside: &Place, viewers: usize) -> [f64; 3] {
    let count = if measurement.is_quick() { 300 } else { 1_000 };
    let script = format!("for n in $(seq {count}); do echo line $n of one thousand; sleep 0.01; done");
    let mut runs = [watched, beside].map(|place| (place, start(place, &[&script])));
    runs.iter().for_each(|(place, _)| wait_for_log(place));
    let watch = || watched.roboppi(&["logs", "-f"]).stdout(Stdio::null()).spawn().unwrap();
    let watching: Vec<Child> = (0..viewers).map(|_| watch()).collect();
    // All of them have caught up.
    thread::sleep(Duration::from_secs(1));
    let pids = runs.each_ref().map(|(_, run)| [vec![run.id()], descendants(run.id())].concat());
    let used = || pids.each_ref().map(|pids| pids.iter().copied().map(cpu).sum::<f64>() * 1e6);
    let counted = || [watched, beside].map(lines);
    let (lines_before, used_before, since) = (counted(), used(), Instant::now());
    while counted().into_iter().max() < Some(count - count / 20) {
        thread::sleep(Duration::from_millis(20));
    }
    let (lines_after, used_after, took) = (counted(), used(), since.elapsed());
    for (_, run) in &mut runs {
        let _ = run.wait();
    }
    watching.into_iter().for_each(|mut viewer| drop(viewer.wait()));
    let count = |run: usize| (lines_after[run] - lines_before[run]) as f64;
    let cost = |run: usize| (used_after[run] - used_before[run]) / count(run);
    [cost(0), (cost(0) / cost(1) - 1.0) * 100.0, took.as_secs_f64() * 1_000.0 / count(0)]
}
