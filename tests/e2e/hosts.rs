//! Steps on other hosts. The carrier here is a shell that starts `roboppi host` with a home, a state directory and a name of its own:
//! everything but the distance is that of another machine.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::env::{Invocation, Running, TestEnv};
use crate::flow::Flow;
use crate::processes::Process;
use crate::run_files::walk;

/// The carrier. What it writes to `carriers` are its own pids, one a line; while `cut` is there it cannot be used.
const CARRIER: &str = r#"#!/bin/bash
exec 2>>"$FAR/carrier.stderr"
if [ -e "$FAR/cut" ]; then echo "no route to host" >&2; exit 255; fi
echo $$ >> "$FAR/carriers"
cd "$FAR" || exit 1
export HOME="$FAR/home" XDG_STATE_HOME="$FAR/state" XDG_RUNTIME_DIR="$FAR/run" TMPDIR="$FAR/tmp"
unset ROBOPPI_STATE_DIR
exec "$ROBOPPI_BIN" host
"#;

/// Another machine.
struct Far<'e> {
    env: &'e TestEnv,
    dir: PathBuf,
}

impl<'e> Far<'e> {
    fn new(env: &'e TestEnv) -> Self {
        let dir = env.path("far");
        for name in ["home/project", "state", "run", "tmp"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        env.write_program("carrier", CARRIER);
        Self { env, dir }
    }

    /// A workflow whose step `work` is done there.
    fn flow(&self, script: &str, more: &str) -> Flow {
        let carrier = self.env.work().join("carrier");
        Flow::new()
            .with(&format!(
                "hosts:\n  far:\n    command: [{}]\n    workspace: project\n{more}",
                carrier.display()
            ))
            .step_with("work", script, &["host: far"])
    }

    fn run(&self, flow: &Flow) -> Invocation<'e> {
        self.env.run(flow).env("FAR", &self.dir).env("ROBOPPI_BIN", env!("CARGO_BIN_EXE_roboppi"))
    }

    fn carriers(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.dir.join("carriers")).unwrap_or_default();
        text.lines().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Kills the present carrier.
    fn kill_carrier(&self) {
        let last = *self.carriers().last().unwrap();
        if let Some(process) = Process::of(last) {
            process.signal(Signal::SIGKILL);
        }
    }

    /// Waits for a carrier after the first `count`.
    fn wait_for_carrier_after(&self, count: usize) {
        self.env.wait_for("another carrier", || (self.carriers().len() > count).then_some(()));
    }

    /// What of sessions is left there.
    fn left(&self) -> Vec<PathBuf> {
        let hosts = self.dir.join("state/roboppi/hosts");
        if hosts.exists() { walk(&hosts).split_off(1) } else { Vec::new() }
    }
}

/// Bytes of the log of the step that are here.
fn mirrored(env: &TestEnv) -> u64 {
    let log = env.runs().first().map(|run| run.log_path("work", 1));
    log.and_then(|log| log.metadata().ok()).map_or(0, |meta| meta.len())
}

/// Waits for output of the step.
fn wait_for_output(env: &TestEnv) {
    env.wait_for("output", || (mirrored(env) > 0).then_some(()));
}

/// Whether there is a warning with this text.
fn is_reported(env: &TestEnv, text: &str) -> bool {
    let warnings = env.the_run().events("warning");
    warnings.iter().any(|event| event["message"].as_str().unwrap().contains(text))
}

fn finish(env: &TestEnv, running: Running<'_>, code: i32) -> String {
    let output = running.wait().code(code).all();
    env.wait_until_nothing_is_left();
    output
}

