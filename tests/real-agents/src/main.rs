//! `cargo xtask real-agents`.

use std::process::ExitCode;

fn main() -> ExitCode {
    roboppi_real_agents::main()
}
