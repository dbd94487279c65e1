//! Figures of the wire, as seen from the other end of it: a peer that speaks with the built core over its
//! stdin and stdout, side by side with the same bytes through `cat`.

mod cancel;
pub(crate) mod events;
mod peer;
mod requests;

use crate::support::Bench;

/// All of them.
pub(crate) const BENCH: Bench = Bench {
    name: "wire",
    about: "What the core does for a peer at the other end of its stdin and stdout, beside `cat` in its place.",
    figures: &[
        requests::ONE_PROCESSOR,
        requests::ANYWHERE,
        requests::FLOOD,
        cancel::CANCEL,
        events::ALONE,
        events::BESIDE_A_FLOOD,
    ],
};
