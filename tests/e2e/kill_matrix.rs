//! Whoever dies, whatever the workers are: nothing is left.

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::processes::Process;

/// Workers that are hard to end. `MARK` finds those that lose their environment.
const WORKERS: &[(&str, &str)] = &[
    ("plain", "echo > started; exec sleep 1000"),
    ("ignores TERM", "trap '' TERM INT HUP; echo > started; while :; do sleep 1000; done"),
    ("grandchild holds the pipe", "sleep 1000 & echo > started; wait"),
    ("double fork", "(sh -c 'sleep 1000 & exit' &) ; echo > started; sleep 1000"),
    ("session of its own", "setsid sleep 1000 & echo > started; wait"),
    ("session of its own, twice forked", "(setsid sh -c 'sleep 1000 & exit' &) ; echo > started; sleep 1000"),
    (
        "no environment",
        "setsid env -i bash -c 'trap \"\" TERM HUP; exec -a MARK sleep 1000' & echo > started; wait",
    ),
    ("writes and writes", "echo > started; yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ("stopped", "echo > started; kill -STOP $$; sleep 1000"),
];

/// Who gets which signal.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Supervisor(Signal),
    Core(Signal),
    /// The process above the core, which ends what the core leaves.
    Guard(Signal),
    /// Both at once.
    SupervisorAndCore,
    /// Its leader only; then the run, which has another worker, is ended.
    Worker,
}

#[expect(clippy::print_stdout, reason = "says which case it was when one fails")]
fn strike(mode: &str, blow: Blow) {
    for (name, script) in WORKERS {
        println!("{mode} {blow:?}: {name}");
        let env = TestEnv::new();
        let flow = Flow::of(&script.replace("MARK", env.mark())).step("beside", "sleep 1000");
        let running = env.run(&flow).args(["--grace", "300ms", "--drain", "300ms", mode]).start();
        env.wait_for_file("started");
        let core = || {
            let pid = env.wait_for("the pid of the core", || env.the_run().core_pid());
            Process::of(pid).expect("the core runs")
        };
        match blow {
            Blow::Supervisor(signal) => running.signal(signal),
            Blow::Core(signal) => core().signal(signal),
            Blow::Guard(signal) => Process::of(core().parent).expect("the guard runs").signal(signal),
            Blow::SupervisorAndCore => {
                let core = core();
                running.signal(SIGKILL);
                core.signal(SIGKILL);
            }
            Blow::Worker => {
                let workers = Process::marked(env.mark());
                for worker in workers.iter().filter(|process| process.command.starts_with("bash -e -c")) {
                    worker.signal(SIGKILL);
                }
                running.signal(SIGTERM);
            }
        }
        // Codes are the subject of other tests; here only the end counts.
        drop(running.wait());
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn supervised_interrupt() {
    strike("--supervised", Blow::Supervisor(SIGINT));
}

#[test]
fn supervised_term() {
    strike("--supervised", Blow::Supervisor(SIGTERM));
}

#[test]
fn supervised_kill_of_the_supervisor() {
    strike("--supervised", Blow::Supervisor(SIGKILL));
}

#[test]
fn supervised_kill_of_the_core() {
    strike("--supervised", Blow::Core(SIGKILL));
}

#[test]
fn supervised_kill_of_the_guard() {
    strike("--supervised", Blow::Guard(SIGKILL));
}

#[test]
fn supervised_term_of_the_guard() {
    strike("--supervised", Blow::Guard(SIGTERM));
}

#[test]
fn supervised_kill_of_supervisor_and_core() {
    strike("--supervised", Blow::SupervisorAndCore);
}

#[test]
fn supervised_term_of_the_core() {
    strike("--supervised", Blow::Core(SIGTERM));
}

#[test]
fn supervised_kill_of_the_worker() {
    strike("--supervised", Blow::Worker);
}

#[test]
fn direct_interrupt() {
    strike("--direct", Blow::Supervisor(SIGINT));
}

#[test]
fn direct_kill() {
    strike("--direct", Blow::Supervisor(SIGKILL));
}

#[test]
fn direct_term() {
    strike("--direct", Blow::Supervisor(SIGTERM));
}
