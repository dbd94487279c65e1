//! The picture of the terminal view in README.md.

use crate::{cargo, run};

/// Builds the program and draws the picture from a run in a real terminal.
pub(crate) fn draw() -> Result<(), String> {
    run(cargo(&["build", "--release", "--locked", "--bin", "roboppi"]))?;
    run(cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "roboppi-terminal",
        "--bin",
        "screenshot",
        "--",
        "docs/images/tui.svg",
    ]))
}
