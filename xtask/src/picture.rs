//! The pictures of terminal views in README.md and docs.

use crate::{cargo, run};

/// Builds the program and draws the pictures from runs in a real terminal.
pub(crate) fn draw() -> Result<(), String> {
    run(cargo(&["build", "--release", "--locked", "--bin", "roboppi"]))?;
    picture(&["docs/images/tui.svg"])?;
    picture(&["dashboard", "docs/images/dashboard.svg"])
}

fn picture(arguments: &[&str]) -> Result<(), String> {
    let program =
        ["run", "--quiet", "--locked", "--package", "roboppi-terminal", "--bin", "screenshot", "--"];
    run(cargo(&[&program[..], arguments].concat()))
}
