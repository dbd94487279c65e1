//! The page with all figures.

use crate::{cargo, root, run};

/// The sets, in the order in which they are measured.
const BENCHES: [&str; 5] = ["figures", "memory", "screen", "watch", "wire"];

/// Measures everything, and renews docs/performance.md. A quick and rough measurement leaves its page in `target` instead.
pub(crate) fn renew(quick: bool) -> Result<(), String> {
    const RESULTS: &str = "target/figures.jsonl";
    const PAGE: &str = "docs/performance.md";
    let results = root().join(RESULTS);
    std::fs::write(&results, "").map_err(|error| format!("cannot write {RESULTS}: {error}"))?;
    let page = if quick { "target/performance.md" } else { PAGE };
    if quick {
        std::fs::copy(root().join(PAGE), root().join(page))
            .map_err(|error| format!("cannot write {page}: {error}"))?;
    }
    run(cargo(&["build", "--release", "--locked", "--bin", "roboppi"]))?;
    for bench in BENCHES {
        let mut command = cargo(&["bench", "--quiet", "--locked", "-p", "roboppi", "--bench", bench, "--"]);
        command.args(quick.then_some("--quick")).env("ROBOPPI_FIGURES", &results);
        run(command)?;
    }
    let write = ["run", "--quiet", "--locked", "-p", "roboppi-benches", "--bin", "performance-page", "--"];
    let mut command = cargo(&write);
    command.args([RESULTS, page]);
    run(command)
}
