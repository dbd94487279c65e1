//! A wall clock that is set while a run goes on, by a day, to either side. Order comes from numbers, durations and
//! limits from a clock that nobody sets.

use std::path::PathBuf;
use std::process::Command;

use crate::env::TestEnv;
use crate::flow::Flow;

/// What the wall clock of a process says, plus the seconds in the file `JUMP`.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, out);
    const char *path = getenv("JUMP");
    if (id == CLOCK_REALTIME && result == 0 && path) {
        char text[32] = {0};
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) > 0) out->tv_sec += atol(text);
            close(fd);
        }
    }
    return result;
}
"#;

/// The shim, built; `None` where there is no way to.
#[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
pub(crate) fn shim(env: &TestEnv) -> Option<PathBuf> {
    let (source, library) = (env.write("jump.c", SHIM), env.path("jump.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("left out: there is no C compiler");
        return None;
    }
    Some(library)
}

#[test]
fn neither_order_nor_durations_nor_limits_depend_on_the_wall_clock() {
    const DAY: i64 = 86_400;

    for mode in ["--supervised", "--direct"] {
        for jump in [-DAY, DAY] {
            let env = TestEnv::new();
            let Some(library) = shim(&env) else { return };
            let script = "echo before; echo up > up; while [ ! -e go ]; do sleep 0.01; done; echo after";
            let flow = Flow::new().step_with("work", script, &["timeout: 1m"]).step_with(
                "later",
                "echo later",
                &["depends_on: [work]", "timeout: 1m"],
            );
            let jumped = env.path("jumped");
            std::fs::write(&jumped, "0").unwrap();
            let run = env.run(&flow).arg(mode).env("LD_PRELOAD", &library).env("JUMP", &jumped);
            let running = run.start();
            env.wait_for_file("up");
            std::fs::write(&jumped, jump.to_string()).unwrap();
            env.write("go", "");
            let said = running.wait().code(0).all();
            assert!(!said.contains("warning") && !said.contains(" ! "), "{mode} {jump}: {said}");

            let run = env.the_run();
            let journal = run.journal();
            let seqs: Vec<u64> = journal.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
            assert_eq!(seqs, (1..=journal.len() as u64).collect::<Vec<_>>());
            let times: Vec<i64> = journal.iter().map(|record| record["ts"].as_i64().unwrap()).collect();
            let moved = (times[times.len() - 1] - times[0]) / 1_000;
            assert!(
                (jump - 3_600..jump + 3_600).contains(&moved),
                "the clock of the run has jumped by {moved} s"
            );
            for event in run.events("run_finished").iter().chain(&run.events("step_changed")) {
                let took = event["durationMs"].as_u64().unwrap_or_default();
                assert!(took < 3_600_000, "{event}");
            }
            assert_eq!(env.roboppi(["logs", "-1", "work"]).output().code(0).text(), "before\nafter\n");
            let stamped = env.roboppi(["logs", "-1", "work", "--timestamps"]).output().code(0).text();
            let words: Vec<_> = stamped.lines().filter_map(|line| line.split(' ').nth(1)).collect();
            assert_eq!(words, ["before", "after"]);
            let kinds: Vec<String> = env
                .roboppi(["events"])
                .output()
                .code(0)
                .text()
                .lines()
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect();
            assert_eq!(kinds, seqs.iter().map(u64::to_string).collect::<Vec<_>>());
            let shown = env.roboppi(["show"]).output().code(0).all();
            assert!(shown.contains(": succeeded in ") && !shown.contains(" h"), "{shown}");
            // A run that began tomorrow is no old one.
            let pruned = env.roboppi(["runs", "prune", "--days", "1"]).output().code(0).all();
            assert!(pruned.contains("0 runs removed") || jump < 0, "{pruned}");
        }
    }
}
