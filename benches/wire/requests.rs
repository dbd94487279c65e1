//! Requests and their answers.

use std::io::{BufRead as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::peer::{Peer, job};
use crate::times::Times;

const ROUNDS: usize = 20_000;
const PAIRS: usize = 200_000;

/// A request is made when the last one is answered: once with everything on one processor, where nothing is
/// measured but the work, and once where the system puts it, where most of the time is that of processors
/// that wake up.
pub(crate) fn one_at_a_time() {
    let everywhere = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::count()).find(|cpu| everywhere.is_set(*cpu).unwrap()).unwrap()).unwrap();
    for (place, processors) in [("one processor", one), ("anywhere", everywhere)] {
        // Children inherit it.
        sched_setaffinity(Pid::from_raw(0), &processors).unwrap();
        let (floor, ours) = ask_in_turn();
        floor.print(&format!("cat, {place}"));
        ours.print(&format!("core, {place}"));
        ours.judge(50, Duration::from_micros(25));
    }
}

fn ask_in_turn() -> (Times, Times) {
    let (mut core, mut cat) = (Peer::core(), Peer::cat());
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let request =
            format!(r#"{{"type":"cancel_job","requestId":"c{round}","jobId":"nobody","reason":"user"}}"#);
        for (peer, times) in [(&mut core, &mut ours), (&mut cat, &mut floor)] {
            let asked = Instant::now();
            peer.say(&request);
            peer.wait_for("requestId");
            times.push(asked.elapsed());
        }
    }
    (Times::new(floor), Times::new(ours))
}

/// Jobs are submitted and cancelled as fast as they can be written.
pub(crate) fn flood() {
    let mut requests = String::new();
    for round in 0..PAIRS {
        let job = job(&format!("j{round}"), "true");
        requests.push_str(&format!(
            "{{\"type\":\"submit_job\",\"requestId\":\"s{round}\",\"job\":{job}}}\n\
             {{\"type\":\"cancel_job\",\"requestId\":\"c{round}\",\"jobId\":\"j{round}\",\"reason\":\"user\"}}\n"
        ));
    }
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        rates[0].push(pour(Peer::cat(), &requests, 2 * PAIRS));
        rates[1].push(pour(Peer::core(), &requests, 2 * PAIRS));
    }
    for (what, rates) in ["the same through cat", "submit and cancel"].iter().zip(&mut rates) {
        rates.sort_unstable_by(f64::total_cmp);
        println!("  {what:<24} median {:>9.0} requests/s", rates[rates.len() / 2]);
    }
    let verdict = if rates[1][2] >= 200_000.0 { "reached" } else { "missed" };
    println!("  goal ≥ 200000 requests/s: {verdict}");
}

/// Requests answered a second.
#[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
fn pour(mut peer: Peer, requests: &str, count: usize) -> f64 {
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
            answers += usize::from(memchr::memmem::find(&line, b"\"requestId\"").is_some());
        }
    });
    count as f64 / begin.elapsed().as_secs_f64()
}
