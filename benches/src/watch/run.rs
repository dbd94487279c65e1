//! Runs to be watched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::support::{Place, step, wait_for};

/// Starts a run of these scripts, one after the other, in a place without runs.
pub(super) fn start(place: &Place, scripts: &[&str]) -> Child {
    let after = |n: usize| if n == 0 { String::new() } else { format!("    depends_on: [s{}]\n", n - 1) };
    let steps: String =
        scripts.iter().enumerate().map(|(n, script)| step(&format!("s{n}"), script, &after(n))).collect();
    let flow = place.flow("watch", "", &steps);
    place.forget_runs();
    place.run(&flow, &[]).stdout(Stdio::null()).spawn().unwrap()
}

/// Makes runs that are alike, in a place without runs, and returns their directory. Of the logs there is none.
pub(super) fn copies(place: &Place, count: u64) -> PathBuf {
    let _ = start(place, &["echo one", "seq 100", "true", "echo last"]).wait();
    let runs = place.path("state/runs");
    let original = place.runs().remove(0);
    let id = original.file_name().unwrap().to_str().unwrap().to_owned();
    for number in 1..count {
        let copy = format!("{number:05}{}", &id[5..]);
        fs::create_dir(runs.join(&copy)).unwrap();
        for file in ["run.json", "journal.jsonl"] {
            let text = fs::read_to_string(original.join(file)).unwrap();
            fs::write(runs.join(&copy).join(file), text.replace(&id, &copy)).unwrap();
        }
    }
    runs
}

/// Lines in the log of the first step.
pub(super) fn lines(place: &Place) -> usize {
    let count = |log: &Path| memchr::memchr_iter(b'\n', &fs::read(log).unwrap_or_default()).count();
    place.logs("s0").iter().map(|log| count(log)).sum()
}

/// Waits until the first step has started.
pub(super) fn wait_for_step(place: &Place) {
    let runs = |run: &Path| {
        fs::read_to_string(run.join("journal.jsonl")).is_ok_and(|text| text.contains("\"running\""))
    };
    wait_for("a step that runs", || place.runs().iter().any(|run| runs(run)));
}

/// Waits until the first step has printed something.
pub(super) fn wait_for_log(place: &Place) {
    wait_for("a log", || {
        place.logs("s0").iter().any(|log| fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0))
    });
}
