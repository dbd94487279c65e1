//! `cargo bench --bench memory`; see `roboppi_benches`.

use std::process::ExitCode;

use roboppi_benches::{Built, run};

fn main() -> ExitCode {
    run("memory", Built { program: env!("CARGO_BIN_EXE_roboppi"), dir: env!("CARGO_TARGET_TMPDIR") })
}
