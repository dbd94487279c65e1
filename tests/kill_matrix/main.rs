//! Whoever dies, however, at whatever moment: nothing is left.
//!
//! `cargo test --test kill_matrix` plays a cut of every table, `cargo test --test kill_matrix -- --ignored` all of
//! them. Both print how long it took until nothing was left, at worst; the whole matrix writes it into
//! `docs/kill-matrix.md` with `UPDATE_DOCS=1`. `ROBOPPI_KILL_SEED` plays one moment of
//! [`moments`] again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod beyond;
mod blow;
mod cast;
mod cores;
mod ends;
mod helper;
mod matrix;
mod moments;
mod page;
mod stage;
mod workers;

#[path = "../e2e/env.rs"]
#[expect(dead_code, reason = "the other tests of the program need more of it")]
mod env;
#[path = "../e2e/flow.rs"]
mod flow;
#[path = "../e2e/processes.rs"]
mod processes;
#[path = "../e2e/remains.rs"]
mod remains;
#[path = "../simulation/rng.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod rng;
#[path = "../e2e/run_files.rs"]
#[expect(dead_code, reason = "the other tests of the program need more of it")]
mod run_files;
#[path = "../e2e/schemas.rs"]
mod schemas;
#[path = "../e2e/wait.rs"]
mod wait;
