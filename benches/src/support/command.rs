//! Commands that are run to their end.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::processes::{Peaks, peaks};

/// Runs a command to its end. `None`, with a word about it, when it fails.
pub(crate) fn timed(command: &mut Command) -> Option<Duration> {
    let start = Instant::now();
    let status = quiet(command).status();
    finished(command, status.is_ok_and(|status| status.success()), start)
}

/// As [`timed`], and looks at the memory of the processes of roboppi meanwhile. `roles` are given from the top.
pub(crate) fn watched(command: &mut Command, roles: &[&'static str], most: &mut Peaks) -> Option<Duration> {
    let start = Instant::now();
    let mut child = quiet(command).spawn().ok()?;
    let pid = child.id();
    let over = AtomicBool::new(false);
    let success = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.rise(&peaks(pid, roles));
                thread::sleep(Duration::from_millis(20));
            }
        });
        let success = child.wait().is_ok_and(|status| status.success());
        over.store(true, Ordering::Relaxed);
        success
    });
    finished(command, success, start)
}

fn finished(command: &Command, success: bool, start: Instant) -> Option<Duration> {
    let time = start.elapsed();
    if !success {
        println!("  failed: {command:?}");
    }
    success.then_some(time)
}

/// A command that prints nothing.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}
