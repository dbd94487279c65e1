//! How much memory a supervisor and a core take when the other side, or a worker, says far more than anybody wants
//! to hear. This one fails: each process has to stay below [`MOST`].
//!
//! `cargo bench --bench memory` tries everything, `cargo bench --bench memory -- line` what has the word in its name.
//! The figure is the most that was ever resident (`VmHWM`), the program itself included.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot speak with its core has nothing to measure")]

mod core;
mod place;
mod runs;

use std::process::ExitCode;

use place::Place;

/// What one process of ours may need, whatever it is told: 40 MiB. A line that is as long as a line may be, 10 MiB, is
/// held twice while it is taken apart; everything else is queues of a few MiB.
const MOST: u64 = 40 * MIB;

const MIB: u64 = 1024 * 1024;

/// The most that each process ever had resident, in bytes, by what it is.
type Peaks = Vec<(&'static str, u64)>;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    type Case = (&'static str, fn(&Place) -> Peaks);
    let cases: [Case; 13] = [
        ("nothing to do", |place| core::line(place, Some(core::HELLO), 0)),
        ("line of 20 MiB to a core of protocol 1", |place| core::line(place, None, 20 * MIB)),
        ("line of 20 MiB to a core of protocol 2", |place| core::line(place, Some(core::HELLO), 20 * MIB)),
        ("longest line to a core", core::longest_line),
        ("line of 20 MiB from a core of protocol 1", runs::line_from_old_core),
        ("line of 20 MiB from a core of protocol 2", runs::line_from_core),
        ("requests to a core whose answers nobody reads", core::unread_answers),
        ("malformed input to a core that nobody listens to", core::unread_malformed),
        ("256 MiB from a worker that nobody reads, protocol 1", |place| core::unread_flood(place, None)),
        ("256 MiB from a worker that nobody reads, protocol 2", |place| {
            core::unread_flood(place, Some(core::HELLO))
        }),
        ("100 jobs with 2 MiB of instructions", core::long_instructions),
        ("line of 50 MiB from a worker", |place| {
            runs::worker(place, "head -c 52428800 /dev/zero | tr '\\\\0' x")
        }),
        ("2 GiB from a worker", |place| runs::worker(place, "yes some words in a line | head -c 2147483648")),
    ];
    let mut too_much = false;
    for (name, measure) in cases {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        println!("\n{name}");
        let peaks = measure(&Place::new());
        assert!(!peaks.is_empty(), "nothing was measured");
        for (what, bytes) in peaks {
            let verdict = if bytes <= MOST { "ok" } else { "TOO MUCH" };
            too_much |= bytes > MOST;
            let (is, most) = (bytes as f64 / MIB as f64, MOST / MIB);
            println!("  {what:<12} {is:8.2} MiB   most {most} MiB: {verdict}");
        }
    }
    if too_much { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
