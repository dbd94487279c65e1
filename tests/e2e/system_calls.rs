//! What a step costs: the system calls of our own processes, counted by `strace` where there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::env::TestEnv;
use crate::flow::Flow;

/// System calls of all our processes for a step that runs `true` and writes nothing: events, record, wire, the new process
/// up to its program, and its end.
const MOST_PER_STEP: usize = 120;

/// Steps of the shorter chain; the other one has twice as many.
const STEPS: usize = 25;

/// The calls of our processes in a run of a chain of steps, by their names. `None` where nothing can be traced.
#[expect(clippy::print_stderr, reason = "who reads the results should know what was left out")]
fn calls_of(steps: usize) -> Option<BTreeMap<String, usize>> {
    let env = TestEnv::new();
    let mut flow = Flow::new().step("s0", "true");
    for step in 1..steps {
        let after = format!("depends_on: [s{}]", step - 1);
        flow = flow.step_with(&format!("s{step}"), "true", &[&after]);
    }
    // The first run of its workspace: one that finds remains of another removes them.
    env.write("flow.yaml", &flow.text());
    let traced = env.shell(
        "strace -qq -o /dev/null true 2>/dev/null || exit 77\n\
         exec strace -f -o ../trace \"$ROBOPPI\" workflow run flow.yaml --no-tui",
    );
    let output = traced.output();
    if output.exit_code() == 77 {
        eprintln!("left out: there is no strace, or it may not trace");
        return None;
    }
    let _ = output.code(0);
    Some(count(&fs::read_to_string(env.path("trace")).unwrap()))
}

/// Counts calls up to the one that makes a process another program: from there on they are its own.
fn count(trace: &str) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    let mut workers = BTreeSet::new();
    for line in trace.lines() {
        let (pid, what) = line.split_once(' ').unwrap();
        let what = what.trim_start();
        if what.starts_with("+++") {
            workers.remove(pid);
            continue;
        }
        let Some((name, arguments)) = what.split_once('(') else { continue };
        // Debug builds ask before each close whether the descriptor is open. Resumed calls were counted when they began.
        let is_check = name == "fcntl" && arguments.contains("F_GETFD");
        if is_check || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        if workers.contains(pid) {
            continue;
        }
        *calls.entry(name.to_owned()).or_default() += 1;
        if name == "execve" && arguments.split('"').nth(1).is_some_and(|program| program.ends_with("/bash")) {
            workers.insert(pid.to_owned());
        }
    }
    calls
}

#[test]
fn a_step_costs_few_system_calls() {
    let (Some(few), Some(many)) = (calls_of(STEPS), calls_of(2 * STEPS)) else { return };
    let (few_all, many_all): (usize, usize) = (few.values().sum(), many.values().sum());
    let per_step = (many_all - few_all) / STEPS;
    let each: Vec<String> = many
        .iter()
        .map(|(name, count)| (name, count.saturating_sub(few.get(name).copied().unwrap_or_default())))
        .filter(|(_, more)| *more >= STEPS / 2)
        .map(|(name, more)| format!("{name} {}.{}", more / STEPS, more % STEPS * 10 / STEPS))
        .collect();
    assert!(per_step <= MOST_PER_STEP, "{per_step} calls a step: {}", each.join(", "));
}

#[test]
fn calls_of_workers_are_not_counted() {
    let counted = count(
        "1 read(0, \"\", 5) = 0\n1 <... read resumed>) = 0\n\
         2 setsid() = 2\n2 execve(\"/usr/bin/bash\", [\"bash\"], 0x1) = 0\n2 read(0, \"\", 5) = 0\n\
         2 +++ exited with 0 +++\n2 setsid() = 2\n1 fcntl(3, F_GETFD) = 1\n1 --- SIGCHLD {} ---\n",
    );
    let expected = [("read", 1), ("setsid", 2), ("execve", 1)];
    assert_eq!(counted, expected.map(|(name, count)| (name.to_owned(), count)).into());
}
