//! A process that waits sleeps: nothing of ours wakes up while a worker is silent, but to show the time or to see whether
//! another process hangs.

use crate::env::TestEnv;
use crate::flow::Flow;

/// Says how often each process above it was woken within four seconds: that of the core first, then its guard, then what was
/// started. It waits for the run to settle before.
const WATCH: &str = r#"
    above=""; process=$PPID
    for _ in 1 2 3; do
        above="$above $process"
        process=$(awk '/^PPid:/ { print $2 }' /proc/$process/status)
    done
    woken() { cat /proc/$1/task/*/status | awk '/^voluntary_ctxt_switches:/ { sum += $2 } END { print sum }'; }
    sleep 2
    declare -A before
    for process in $above; do before[$process]=$(woken $process); done
    sleep 4
    for process in $above; do echo $(( $(woken $process) - before[$process] )); done > woken
"#;

/// Nobody asks whether a core hangs while this is watched.
const NO_HEARTBEAT: [&str; 4] = ["--heartbeat", "1h", "--heartbeat-limit", "3h"];

/// How often the core, the guard and what was started were woken.
fn woken(env: &TestEnv) -> [u64; 3] {
    let counts: Vec<u64> = env.read("woken").lines().map(|count| count.parse().unwrap()).collect();
    counts.try_into().expect("three processes")
}

#[test]
fn nobody_wakes_up_while_a_worker_is_silent() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        env.run(&Flow::of(WATCH)).arg(mode).args(NO_HEARTBEAT).output().code(0);
        let woken = woken(&env);
        // A timer that ticks once a second would be seen four times.
        assert!(woken.iter().all(|count| *count <= 2), "{mode}: {woken:?}");
    }
}

#[test]
fn a_screen_is_woken_by_its_clock_alone() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let run = env.run_in_terminal(&Flow::of(WATCH)).arg(mode).args(NO_HEARTBEAT);
        let mut on_screen = run.start_in_terminal(24, 80);
        on_screen.wait_for_text("press q to leave");
        on_screen.press("q");
        on_screen.expect_code(0);
        let [core, guard, started] = woken(&env);
        // Times are shown in seconds. Of one process the screen may have several threads.
        let (screen, others) =
            if mode == "--direct" { (core, [guard, started]) } else { (started, [guard, core]) };
        assert!(screen <= 20, "{mode}: {screen}");
        assert!(others.iter().all(|count| *count <= 2), "{mode}: {others:?}");
    }
}
