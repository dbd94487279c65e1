//! Runs the cases as `cargo test` would.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Cases at a time; most of the time they wait.
const AT_ONCE: usize = 4;

/// Options of the usual runner that are followed by a value.
const WITH_VALUE: [&str; 5] = ["--test-threads", "--skip", "--format", "--color", "--logfile"];

pub(crate) struct Case {
    name: String,
    run: Box<dyn Fn() + Send + Sync>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, run: impl Fn() + Send + Sync + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

pub(crate) fn run(cases: &[Case], arguments: &[String]) -> ExitCode {
    let mut filters = Vec::new();
    let mut list = false;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            arguments.next();
        } else if argument == "--list" {
            list = true;
        } else if !argument.starts_with('-') {
            filters.push(argument.as_str());
        }
    }
    let wanted = |case: &&Case| filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter));
    let chosen: Vec<&Case> = cases.iter().filter(wanted).collect();
    if list {
        for case in chosen {
            say(&format!("{}: test", case.name));
        }
        return ExitCode::SUCCESS;
    }
    run_all(&chosen)
}

fn run_all(cases: &[&Case]) -> ExitCode {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let passed = catch_unwind(AssertUnwindSafe(|| (case.run)())).is_ok();
                    say(&format!("test {} ... {}", case.name, if passed { "ok" } else { "FAILED" }));
                    if !passed {
                        failed.lock().unwrap().push(case.name.as_str());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    say(&format!("\n{} cases, {} failed {failed:?}", cases.len(), failed.len()));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
