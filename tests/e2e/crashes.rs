//! Supervisor, core, or both, killed at any moment: what was written is there, and says what it is.

use std::fs;
use std::thread;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::processes::Process;

/// Kills in all. `ROBOPPI_SEED` repeats a round.
const KILLS: u64 = 200;
const AT_A_TIME: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Supervisor,
    Core,
    Both,
}

/// A small generator: the same seed is always the same moment, as far as the machine lets it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn busy() -> Flow {
    let script = "for i in 1 2 3; do seq 1 2000; echo \"::progress percent=$i::at $i\"; done; echo err >&2; sleep 0.02";
    Flow::of(script)
        .step_with("beside", script, &[])
        .step_with("after", script, &["depends_on: [work]"])
        .step_with("last", script, &["depends_on: [after, beside]"])
}

#[test]
fn after_every_kill_the_record_holds_what_was_told() {
    let seed = std::env::var("ROBOPPI_SEED").ok().and_then(|text| text.parse().ok());
    let first = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x9e37);
    let rounds = if seed.is_some() { 1 } else { KILLS };
    thread::scope(|scope| {
        for lane in 0..AT_A_TIME.min(rounds) {
            scope.spawn(move || {
                for round in (lane..rounds).step_by(AT_A_TIME as usize) {
                    let seed = first.wrapping_add(round.wrapping_mul(0x1234_5678_9abc)) | 1;
                    let tried = std::panic::catch_unwind(|| kill_once(seed));
                    assert!(tried.is_ok(), "ROBOPPI_SEED={seed} repeats it");
                }
            });
        }
    });
}

fn kill_once(seed: u64) {
    let mut dice = Dice(seed);
    let env = TestEnv::new();
    let victim = [Victim::Supervisor, Victim::Core, Victim::Both][dice.below(3) as usize];
    let lines = dice.below(70) as usize;
    let running = env.run(&busy()).args(["--output", "json", "--grace", "100ms", "--drain", "100ms"]).start();
    let supervisor = running.process();
    // Some moment, known by how much was told.
    env.wait_for("the moment", || {
        let ended = supervisor.as_ref().is_none_or(|process| Process::of(process.pid).is_none());
        (ended || running.printed_lines() >= lines).then_some(())
    });
    let core = env.runs().last().and_then(crate::run_files::RunFiles::core_pid).and_then(Process::of);
    if victim != Victim::Supervisor
        && let Some(core) = &core
    {
        core.signal(SIGKILL);
    }
    if victim != Victim::Core
        && let Some(supervisor) = &supervisor
    {
        supervisor.signal(SIGKILL);
    }
    let told = running.wait_somehow();
    env.wait_until_nothing_is_left();

    let Some(run) = env.runs().pop() else {
        assert!(told.is_empty(), "nothing can be told of a run that has no record");
        return;
    };
    // Whole lines only: the last one may have been cut by the kill.
    let text = String::from_utf8_lossy(&told);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let journal = run.journal();
    for (number, record) in journal.iter().enumerate() {
        assert_eq!(record["seq"], number + 1, "{victim:?}: numbers rise by one");
    }
    for line in whole.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let Some(seq) =
            object["seq"].as_u64().filter(|_| object["attempt"].is_null() && object["of"].is_null())
        else {
            continue;
        };
        let kept = &journal[usize::try_from(seq).unwrap() - 1];
        assert_eq!(kept["event"], object["event"], "{victim:?}: what was told is in the record");
    }
    for finished in run.events("attempt_finished") {
        let (step, attempt) =
            (finished["of"]["step"].as_str().unwrap(), finished["of"]["attempt"].as_u64().unwrap());
        let log = run.log(step, u32::try_from(attempt).unwrap());
        assert_eq!(finished["logBytes"], log.len(), "{victim:?}: {step}");
    }
    // Everybody can read it, and it does not claim to run.
    let listed = env.roboppi(["runs", "--json"]).output().code(0).text();
    let state = serde_json::from_str::<Value>(&listed).unwrap()[0]["state"].as_str().unwrap().to_owned();
    assert!(state != "running", "{victim:?}: {listed}");
    if victim == Victim::Core {
        assert!(run.outcome().is_some(), "the supervisor says how it ended: {listed}");
    }
    let started = journal.iter().any(|record| record["event"]["type"] == "attempt_started");
    if started && fs::metadata(run.log_path("work", 1)).is_ok_and(|log| log.len() > 0) {
        let shown = env.roboppi(["logs", "-1", "work", "--attempt", "1"]).output().code(0);
        assert_eq!(shown.stdout, run.log("work", 1));
    }
}