#[test]
fn a_step_runs_there_and_its_record_is_here() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let flow = far
        .flow(
            "pwd; echo host $HOME; echo $GREETING; seq 1 500000; echo last",
            "    env: { GREETING: hello }\n",
        )
        .step_with("after", "pwd; cat context/*/_meta.json > /dev/null; echo here", &["depends_on: [work]"]);
    let printed = finish(&env, far.run(&flow).start(), 0);
    let run = env.the_run();
    assert_eq!((run.state("work"), run.state("after")), ("succeeded".to_owned(), "succeeded".to_owned()));
    let text = run.text("work", 1);
    let home = far.dir.join("home");
    let begin = format!("{}\nhost {}\nhello\n1\n2\n", home.join("project").display(), home.display());
    assert!(text.starts_with(&begin), "{}", &text[..text.len().min(300)]);
    assert!(text.ends_with("500000\nlast\n") && text.len() > 3_000_000, "{}", text.len());
    assert!(run.text("after", 1).starts_with(&env.work().display().to_string()));
    let ends = run.events("attempt_finished");
    let end =
        ends.iter().find(|end| end["of"]["step"] == "work" || end["step"] == "work").unwrap_or(&ends[0]);
    assert_eq!(end["logBytes"], text.len(), "{end}");
    assert!(printed.contains("on far"), "{printed}");
    // Readers find nothing wrong with a mirrored log.
    assert_eq!(env.roboppi(["logs", "-1", "work"]).output().code(0).text(), text);
    assert_eq!(far.carriers().len(), 1, "one connection for the life of the run");
    assert_eq!(far.left(), Vec::<PathBuf>::new(), "the spool goes when everything is here");
    let cores: Vec<_> = run.events("core_started");
    assert!(cores.iter().any(|core| core["host"] == "far"), "{cores:?}");
}

#[test]
fn a_carrier_that_is_killed_loses_and_doubles_nothing() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let script = "n=0; while [ ! -e end ]; do n=$((n+1)); echo line $n; [ $((n%200)) = 0 ] && sleep 0.01; done; echo end $n";
    let running = far.run(&far.flow(script, "")).start();
    for cut in 1..=12 {
        far.wait_for_carrier_after(cut - 1);
        wait_for_output(&env);
        let before = mirrored(&env);
        far.kill_carrier();
        far.wait_for_carrier_after(cut);
        env.wait_for("more output", || (mirrored(&env) > before).then_some(()));
    }
    fs::write(far.dir.join("home/project/end"), "").unwrap();
    finish(&env, running, 0);
    let text = env.the_run().text("work", 1);
    let mut expected = 0;
    for line in text.lines() {
        if let Some(last) = line.strip_prefix("end ") {
            assert_eq!(last.parse::<u64>().unwrap(), expected, "the last line");
            continue;
        }
        expected += 1;
        assert_eq!(line, format!("line {expected}"));
    }
    assert!(text.ends_with(&format!("end {expected}\n")));
    let journal = env.the_run().events("attempt_finished");
    assert_eq!(journal.len(), 1, "one end: {journal:?}");
    assert_eq!(far.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_host_that_cannot_be_reached_is_unreachable_and_goes_on() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let script =
        "echo begun; while [ ! -e end ]; do sleep 0.02; done; echo done there > proof; echo finished";
    let running = far.run(&far.flow(script, "    lease: 10m\n")).start();
    wait_for_output(&env);
    fs::write(far.dir.join("cut"), "").unwrap();
    far.kill_carrier();
    env.wait_for("the host is unreachable", || is_reported(&env, "far is unreachable").then_some(()));
    fs::write(far.dir.join("home/project/end"), "").unwrap();
    env.wait_for("the end of the step there", || far.dir.join("home/project/proof").exists().then_some(()));
    assert_eq!(env.the_run().state("work"), "running", "its end is not known here, so it is not invented");
    fs::remove_file(far.dir.join("cut")).unwrap();
    finish(&env, running, 0);
    assert_eq!(env.the_run().text("work", 1), "begun\nfinished\n");
    assert_eq!(env.the_run().state("work"), "succeeded");
}

#[test]
fn nothing_is_left_there_when_the_supervisor_is_killed() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let script = "sleep 1000 & setsid sleep 1001 & echo begun; wait";
    let running = far.run(&far.flow(script, "    lease: 2s\n").with("grace: 1s")).start();
    wait_for_output(&env);
    let begun = Instant::now();
    running.signal(Signal::SIGKILL);
    let workers = || Process::marked(env.mark()).iter().any(|process| process.command.contains("sleep 100"));
    env.wait_for("the end of the tree there", || (!workers()).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(60));
    // What was mirrored is there for other processes.
    assert_eq!(env.roboppi(["logs", "-1", "work"]).output().code(0).text(), "begun\n");
    // The keeper holds results for an hour; they are of no use any more.
    crate::processes::end_marked(env.mark());
    env.wait_until_nothing_is_left();
    drop(running);
}

