//! How memory grows with the steps of a run: in the processes that run it, and in those that look on.

use std::ffi::OsString;
use std::process::{Child, Stdio};
use std::time::Duration;

use roboppi_terminal::{Spec, Terminal};

use super::MOST;
use crate::support::{
    Cache, Figure, Measurement, Peaks, Place, Row, at_most, mebibytes, peaks, plain, step, wait_for,
};

const FEW: Row = plain("supervisor, 1,000 steps", "MiB");
const MORE: Row = plain("supervisor, 3,000 steps", "MiB");
const MANY: Row = at_most("supervisor, 10,000 steps", MOST, "MiB");
const CORE: Row = at_most("core, 10,000 steps", MOST, "MiB");
const LINES: Row = at_most("attached viewer of lines, 10,000 steps", MOST, "MiB");
const SCREEN: Row = at_most("attached screen, 10,000 steps", MOST, "MiB");
const EACH: Row = plain("supervisor, each further step", "bytes");

const ROWS: &[Row] = &[FEW, MORE, MANY, CORE, LINES, SCREEN, EACH];

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(600);

/// Steps that wait for nothing.
pub(super) const INDEPENDENT: Figure = Figure {
    name: "growth-independent",
    compared: "runs of 1,000, 3,000 and 10,000 steps that wait for nothing, eight at a time",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| grow(measurement, false),
};

/// Steps that each wait for the one before.
pub(super) const CHAIN: Figure = Figure {
    name: "growth-chain",
    compared: "runs of 1,000, 3,000 and 10,000 steps that each wait for the one before",
    cache: Cache::Removed,
    rows: ROWS,
    measure: |measurement| grow(measurement, true),
};

fn grow(measurement: &mut Measurement<'_>, chain: bool) {
    let place = measurement.place();
    let counts = [1_000, 3_000, 10_000].map(|count| measurement.scaled(count));
    let [few, more, many] = counts.map(|count| peaks_of(&place, count, chain));
    for (row, all) in [(&FEW, &few), (&MORE, &more), (&MANY, &many)] {
        measurement.put(row, mebibytes(all.of("supervisor")));
    }
    for (row, role) in [(&CORE, "core"), (&LINES, "lines"), (&SCREEN, "screen")] {
        measurement.put(row, mebibytes(many.of(role)));
    }
    let bytes = many.of("supervisor").saturating_sub(few.of("supervisor"));
    measurement.put(&EACH, bytes as f64 / (counts[2] - counts[0]) as f64);
}

/// Runs so many steps, and looks at all processes when the last one holds.
fn peaks_of(place: &Place, count: u64, chain: bool) -> Peaks {
    let after =
        |n: u64| if chain && n > 0 { format!("    depends_on: [s{}]\n", n - 1) } else { String::new() };
    let mut steps: String = (0..count).map(|n| step(&format!("s{n}"), "true", &after(n))).collect();
    // Those that started last: it holds when nearly all are over.
    let last: Vec<_> = (count.saturating_sub(16)..count).map(|n| format!("s{n}")).collect();
    let hold = "touch ready; while ! [ -e go ]; do sleep 0.02; done";
    steps += &step("hold", hold, &format!("    depends_on: [{}]\n", last.join(", ")));
    let flow = place.flow("flow", "concurrency: 8\n", &steps);
    for name in ["ready", "go"] {
        place.remove(name);
    }
    let mut run = Owned(place.run(&flow, &["--supervised"]).spawn().unwrap());
    wait_for("a run", || place.runs().iter().any(|run| run.join("journal.jsonl").exists()));
    let attach = |words: &[&str]| place.roboppi(words).stdout(Stdio::null()).spawn().unwrap();
    let lines = Owned(attach(&["attach", "--no-tui"]));
    let screen = screen(place);
    place.wait_for_file("ready");
    screen.wait_until("the last step", LIMIT, |screen| screen.contents().contains("hold")).unwrap();
    let mut all = peaks(run.0.id(), &["supervisor", "guard", "core"]);
    all.rise(&peaks(lines.0.id(), &["lines"]));
    all.rise(&peaks(screen.pid().unwrap(), &["screen"]));
    place.write("go", "");
    assert!(run.0.wait().unwrap().success(), "the run failed");
    drop((lines, screen));
    place.forget_runs();
    all
}

/// The run on a screen of its own.
fn screen(place: &Place) -> Terminal {
    let argv = [place.program(), "attach", "--tui"].map(OsString::from).to_vec();
    let mut env = place.env();
    env.extend([("TERM".into(), "xterm-256color".into()), ("LANG".into(), "C.UTF-8".into())]);
    Terminal::start(&Spec { argv, env, cwd: place.dir().to_owned(), rows: 40, cols: 120 }).unwrap()
}

/// Ends with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
