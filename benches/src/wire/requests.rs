//! Requests and their answers.

use std::io::{BufRead as _, Write as _};
use std::thread;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::peer::{Peer, job};
use crate::support::{Cache, Figure, Measurement, Row, Times, at_least, at_most, plain};

const FLOOR: Row = plain("floor", "µs");
const OURS: Row = at_most("roboppi", 25.0, "µs");

/// A request is made when the last one is answered, with everything on one processor, where nothing is measured but the
/// work.
pub(super) const ONE_PROCESSOR: Figure = Figure {
    name: "request",
    compared: "a request is made when the last one is answered, all on one processor, beside `cat`",
    cache: Cache::Unconcerned,
    rows: &[FLOOR, OURS],
    measure: |measurement| {
        let everywhere = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let mut one = CpuSet::new();
        one.set((0..CpuSet::count()).find(|cpu| everywhere.is_set(*cpu).unwrap()).unwrap()).unwrap();
        // Children inherit it.
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
        ask_in_turn(measurement);
        sched_setaffinity(Pid::from_raw(0), &everywhere).unwrap();
    },
};

/// The same where the system puts it.
pub(super) const ANYWHERE: Figure = Figure {
    name: "request-anywhere",
    compared: "the same on any processor, where most of the time is that of processors that wake up",
    cache: Cache::Unconcerned,
    rows: &[FLOOR, OURS],
    measure: ask_in_turn,
};

fn ask_in_turn(measurement: &mut Measurement<'_>) {
    let (mut core, mut cat) = (Peer::core(measurement.program()), Peer::cat());
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..measurement.scaled(20_000) {
        let request =
            format!(r#"{{"type":"cancel_job","requestId":"c{round}","jobId":"nobody","reason":"user"}}"#);
        for (peer, times) in [(&mut core, &mut ours), (&mut cat, &mut floor)] {
            let asked = Instant::now();
            peer.say(&request);
            peer.wait_for("requestId");
            times.push(asked.elapsed());
        }
    }
    let (floor, ours) = (Times::new(floor), Times::new(ours));
    measurement.note_times("cat", &floor);
    measurement.note_times("core", &ours);
    measurement.put_times(&FLOOR, &floor);
    measurement.put_times(&OURS, &ours);
}

const RATE_FLOOR: Row = plain("floor", "requests/s");
const RATE: Row = at_least("roboppi", 200_000.0, "requests/s");

/// Jobs are submitted and cancelled as fast as they can be written.
pub(super) const FLOOD: Figure = Figure {
    name: "request-flood",
    compared: "200,000 jobs are submitted and cancelled as fast as they can be written, beside `cat`",
    cache: Cache::Unconcerned,
    rows: &[RATE_FLOOR, RATE],
    measure: flood,
};

fn flood(measurement: &mut Measurement<'_>) {
    let pairs = measurement.scaled(200_000);
    let mut requests = String::new();
    for round in 0..pairs {
        let job = job(&format!("j{round}"), "true");
        requests.push_str(&format!(
            "{{\"type\":\"submit_job\",\"requestId\":\"s{round}\",\"job\":{job}}}\n\
             {{\"type\":\"cancel_job\",\"requestId\":\"c{round}\",\"jobId\":\"j{round}\",\"reason\":\"user\"}}\n"
        ));
    }
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..measurement.rounds(5) {
        rates[0].push(pour(Peer::cat(), &requests, 2 * pairs));
        rates[1].push(pour(Peer::core(measurement.program()), &requests, 2 * pairs));
    }
    for (row, rates) in [RATE_FLOOR, RATE].iter().zip(&mut rates) {
        rates.sort_unstable_by(f64::total_cmp);
        measurement.put_with(row, rates[rates.len() / 2], &format!("median of {}", rates.len()));
    }
}

/// Requests answered a second.
fn pour(mut peer: Peer, requests: &str, count: u64) -> f64 {
    let (mut stdin, stdout) = peer.split();
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            stdin.write_all(requests.as_bytes()).unwrap();
            // It stays open until the answers are counted: a core leaves when its input ends.
            stdin
        });
        let mut answers = 0;
        let mut line = Vec::new();
        while answers < count {
            line.clear();
            assert!(stdout.read_until(b'\n', &mut line).unwrap() > 0, "the peer has ended");
            answers += u64::from(memchr::memmem::find(&line, b"\"requestId\"").is_some());
        }
    });
    count as f64 / begin.elapsed().as_secs_f64()
}
