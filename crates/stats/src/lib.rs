//! Statistics over runs.
//!
//! [`RunFold`] makes the [`RunFigures`] of one run of its record; [`Totals`] adds the figures of many. Figures are small and bounded, so
//! those of a finished run can be kept and need not be made again. Runs, steps and attempts of agents are taken from a
//! [`RunView`](roboppi_run::RunView), which is the one fold of a journal; tool calls are taken from the events of the
//! attempts, because a view keeps the latest of them only.

mod counts;
mod figures;
mod fold;
mod group;
mod histogram;
mod names;
mod recent;
mod totals;

pub use counts::{Counts, Outcome};
pub use figures::{AgentFigures, RunFigures, RunState, StepFigures};
pub use fold::RunFold;
pub use group::Group;
pub use histogram::{Durations, Histogram};
pub use names::OTHER;
pub use recent::{RECENT, Recent, RecentKind};
pub use totals::{AgentTotals, Period, Selection, StepKey, Totals};
