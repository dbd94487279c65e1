//! Figures of roboppi: how fast and how small it is, each beside what it is compared with, in the same run.
//!
//! `cargo bench` measures all of them, `cargo bench --bench figures` one set, `cargo bench --bench figures -- flood` those
//! whose name contains the word. With `--quick` each is measured once and at a hundredth of its size, to see that it
//! works; with `--list` nothing is measured; `--program=FILE` measures another build of roboppi. Goals are judged and
//! printed, and a missed one is no failure; with `--strict` it is one. `ROBOPPI_FIGURES=FILE` appends the results to a file
//! as JSON lines; `cargo xtask performance` makes `docs/performance.md` of them.
//!
//! A figure is one [`Figure`] in a file of its subject, listed in the file of its set.
#![expect(clippy::print_stdout, reason = "a table on standard output is the purpose")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that cannot go on has nothing to measure"
)]

mod figures;
mod memory;
pub mod page;
mod screen;
mod support;
mod watch;
mod wire;

use std::process::ExitCode;

use support::Options;
pub use support::{Bench, Built, Cache, Figure, Goal, Measurement, Row};

/// All sets, in the order of the page.
pub const BENCHES: &[Bench] = &[figures::BENCH, memory::BENCH, screen::BENCH, watch::BENCH, wire::BENCH];

/// The main function of a bench target: measures the figures of the set that the command line selects.
#[must_use]
pub fn run(name: &'static str, built: Built) -> ExitCode {
    if acts_as_worker() {
        return ExitCode::SUCCESS;
    }
    let (flags, wanted): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let options =
        Options { quick: has("--quick"), results: std::env::var_os("ROBOPPI_FIGURES").map(Into::into) };
    let program = flags.iter().find_map(|flag| flag.strip_prefix("--program="));
    let program = program.map_or(built.program, |program| &*program.to_owned().leak());
    let built = Built { program, ..built };
    let bench = BENCHES.iter().find(|bench| bench.name == name).expect("a set of this name");
    let is_wanted =
        |figure: &&Figure| wanted.is_empty() || wanted.iter().any(|word| figure.name.contains(word.as_str()));
    let mut missed = 0;
    for figure in bench.figures.iter().filter(is_wanted) {
        if has("--list") {
            list(figure);
        } else {
            missed += Measurement::new(bench.name, figure, built, &options).measure();
        }
    }
    ExitCode::from(u8::from(has("--strict") && missed > 0))
}

/// Some figures need a worker, which is this program again.
fn acts_as_worker() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(screen::lines::PRINTS) {
        let rate = arguments.next().and_then(|rate| rate.parse().ok());
        screen::lines::print_at(rate.expect("a rate"));
        return true;
    }
    let count = std::env::var(wire::events::STAMPS).ok().and_then(|count| count.parse().ok());
    count.map(wire::events::print_stamps).is_some()
}

fn list(figure: &Figure) {
    println!("{}: {}; {}", figure.name, figure.compared, figure.cache.described());
    for row in figure.rows {
        let goal = row.goal.map_or_else(|| "–".to_owned(), |goal| goal.described(row.unit));
        println!("  {:<48} {:>12}   {goal}", row.name, row.unit);
    }
}
