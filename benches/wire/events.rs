//! How long a line a worker writes is on its way.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::peer::Peer;
use crate::times::Times;

/// Set for the worker: this program again, which prints what time it is.
pub(crate) const STAMPS: &str = "WIRE_BENCH_STAMPS";

const LINES: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// The worker: a line with the time, again and again.
pub(crate) fn print_stamps() {
    let mut stdout = std::io::stdout();
    for _ in 0..LINES {
        thread::sleep(PAUSE);
        let _ = stdout.write_all(format!("stamp {} end\n", now()).as_bytes());
    }
}

/// One worker writes, nobody else does anything.
pub(crate) fn alone() {
    let mut core = Peer::core();
    core.start_worker("stamps", &format!("{STAMPS}=1 exec {}", this_program()));
    let ours = collect(&mut core);
    let mut pipe = Peer::shell(&format!("{STAMPS}=1 {} | cat", this_program()));
    collect(&mut pipe).print("the same through cat");
    ours.print("worker to peer");
    ours.judge(50, Duration::from_micros(300));
    ours.judge(99, Duration::from_millis(2));
}

/// Another worker writes as fast as it can.
pub(crate) fn beside_a_flood() {
    let mut core = Peer::core();
    core.start_worker("flood", "exec yes a line of a flood that never ends");
    core.start_worker("stamps", &format!("{STAMPS}=1 exec {}", this_program()));
    let ours = collect(&mut core);
    ours.print("worker to peer");
    ours.judge(99, Duration::from_millis(20));
}

fn collect(peer: &mut Peer) -> Times {
    let mut times = Vec::new();
    while times.len() < LINES {
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

fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}
