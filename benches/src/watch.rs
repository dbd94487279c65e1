//! What it takes to watch runs of other processes. On a busy machine only the ratios mean something.

mod dashboard;
mod delay;
mod emit;
mod idle;
mod list;
mod run;
mod stats;
mod viewers;

use crate::support::Bench;

/// All of them.
pub(crate) const BENCH: Bench = Bench {
    name: "watch",
    about: "What it takes to watch the runs of other processes.",
    figures: &[
        list::LIST,
        stats::STATS,
        emit::EMIT,
        delay::LATENCY,
        delay::SELDOM,
        delay::POLLING,
        idle::IDLE,
        viewers::VIEWERS,
        dashboard::LATENCY,
        dashboard::START,
    ],
};
