//! Figures of the wire, as seen from the other end of it: a peer that speaks with the built core over its
//! stdin and stdout, side by side with the same bytes through `cat`.
//!
//! `cargo bench --bench wire` measures all of them, `cargo bench --bench wire -- cancel` those whose name
//! contains the word. Goals are judged and printed; nothing fails.
#![expect(clippy::print_stdout, reason = "a table on standard output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot speak with its core has nothing to measure")]

mod cancel;
mod events;
mod peer;
mod requests;
mod times;

fn main() {
    if std::env::var_os(events::STAMPS).is_some() {
        return events::print_stamps();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let figures: [(&str, fn()); 5] = [
        ("request", requests::one_at_a_time),
        ("flood", requests::flood),
        ("cancel", cancel::cancel),
        ("events", events::alone),
        ("events beside a flood", events::beside_a_flood),
    ];
    for (name, measure) in figures {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            measure();
        }
    }
}
