//! Plays many cases, some at a time, and says how long it took until nobody was left.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::env::TestEnv;
use crate::processes::{Process, end_marked, list};

/// Cases at a time: they mostly wait.
const AT_A_TIME: usize = 6;

/// Times of all runs of these tests.
pub(crate) const TIMES: [&str; 4] = ["--grace", "200ms", "--drain", "200ms"];

/// Times of runs in which nobody must wait for the grace time.
pub(crate) const HOUR: [&str; 4] = ["--grace", "1h", "--drain", "200ms"];

/// The worst time of each row.
pub(crate) type Worst = BTreeMap<String, Duration>;

/// Tables take turns, so that no case waits for the processes of hundreds of others.
static TURN: Mutex<()> = Mutex::new(());

/// One thing to be tried.
pub(crate) struct Case<'c> {
    /// The row of the table it belongs to.
    pub(crate) row: String,
    pub(crate) name: String,
    /// Tries it, and says how long it took from the blow until nobody was left. Panics when something is wrong.
    pub(crate) play: Box<dyn Fn(&TestEnv) -> Duration + Send + Sync + 'c>,
}

/// Plays all cases, prints the worst time of each row, and fails if one of them failed.
pub(crate) fn play(title: &str, cases: &[Case<'_>]) -> Worst {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Duration, String>)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((index, case)) = take(&next, cases) {
                    let result = play_one(case);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    let mut rows: BTreeMap<&str, (Duration, &str, usize)> = BTreeMap::new();
    let mut failures = String::new();
    for (index, result) in results {
        let case = &cases[index];
        match result {
            Ok(time) => {
                let row = rows.entry(&case.row).or_default();
                row.2 += 1;
                if time >= row.0 {
                    (row.0, row.1) = (time, &case.name);
                }
            }
            Err(failure) => {
                let _ = writeln!(failures, "\n=== {}, {} ===\n{failure}", case.row, case.name);
            }
        }
    }
    tell(title, &rows);
    assert!(failures.is_empty(), "{title}:\n{failures}");
    rows.into_iter().map(|(row, (worst, ..))| (row.to_owned(), worst)).collect()
}

fn take<'a, 'c>(next: &AtomicUsize, cases: &'a [Case<'c>]) -> Option<(usize, &'a Case<'c>)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, cases.get(index)?))
}

fn play_one(case: &Case<'_>) -> Result<Duration, String> {
    let env = TestEnv::new();
    let result = catch_unwind(AssertUnwindSafe(|| (case.play)(&env)));
    result.map_err(|panic| {
        let said = message(panic.as_ref());
        let failure = format!("{said}\n{}", scene(&env));
        end_marked(env.mark());
        failure
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// What is left of a case that failed: its processes, its record, what it printed.
fn scene(env: &TestEnv) -> String {
    let mut scene = format!("--- processes ---\n{}\n", list(&Process::marked(env.mark())));
    for run in env.runs() {
        scene.push_str(&run.tail());
    }
    for entry in fs::read_dir(env.path("captured")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        let _ = writeln!(scene, "--- {} ---\n{tail}", path.file_name().unwrap().to_string_lossy());
    }
    scene
}

/// Past the capture of the test harness: the figures are of interest when all is well.
fn tell(title: &str, rows: &BTreeMap<&str, (Duration, &str, usize)>) {
    let mut text = format!("\n{title}: time until nobody was left, at worst\n");
    for (row, (worst, name, count)) in rows {
        let _ = writeln!(text, "  {row:<50} {:>6} ms  of {count:>3}  {name}", worst.as_millis());
    }
    let _ = io::stderr().write_all(text.as_bytes());
}
