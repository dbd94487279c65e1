//! Figures that matter to a user, each measured side by side with what one would do without roboppi.

mod agent;
mod files;
mod flood;
mod peers;
mod shown;
mod start;
mod steps;
mod validate;

use crate::support::{Bench, Row, plain};

/// All of them.
pub(crate) const BENCH: Bench = Bench {
    name: "figures",
    about: "What a user waits for, beside what one would do without roboppi, in turn with it.",
    figures: &[
        start::VERSION,
        start::SIZE,
        start::HELLO,
        start::ONE,
        steps::CHAIN,
        steps::WIDE,
        steps::GROWTH,
        validate::VALIDATE,
        flood::FLOOD,
        flood::REDACTED,
        flood::CHOSEN,
        shown::SHOWN,
        shown::COLOURS,
        shown::SECRETS,
        shown::BOTH,
        shown::LOG,
        agent::LINES,
        agent::OPENED,
        files::BASELINE,
        peers::HELLO,
        peers::CHAIN,
        peers::WIDE,
        peers::STREAM_SMALL,
        peers::STREAM_LARGE,
    ],
};

/// The time of roboppi.
const OURS: Row = plain("roboppi", "ms");

/// What the floor of a figure takes.
const FLOOR: Row = plain("floor", "ms");