#[test]
fn a_lease_that_is_over_ends_what_runs_there_and_its_result_is_fetched() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let script = "trap 'echo asked to end; exit 7' TERM; echo begun; while :; do sleep 0.02; done";
    let running = far.run(&far.flow(script, "    lease: 1s\n")).start();
    wait_for_output(&env);
    fs::write(far.dir.join("cut"), "").unwrap();
    far.kill_carrier();
    let worker =
        || Process::marked(env.mark()).iter().any(|process| process.command.contains("asked to end"));
    env.wait_for("the end of the step there", || (!worker()).then_some(()));
    fs::remove_file(far.dir.join("cut")).unwrap();
    let printed = finish(&env, running, 1);
    let text = env.the_run().text("work", 1);
    // Its shell may tell of its `sleep`, too.
    assert!(text.starts_with("begun\n") && text.contains("\nasked to end\n"), "{text}");
    assert!(printed.contains("lease had expired"), "{printed}");
}

#[test]
fn a_host_that_never_answers_is_given_up_with_the_words_of_its_carrier() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .with("hosts:\n  nowhere: { command: [no-such-carrier] }\n")
        .step_with("work", "true", &["host: nowhere"])
        .step("other", "echo here");
    let output = env.run(&flow).output().code(3).all();
    assert!(output.contains("no-such-carrier cannot be started"), "{output}");
    assert_eq!(env.the_run().text("other", 1), "here\n");
}

#[test]
fn hosts_and_their_mistakes_are_checked() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .with("hosts:\n  far: { ssh: -oProxyCommand=x, lease: 10ms }\n  Bad Name: {}\n  here: {}\n  ok:\n")
        .step_with("a", "true", &["host: fra"])
        .step_with("b", "true", &["host: ok", "outputs: [{ name: r, path: r.txt }]"]);
    env.write("flow.yaml", &flow.text());
    let printed = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(2).all();
    for part in [
        "`hosts.far.ssh` must be a destination",
        "`Bad Name` cannot name a host",
        "`here` is the name of this machine",
        "there is no host `fra`",
        "has artifacts, and a host",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// Writes a configuration file with hosts, each behind the carrier, and one that cannot be reached.
fn configure(env: &TestEnv) {
    let carrier = env.work().join("carrier");
    let host = |name: &str, labels: &str| {
        let carrier = carrier.display();
        format!("  {name}:\n    command: [{carrier}]\n    labels: [{labels}]\n    env: {{ NAME: {name} }}\n")
    };
    let nowhere = "  nowhere:\n    command: [no-such-carrier]\n";
    let config = format!("hosts:\n{}{}{nowhere}", host("one", "web"), host("two", "web, nix"));
    fs::create_dir_all(env.path("home/config/roboppi")).unwrap();
    fs::write(env.path("home/config/roboppi/config.yaml"), config).unwrap();
}

#[test]
fn a_command_runs_on_several_hosts_of_the_configuration_at_once() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    configure(&env);
    let on = |arguments: &[&str]| {
        let on = env.roboppi(["on"]).args(arguments);
        on.env("FAR", &far.dir).env("ROBOPPI_BIN", env!("CARGO_BIN_EXE_roboppi"))
    };
    let printed = on(&["web", "--no-tui", "--stream", "--", "echo hello from $NAME"]).output().code(0).all();
    assert!(printed.contains("hello from one") && printed.contains("hello from two"), "{printed}");
    assert!(printed.contains("on one") && printed.contains("on two"), "{printed}");
    let printed = on(&["nix,two", "--no-tui", "--", "sh", "-c", "echo a b; exit 3"]).output().code(1).all();
    assert!(printed.contains("exit code 3") || printed.contains("code 3"), "{printed}");
    assert_eq!(env.roboppi(["logs", "-1", "two"]).output().code(0).text(), "a b\n");
    let wrong = on(&["onne", "--no-tui", "--", "true"]).output().code(2).all();
    assert!(
        wrong.contains("the name or the label `onne`") && wrong.contains("did you mean `one`?"),
        "{wrong}"
    );
    env.wait_until_nothing_is_left();
    assert_eq!(far.left(), Vec::<PathBuf>::new());
}

