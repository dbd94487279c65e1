//! What the full screen costs, and how long a key takes, read at the terminal.

mod idle;
mod keys;
pub(crate) mod lines;
mod logs;
mod run_screen;
mod steps;

use crate::support::Bench;

/// All of them.
pub(crate) const BENCH: Bench = Bench {
    name: "screen",
    about: "What the full screen costs, and how long a key takes until the terminal shows what it does.",
    figures: &[
        idle::OVER,
        idle::RUNNING,
        keys::IDLE,
        keys::FLOODED,
        lines::MANY_LINES,
        steps::MANY_STEPS,
        logs::MEMORY,
        logs::SEARCH,
    ],
};
