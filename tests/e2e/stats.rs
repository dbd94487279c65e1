//! Totals over all runs, and a file that is kept up to date.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::Value;

use crate::agents::{finding, with_claude};
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::{RunFiles, walk};

fn stats(env: &TestEnv, arguments: &[&str]) -> Value {
    let text = env.roboppi(["stats", "--json"]).args(arguments).output().code(0).text();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Counts by name, those that are 0 left out.
type Counts = BTreeMap<String, u64>;

fn counts(value: &Value) -> Counts {
    let names = [
        "succeeded",
        "failed",
        "timedOut",
        "incomplete",
        "cancelled",
        "lost",
        "skipped",
        "kept",
        "running",
        "waiting",
        "unknown",
    ];
    let count = |name: &str| (name.to_owned(), value[name].as_u64().unwrap());
    names.into_iter().map(count).filter(|(_, count)| *count > 0).collect()
}

fn one(counts: &mut Counts, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// Runs, steps, calls, and the calls of each tool, counted from the files alone.
#[derive(Debug, Default, PartialEq)]
struct Recount {
    runs: Counts,
    steps: Counts,
    calls: Counts,
    tools: BTreeMap<String, Counts>,
}

impl Recount {
    fn of(runs: &[RunFiles]) -> Self {
        let mut all = Self::default();
        for run in runs.iter().filter(|run| !run.events("run_started").is_empty()) {
            let outcome = run.outcome();
            one(&mut all.runs, outcome.as_deref().unwrap_or("lost"));
            for step in run.events("run_started")[0]["steps"].as_array().unwrap() {
                let state = match run.state(step["step"].as_str().unwrap()).as_str() {
                    "none" | "pending" | "ready" => "skipped".to_owned(),
                    "starting" | "running" | "ending" | "retrying" => "lost".to_owned(),
                    state => state.to_owned(),
                };
                one(&mut all.steps, &state);
            }
            walk(&run.dir).iter().filter(|path| is_event_file(path)).for_each(|path| all.calls_of(path));
        }
        all
    }

    fn calls_of(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut open = BTreeMap::new();
        for record in whole.map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let event = &record["event"];
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str().unwrap() {
                "tool_call" => drop(open.insert(id, event["name"].as_str().unwrap().to_owned())),
                "tool_result" => {
                    let tool = open.remove(&id).unwrap();
                    self.call(&tool, if event["ok"] == true { "succeeded" } else { "failed" });
                }
                _ => {}
            }
        }
        open.into_values().for_each(|tool| self.call(&tool, "lost"));
    }

    fn call(&mut self, tool: &str, outcome: &str) {
        one(&mut self.calls, outcome);
        one(self.tools.entry(tool.to_owned()).or_default(), outcome);
    }

    fn reported(value: &Value) -> Self {
        let tool = |tool: &Value| (tool["name"].as_str().unwrap().to_owned(), counts(tool));
        Self {
            runs: counts(&value["runs"]),
            steps: counts(&value["steps"]),
            calls: counts(&value["calls"]),
            tools: value["tools"].as_array().unwrap().iter().map(tool).collect(),
        }
    }
}

fn is_event_file(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".events.jsonl")
}

fn agent_flow(instructions: &str) -> String {
    format!(
        "name: agents\nversion: \"1\"\ntimeout: 5m\ncontext_dir: context-$$\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    \
         capabilities: [READ, EDIT, RUN_TESTS]\n    instructions: {instructions}\n  after:\n    worker: CUSTOM\n    \
         capabilities: [RUN_COMMANDS]\n    instructions: \"true\"\n    depends_on: [fix]\n"
    )
}

/// Runs of a writer, the writers, and the runs of all of them.
const ROUNDS: u64 = 6;
const WRITERS: u64 = 3;