#[test]
fn hosts_at_a_time_are_as_many_as_asked_for() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    configure(&env);
    // Each one takes a lock that is free only when no other one is there.
    let script = "mkdir \"$FAR/lock\" && for i in $(seq 200); do :; done && rmdir \"$FAR/lock\"";
    let on = env.roboppi(["on", "web", "--batch", "1", "--no-tui", "--", script]);
    on.env("FAR", &far.dir).env("ROBOPPI_BIN", env!("CARGO_BIN_EXE_roboppi")).output().code(0);
    env.wait_until_nothing_is_left();
}

#[test]
fn hosts_are_listed_with_how_they_are() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    assert!(env.roboppi(["hosts"]).output().code(2).all().contains("there are no hosts in"));
    configure(&env);
    let hosts = |arguments: &[&str]| {
        let hosts = env.roboppi(["hosts"]).args(arguments);
        hosts.env("FAR", &far.dir).env("ROBOPPI_BIN", env!("CARGO_BIN_EXE_roboppi")).output()
    };
    let list = |arguments: &[&str]| -> Vec<serde_json::Value> {
        serde_json::from_str(&hosts(arguments).code(0).text()).unwrap()
    };
    let listed = list(&["--json"]);
    let states: Vec<_> = listed.iter().map(|host| format!("{} {}", host["host"], host["state"])).collect();
    assert_eq!(states, [r#""one" "reachable""#, r#""two" "reachable""#, r#""nowhere" "unreachable""#]);
    assert_eq!(listed[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(listed[1]["labels"], serde_json::json!(["web", "nix"]));
    assert!(listed[0]["clockAheadMs"].as_i64().unwrap().abs() < 60_000, "it is the same clock: {listed:?}");
    assert!(listed[2]["reason"].as_str().unwrap().contains("no-such-carrier cannot be started"));
    assert_eq!(listed[0]["runs"], serde_json::json!([]));
    let table = hosts(&[]).code(0).text();
    assert!(table.contains("nowhere: no-such-carrier cannot be started"), "{table}");
    hosts(&["check", "web"]).code(0);
    hosts(&["check", "web,nowhere"]).code(1);
    // What runs there is named as it is here.
    let flow = far.flow("echo begun; while [ ! -e end ]; do sleep 0.02; done", "");
    let running = far.run(&flow).start();
    wait_for_output(&env);
    let dir = env.the_run().dir;
    let session = dir.file_name().unwrap().to_str().unwrap().to_owned();
    let reports = list(&["--json"]);
    let runs = reports[0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["live"], true);
    assert!(
        runs[0]["run"].as_str().unwrap().starts_with(&session),
        "of another host of the workflow: {runs:?}"
    );
    fs::write(far.dir.join("home/project/end"), "").unwrap();
    finish(&env, running, 0);
    assert_eq!(list(&["--json"])[0]["runs"], serde_json::json!([]), "nothing is left there");
}

#[test]
fn a_cancel_ends_although_the_host_is_away() {
    let env = TestEnv::new();
    let far = Far::new(&env);
    let flow = far.flow("echo begun; sleep 1000", "    lease: 1s\n");
    let running = far.run(&flow).args(["--grace", "200ms", "--drain", "200ms"]).start();
    wait_for_output(&env);
    fs::write(far.dir.join("cut"), "").unwrap();
    far.kill_carrier();
    env.wait_for("the host is unreachable", || is_reported(&env, "far is unreachable").then_some(()));
    running.signal(Signal::SIGTERM);
    let _ended = running.wait();
    let run = env.the_run();
    assert!(["lost", "cancelled"].contains(&run.state("work").as_str()), "{}", run.state("work"));
    let worker = || Process::marked(env.mark()).iter().any(|process| process.command.contains("sleep 1000"));
    env.wait_for("the end of the step there", || (!worker()).then_some(()));
    crate::processes::end_marked(env.mark());
    env.wait_until_nothing_is_left();
}
