//! How much memory a supervisor and a core take when the other side, or a worker, says far more than anybody wants
//! to hear, or when a run has very many steps. The figure is the most that was ever resident (`VmHWM`), the program itself included.

mod core;
mod growth;
mod runs;

use crate::support::{Bench, Cache, Figure, MIB, Measurement, Peaks, Place, Row, at_most, mebibytes};

/// What one process of ours may need, whatever it is told. A line that is as long as a line may be, 10 MiB, is held
/// twice while it is taken apart; everything else is queues of a few MiB.
const MOST: f64 = 40.0;

const SUPERVISOR: Row = at_most("supervisor", MOST, "MiB");
const GUARD: Row = at_most("guard", MOST, "MiB");
const CORE: Row = at_most("core", MOST, "MiB");

/// A core alone.
const CORE_ROWS: &[Row] = &[GUARD, CORE];
/// All of a run.
const RUN_ROWS: &[Row] = &[SUPERVISOR, GUARD, CORE];

/// All of them.
pub(crate) const BENCH: Bench = Bench {
    name: "memory",
    about: "The most memory that each process ever had resident (`VmHWM`), the program itself included.",
    figures: &[
        core_figure("nothing", "a core with nothing to do", |m| {
            put(m, |place| core::line(place, Some(core::HELLO), 0));
        }),
        core_figure("line-to-core-1", "a line of 20 MiB to a core of protocol 1", |m| {
            put(m, |place| core::line(place, None, 20 * MIB));
        }),
        core_figure("line-to-core-2", "a line of 20 MiB to a core of protocol 2", |m| {
            put(m, |place| core::line(place, Some(core::HELLO), 20 * MIB));
        }),
        core_figure("longest-line", "the longest message that a core reads, 10 MiB", |m| {
            put(m, core::longest_line);
        }),
        Figure {
            rows: &[SUPERVISOR],
            ..core_figure("line-from-core-1", "a line of 20 MiB from a core of protocol 1", |m| {
                put(m, runs::line_from_old_core);
            })
        },
        run_figure("line-from-core-2", "a line of 20 MiB from a core of protocol 2", |m| {
            put(m, runs::line_from_core);
        }),
        core_figure("unread-answers", "requests to a core whose answers are not read", |m| {
            put(m, core::unread_answers);
        }),
        core_figure("unread-malformed", "malformed input to a core whose answers are not read", |m| {
            put(m, core::unread_malformed);
        }),
        core_figure("unread-flood-1", "256 MiB from a worker, not read from a core of protocol 1", |m| {
            put(m, |place| core::unread_flood(place, None));
        }),
        core_figure("unread-flood-2", "256 MiB from a worker, not read from a core of protocol 2", |m| {
            put(m, |place| core::unread_flood(place, Some(core::HELLO)));
        }),
        core_figure("long-instructions", "100 jobs with 2 MiB of instructions", |m| {
            put(m, core::long_instructions);
        }),
        run_figure("worker-line", "a line of 50 MiB from a worker", |m| {
            put(m, |place| runs::worker(place, "head -c 52428800 /dev/zero | tr '\\0' x"));
        }),
        run_figure("worker-flood", "2 GiB from a worker", |m| {
            let script = format!("yes some words in a line | head -c {}", m.scaled(2048 * MIB));
            put(m, |place| runs::worker(place, &script));
        }),
        growth::INDEPENDENT,
        growth::CHAIN,
    ],
};

const fn core_figure(
    name: &'static str,
    compared: &'static str,
    measure: fn(&mut Measurement<'_>),
) -> Figure {
    Figure { name, compared, cache: Cache::Unconcerned, rows: CORE_ROWS, measure }
}

const fn run_figure(name: &'static str, compared: &'static str, measure: fn(&mut Measurement<'_>)) -> Figure {
    Figure { name, compared, cache: Cache::Removed, rows: RUN_ROWS, measure }
}

/// Makes the case, and puts the peaks of all processes that take part.
fn put(measurement: &mut Measurement<'_>, case: impl FnOnce(&Place) -> Peaks) {
    let peaks = case(&measurement.place());
    for row in measurement.rows() {
        let bytes = peaks.of(row.name);
        assert!(bytes > 0, "the memory of the {} was not measured", row.name);
        measurement.put(row, mebibytes(bytes));
    }
}