#[test]
fn totals_are_those_of_the_records_whatever_is_killed() {
    let given = std::env::var("ROBOPPI_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x51a7);
    let env = with_claude();
    let file = env.work().join("deep/metrics.json");
    let maintained = env.roboppi(["stats", "--maintain", "deep/metrics.json", "--interval", "50ms"]).start();
    env.wait_for("the file", || file.exists().then_some(()));
    let (is_over, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&file).unwrap();
                serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| (&env, writer))
            .map(|(env, writer)| scope.spawn(move || write(env, writer, seed)))
            .collect();
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok), "ROBOPPI_SEED={seed} repeats it");
    });
    env.wait_for("the end of the workers", || {
        let processes = crate::processes::Process::marked(env.mark());
        (processes.len() <= 1).then_some(())
    });
    let expected = Recount::of(&env.runs());
    assert_eq!(expected.runs.values().sum::<u64>(), ROUNDS * WRITERS, "{expected:?}");
    let once = Recount::reported(&stats(&env, &[]));
    assert_eq!(once, expected, "ROBOPPI_SEED={seed} repeats it");
    assert_eq!(Recount::reported(&stats(&env, &[])), expected, "with what is remembered");
    env.wait_for("the totals in the file", || {
        let value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        (Recount::reported(&value) == expected).then_some(())
    });
    assert!(reads.load(Ordering::Relaxed) > 10);
    maintained.signal(SIGTERM);
    let _ = maintained.wait().signal(SIGTERM);
}

/// Several runs, some of which are killed at some moment.
fn write(env: &TestEnv, writer: u64, seed: u64) {
    let mut dice = seed.wrapping_add(writer.wrapping_mul(0x9e37_79b9)) | 1;
    let mut below = |bound: u64| {
        // xorshift64
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % bound
    };
    for round in 0..ROUNDS {
        let name = format!("flow-{writer}-{round}.yaml");
        let instructions = ["fix it", "writes-slowly"][below(2) as usize];
        env.write(&name, &agent_flow(instructions).replace("$$", &format!("{writer}-{round}")));
        let run =
            finding(env, env.roboppi(["workflow", "run", &name, "--no-tui", "--output", "json"])).start();
        // A run has begun when its first line is printed.
        let lines = 1 + below(12) as usize;
        if instructions == "fix it" && below(2) == 0 {
            let _ = run.wait().code(0);
            continue;
        }
        env.wait_for("lines", || (run.printed_lines() >= lines).then_some(()));
        run.signal(SIGKILL);
        let _ = run.wait();
    }
}

