//! How long a line a worker writes is on its way.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::peer::Peer;
use crate::support::{Cache, Figure, Measurement, Row, Times, at_most, plain};

/// Set for the worker: this program again, which prints so many lines with the time.
pub(crate) const STAMPS: &str = "WIRE_BENCH_STAMPS";

const PAUSE: Duration = Duration::from_millis(20);

/// The worker: a line with the time, again and again.
pub(crate) fn print_stamps(count: usize) {
    let mut stdout = std::io::stdout();
    for _ in 0..count {
        thread::sleep(PAUSE);
        let _ = stdout.write_all(format!("stamp {} end\n", now()).as_bytes());
    }
}

const FLOOR: Row = plain("floor, median", "ms");
const MEDIAN: Row = at_most("roboppi, median", 0.3, "ms");
const MOST: Row = at_most("roboppi, 99 of 100", 2.0, "ms");

/// One worker writes, and nothing else happens.
pub(super) const ALONE: Figure = Figure {
    name: "events",
    compared: "a line every 20 ms, from the write of the worker to the peer, beside the same through `cat`",
    cache: Cache::Unconcerned,
    rows: &[FLOOR, MEDIAN, MOST],
    measure: alone,
};

fn alone(measurement: &mut Measurement<'_>) {
    let lines = lines(measurement);
    let mut core = Peer::core(measurement.program());
    core.start_worker("stamps", &format!("exec {}", worker(lines)));
    let ours = collect(&mut core, lines);
    let floor = collect(&mut Peer::shell(&format!("{} | cat", worker(lines))), lines);
    measurement.put_times(&FLOOR, &floor);
    put(measurement, &ours, &[(MEDIAN, 50), (MOST, 99)]);
}

const FLOOD_MEDIAN: Row = plain("roboppi, median", "ms");
const FLOOD_MOST: Row = at_most("roboppi, 99 of 100", 2.0, "ms");

/// Another worker writes as fast as it can.
pub(super) const BESIDE_A_FLOOD: Figure = Figure {
    name: "events-beside-a-flood",
    compared: "the same beside a worker that writes as fast as it can",
    cache: Cache::Unconcerned,
    rows: &[FLOOD_MEDIAN, FLOOD_MOST],
    measure: beside_a_flood,
};

fn beside_a_flood(measurement: &mut Measurement<'_>) {
    let lines = lines(measurement);
    let mut core = Peer::core(measurement.program());
    core.start_worker("flood", "exec yes a line of a flood that never ends");
    core.start_worker("stamps", &format!("exec {}", worker(lines)));
    let ours = collect(&mut core, lines);
    put(measurement, &ours, &[(FLOOD_MEDIAN, 50), (FLOOD_MOST, 99)]);
}

fn put(measurement: &mut Measurement<'_>, times: &Times, rows: &[(Row, usize)]) {
    measurement.note_times("worker to peer", times);
    for (row, percent) in rows {
        measurement.put_with(row, times.percentile(*percent) * 1e3, &format!("of {}", times.len()));
    }
}

fn lines(measurement: &Measurement<'_>) -> usize {
    if measurement.is_quick() { 50 } else { 500 }
}

fn collect(peer: &mut Peer, lines: usize) -> Times {
    let mut times = Vec::new();
    while times.len() < lines {
        let line = peer.read();
        let read = now();
        // A batch may hold several lines.
        for stamp in line.split("stamp ").skip(1) {
            let sent: u128 = stamp.split_once(' ').unwrap().0.parse().unwrap();
            times.push(Duration::from_nanos(u64::try_from(read.saturating_sub(sent)).unwrap()));
        }
    }
    Times::new(times)
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// This program, as a command that prints the time. Behind `exec`, so the variable is set by `env`.
fn worker(lines: usize) -> String {
    format!("env {STAMPS}={lines} {}", std::env::current_exe().unwrap().display())
}
