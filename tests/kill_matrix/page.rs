//! The table as a page of the documentation: `docs/kill-matrix.md`.
//!
//! What was tried and how a run ends is made from the tests and held to them. The times are those of the machine that
//! played the whole matrix last: `UPDATE_DOCS=1 cargo test --test kill_matrix -- --ignored the_whole_matrix`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::blow::{Blow, Mode};
use crate::matrix::row;
use crate::stage::Worst;
use crate::workers::WORKERS;

const HEAD: &str = "# Kill matrix

Whichever roboppi process is killed, and in whichever way, no process started by a run survives. `tests/kill_matrix` plays each
row of these tables against each kind of worker below; **no process survived any of them**. [Stopping](stopping.md#known-limits)
lists the known limits.

The worst time is the time from the blow until no process was left, over all kinds of workers, with a grace period of 200 ms
unless the row says otherwise, as measured on the machine that wrote this page.
";

/// Whether the page says what is played.
#[test]
fn the_page_says_what_is_played() {
    write_or_compare(&times_of(&fs::read_to_string(path()).unwrap_or_default()));
}

/// Takes the times of a whole matrix into the page, if it is to be written.
pub(crate) fn measured(worst: &Worst) {
    let times =
        worst.iter().map(|(row, time)| (row.clone(), format!("{:.1} s", time.as_secs_f64()))).collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        write_or_compare(&times);
    }
}

fn write_or_compare(times: &BTreeMap<String, String>) {
    let text = text(times);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(), text).unwrap();
        return;
    }
    assert!(
        fs::read_to_string(path()).unwrap_or_default() == text,
        "{} is not what is played: UPDATE_DOCS=1 cargo test --test kill_matrix the_page",
        path().display()
    );
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/kill-matrix.md")
}

fn text(times: &BTreeMap<String, String>) -> String {
    let mut text = HEAD.to_owned();
    for mode in [Mode::Supervised, Mode::Direct] {
        let heading = match mode {
            Mode::Supervised => {
                "## By default\n\nThe supervisor, its child the guard, and its grandchild the core."
            }
            Mode::Direct => {
                "## With `--direct`\n\nThe front process that the shell started, its child the guard, and its grandchild the \
                 supervisor, which contains the core."
            }
        };
        let _ =
            writeln!(text, "\n{heading}\n\n| blow | the run | survivors | worst time |\n|---|---|---|---|");
        for blow in Blow::all(mode) {
            let time = times.get(&row(mode, blow)).map_or("–", String::as_str);
            let _ = writeln!(text, "| {blow} | {} | 0 | {time} |", blow.end(mode));
        }
    }
    text.push_str("\n## Workers\n\n");
    for worker in WORKERS {
        let _ = writeln!(text, "* {}", worker.name);
    }
    text.push_str(
        "\nFurther tests cover cores that hang, are traced, or die repeatedly, stopped guards, slow workers, and kills of \
         any\nprocess at random moments.\n",
    );
    text
}

/// The times a page has.
fn times_of(page: &str) -> BTreeMap<String, String> {
    let mut mode = Mode::Supervised;
    let mut times = BTreeMap::new();
    for line in page.lines() {
        if line.starts_with("## With") {
            mode = Mode::Direct;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [blow, _, "0", time] = cells[..] {
            times.insert(format!("{mode:?}, {blow}"), time.to_owned());
        }
    }
    times
}