#[test]
fn runs_are_selected_and_printed_in_every_form() {
    let env = TestEnv::new();
    let none = env.roboppi(["stats"]).output().code(0).text();
    assert_eq!(none, "0 runs\n");
    assert_eq!(stats(&env, &[])["runs"]["count"], 0);
    let _ = env.run(&Flow::of("true").step_with("after", "exit 3", &["depends_on: [work]"])).output().code(1);
    let _ = env.run(&Flow::of("true").with("name: other")).output().code(0);
    let all = stats(&env, &[]);
    assert_eq!((&all["runs"]["succeeded"], &all["runs"]["failed"]), (&1.into(), &1.into()));
    assert_eq!((&all["steps"]["succeeded"], &all["steps"]["failed"]), (&2.into(), &1.into()));
    assert_eq!(all["bySteps"].as_array().unwrap().len(), 3);
    let count = |arguments: &[&str]| stats(&env, arguments)["runs"]["count"].as_u64().unwrap();
    assert_eq!(count(&["--workflow", "other"]), 1);
    assert_eq!(count(&["--workflow", "flow.yaml"]), 2, "the file of both");
    assert_eq!(count(&["--workflow", "none"]), 0);
    assert_eq!((count(&["--since", "1h"]), count(&["--until", "1h"])), (2, 0));
    assert_eq!(count(&["--since", "2999-01-01"]), 0);

    let table = env.roboppi(["stats"]).output().code(0).text();
    for words in ["2 runs", "WORKFLOW", "flow after", "50.0%", "RECENT"] {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    let prometheus = env.roboppi(["stats", "--format", "prometheus"]).output().code(0).text();
    assert!(
        prometheus.contains("roboppi_runs{workflow=\"other\",outcome=\"succeeded\"} 1\n"),
        "{prometheus}"
    );
    let pyjama = env.roboppi(["stats", "--format", "pyjama"]).output().code(0).text();
    let pyjama: Value = serde_json::from_str(&pyjama).unwrap();
    assert_eq!(
        (&pyjama["agents"]["r1"]["status"], &pyjama["agents"]["r2"]["status"]),
        (&"failed".into(), &"completed".into())
    );
    let refused = env.roboppi(["stats", "--since", "yesterday"]).output().code(2).all();
    assert!(refused.contains("--since"), "{refused}");
}

#[test]
fn changes_are_printed_while_they_are_made() {
    let env = TestEnv::new();
    let watch = env.roboppi(["stats", "--watch", "--json", "--interval", "50ms"]).start();
    watch.wait_for_text("\"count\":0");
    let _ = env.run(&Flow::of("true")).output().code(0);
    let printed =
        |text: &str| text.lines().any(|line| line.contains("\"runs\":{") && line.contains("\"succeeded\":1"));
    env.wait_for("the run", || (watch.printed_lines() > 1).then_some(()));
    watch.wait_for_text("\"succeeded\":1");
    watch.signal(SIGTERM);
    let text = watch.wait().signal(SIGTERM).text();
    assert!(printed(&text), "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    // It ends with its reader, and draws on a terminal.
    let _ = env.shell("\"$ROBOPPI\" stats --watch --interval 50ms | head -n1").output().code(0);
    let mut screen = env.roboppi(["stats", "--watch", "--interval", "50ms"]).start_in_terminal(8, 100);
    screen.wait_for_text("WORKFLOW");
    screen.press("\x03");
    env.wait_until_nothing_is_left();
}

#[test]
fn a_file_is_maintained_whatever_is_done_to_it() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let file = env.work().join("metrics/roboppi.prom");
    fs::create_dir(env.work().join("metrics")).unwrap();
    let old = env.write("metrics/.roboppi.prom.old.tmp", "torn");
    fs::File::open(&old).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let arguments =
        ["stats", "--maintain", "metrics/roboppi.prom", "--format", "prometheus", "--interval", "50ms"];
    let running = env.roboppi(arguments).start();
    let is_current = |text: &str| {
        let found = fs::read_to_string(&file).unwrap_or_default();
        found.contains(text).then_some(())
    };
    env.wait_for("the file", || is_current("outcome=\"succeeded\"} 1\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "others may read it");
    assert!(!old.exists(), "what a killed program left is removed");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let _ = env.run(&Flow::of("true")).output().code(0);
    env.wait_for("the second run", || is_current("outcome=\"succeeded\"} 2\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "its mode stays");
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    env.wait_for("the file again", || is_current("outcome=\"succeeded\"} 2\n"));
    fs::remove_dir_all(env.path("state/roboppi")).unwrap();
    env.wait_for("nothing", || {
        is_current("roboppi_stats_unreadable_runs 0").filter(|()| is_current("outcome=").is_none())
    });
    running.signal(SIGKILL);
    let _ = running.wait().signal(SIGKILL);
    for impossible in ["/proc/metrics.json", "metrics"] {
        let refused = env.roboppi(["stats", "--maintain", impossible]).output().code(3).all();
        assert!(refused.contains("cannot write") && refused.contains("hint: "), "{refused}");
    }
}

#[test]
fn what_is_remembered_goes_with_its_run_and_is_never_needed() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true").with("name: first")).output().code(0);
    let _ = env.run(&Flow::of("true").with("name: second")).output().code(0);
    let expected = Recount::reported(&stats(&env, &[]));
    let cache = env.path("state/roboppi/stats.cache");
    let text = fs::read_to_string(&cache).unwrap();
    let read = || serde_json::from_slice::<Value>(&fs::read(&cache).unwrap()).unwrap();
    let whole = read();
    for damaged in [&text[..text.len() / 2], "", "\0\0\0"] {
        fs::write(&cache, damaged).unwrap();
        assert_eq!(Recount::reported(&stats(&env, &[])), expected);
        assert_eq!(read(), whole, "it is written again");
    }
    let _ = env.roboppi(["runs", "rm", "r1"]).output().code(0);
    let text = fs::read_to_string(&cache).unwrap();
    assert!(!text.contains("first") && text.contains("second"), "{text}");
    assert_eq!(stats(&env, &[])["runs"]["count"], 1);
    // A directory instead of the file, and a place where nothing can be written.
    fs::remove_file(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    assert_eq!(stats(&env, &[])["runs"]["count"], 1);
    fs::remove_dir(&cache).unwrap();
    fs::set_permissions(env.path("state/roboppi"), fs::Permissions::from_mode(0o500)).unwrap();
    let counted = env.roboppi(["stats", "--json"]).by_nobody().output();
    // To another user the runs are closed, to this one they are open.
    assert!(counted.has_code(0) || counted.has_code(125), "{counted}");
    fs::set_permissions(env.path("state/roboppi"), fs::Permissions::from_mode(0o700)).unwrap();
}
