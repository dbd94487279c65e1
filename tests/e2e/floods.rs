//! Agents that do more than can be shown as it happens: each way to look at a run shows every call, or says how many are
//! missing, and agrees with the record.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::env::{Invocation, TestEnv, before_summary};

/// Calls of a tool, far more than may wait for a view.
const CALLS: u64 = 20_000;

/// Events of each call: itself, what it used, its result.
const EACH: u64 = 3;

/// Events that an agent tells beside those, at most.
const OTHERS: u64 = 20;

/// Prints what Claude Code prints, as fast as it can: a call and its result, again and again.
const AGENT: &str = r##"#!/bin/sh
if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit 0; fi
cat > /dev/null
exec awk -v calls="$CALLS" 'BEGIN {
  common = "\"session_id\":\"s\",\"uuid\":\"u\"}"
  print "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"/\",\"tools\":[],\"mcp_servers\":[],\"model\":\"m\",\"permissionMode\":\"acceptEdits\",\"apiKeySource\":\"none\",\"claude_code_version\":\"2.1.329\"," common
  for (n = 1; n <= calls; n++) {
    printf "{\"type\":\"assistant\",\"message\":{\"id\":\"m%d\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t%d\",\"name\":\"Bash\",\"input\":{\"command\":\"echo %d\"}}],\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}},\"parent_tool_use_id\":null,%s\n", n, n, n, common
    printf "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"t%d\",\"type\":\"tool_result\",\"content\":\"%d\",\"is_error\":false}]},\"parent_tool_use_id\":null,%s\n", n, n, common
  }
  print "{\"duration_api_ms\":1,\"stop_reason\":\"end_turn\",\"total_cost_usd\":0.5,\"usage\":{\"input_tokens\":1,\"output_tokens\":1},\"modelUsage\":{},\"permission_denials\":[],\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":1,\"result\":\"done\",\"terminal_reason\":\"completed\"," common
}'
"##;

const FLOW: &str = "name: flood\nversion: \"1\"\ntimeout: 10m\nsteps:\n  agent:\n    worker: CLAUDE_CODE\n    \
    capabilities: [READ]\n    instructions: go\n";

fn place() -> TestEnv {
    let env = TestEnv::new();
    let program = env.path("bin/claude");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, AGENT).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env.write("flow.yaml", FLOW);
    env
}

fn flood<'e>(env: &'e TestEnv, arguments: &[&str]) -> Invocation<'e> {
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    env.roboppi(["workflow", "run", "flow.yaml"])
        .args(arguments)
        .env("PATH", std::env::join_paths(dirs).unwrap())
        .env("CALLS", CALLS.to_string())
}

/// What was told of an agent: its calls that have a line, and events that are said to be missing.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    calls: u64,
    missing: u64,
    gaps: u64,
}

impl Printed {
    /// Of lines for people.
    fn in_lines(text: &str) -> Self {
        let mut told = Self { calls: 0, missing: 0, gaps: 0 };
        let mut last = 0;
        for line in before_summary(text).lines() {
            if let Some((_, call)) = line.split_once("agent  Bash echo ") {
                let number: u64 = call.split(' ').next().unwrap().parse().unwrap();
                assert!(number > last, "{number} after {last}");
                assert!(line.contains(" … ok "), "{line}");
                last = number;
                told.calls += 1;
            } else if let Some((before, _)) = [" events are not in the record", " event is not in the record"]
                .iter()
                .find_map(|words| line.split_once(words))
            {
                told.missing += before.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
                told.gaps += 1;
            }
        }
        told
    }

    /// Of lines for programs.
    fn in_json(text: &str) -> Self {
        let mut told = Self { calls: 0, missing: 0, gaps: 0 };
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            match line["event"]["type"].as_str().unwrap() {
                "tool_call" => told.calls += 1,
                "gap" => {
                    let recorded = line["event"]["recorded"].as_u64().unwrap_or(0);
                    told.missing += recorded;
                    told.gaps += u64::from(recorded > 0);
                }
                _ => {}
            }
        }
        told
    }

    /// Insists that what is not told is said to be missing.
    #[track_caller]
    fn is_all(&self, of: &str) {
        let known = EACH * self.calls + self.missing;
        let spread = EACH * self.gaps + OTHERS;
        assert!(known + spread >= EACH * CALLS && known <= EACH * CALLS + spread, "{of}: {self:?}");
        assert!(self.missing > 0 || self.calls == CALLS, "{of}: {self:?}");
    }
}

/// The last run, seen by those who come when it is over.
fn afterwards(env: &TestEnv) -> [(&'static str, Printed); 3] {
    let events = env.roboppi(["events", "--workers", "--json"]).output().code(0).text();
    let lines = env.roboppi(["replay", "--speed", "max", "--no-tui"]).output().code(0).text();
    let json = env.roboppi(["replay", "--speed", "max", "--output", "json"]).output().code(0).text();
    [
        ("events", Printed::in_json(&events)),
        ("replay", Printed::in_lines(&lines)),
        ("replay as JSON", Printed::in_json(&json)),
    ]
}

#[test]
fn no_call_of_a_fast_agent_is_left_out() {
    let whole = Printed { calls: CALLS, missing: 0, gaps: 0 };
    for arguments in [&["--no-tui"][..], &["--stream"], &["--no-tui", "--direct"]] {
        let env = place();
        let lines = flood(&env, arguments).output().code(0).text();
        assert_eq!(Printed::in_lines(&lines), whole, "{arguments:?}");
    }
    let env = place();
    let json = flood(&env, &["--output", "json"]).output().code(0).text();
    assert_eq!(Printed::in_json(&json), whole);
    assert_eq!(Printed::in_lines(&env.roboppi(["attach", "--no-tui"]).output().code(0).text()), whole);
    for (of, told) in afterwards(&env) {
        assert_eq!(told, whole, "{of}");
    }
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains(&format!("{CALLS} calls, 0 of them failed")), "{page}");
    assert!(!page.contains("at least") && !page.contains("not in the record"), "{page}");
}

#[test]
fn screens_and_those_who_attach_see_every_call_of_a_fast_agent() {
    let env = place();
    let mut screens = vec![flood(&env, &["--tui"]).start_in_terminal(40, 120)];
    env.wait_for("a run", || env.runs().first()?.events("attempt_started").first().cloned());
    let attached = env.roboppi(["attach", "--no-tui"]).start();
    let followed = env.roboppi(["events", "--follow", "--workers", "--json"]).start();
    screens.push(env.roboppi(["attach", "--tui"]).start_in_terminal(40, 120));
    let whole = Printed { calls: CALLS, missing: 0, gaps: 0 };
    assert_eq!(Printed::in_lines(&attached.wait().code(0).text()), whole);
    assert_eq!(Printed::in_json(&followed.wait().code(0).text()), whole);
    for mut on_screen in screens {
        on_screen.wait_for_text("press q to leave");
        on_screen.press("7");
        on_screen.wait_for_text(&format!("{CALLS}, 0 failed"));
        on_screen.press("q");
        on_screen.expect_code(0);
    }
}

#[test]
fn what_the_record_could_not_keep_is_counted_everywhere() {
    let env = place();
    let lines = flood(&env, &["--no-tui", "--log-limit", "1MiB"]).output().code(0).text();
    Printed::in_lines(&lines).is_all("lines");
    let warning = "its events have reached 128 KiB, the part for events of the 1 MiB of its log: only the beginning and \
                   the end of that are kept";
    assert_eq!(before_summary(&lines).matches(warning).count(), 1, "{lines}");

    let [(_, events), others @ ..] = afterwards(&env);
    assert!(events.missing > CALLS, "{events:?}");
    events.is_all("events");
    let attached = env.roboppi(["attach", "--no-tui"]).output().code(0).text();
    for (of, told) in others.into_iter().chain([("attach", Printed::in_lines(&attached))]) {
        assert_eq!((told.missing, told.gaps), (events.missing, events.gaps), "{of}");
        // Of a call and its result one may be missing, and lines are of results.
        assert!(told.calls.abs_diff(events.calls) <= events.gaps, "{of}: {told:?} {events:?}");
    }
    let recorded = env.roboppi(["events", "--workers", "--json"]).output().code(0).text();
    for end in [1, CALLS] {
        assert!(recorded.contains(&format!("\"command\":\"echo {end}\"")), "the call {end}");
    }
    let page = env.roboppi(["show"]).output().code(0).text();
    let Printed { calls, missing, .. } = events;
    for words in [
        format!("at least {calls} calls, 0 of them failed"),
        format!("{missing} events are not in the record"),
    ] {
        assert!(page.contains(&words), "no {words:?} in\n{page}");
    }
    let mut on_screen = env.roboppi(["attach", "--tui"]).start_in_terminal(40, 120);
    on_screen.wait_for_text("press q to leave");
    on_screen.wait_for_text("at least");
    on_screen.press("7");
    on_screen.wait_for_text(&format!("at least {calls}, 0 failed"));
    on_screen.press("q");
    on_screen.expect_code(0);

    let json = flood(&env, &["--output", "json", "--log-limit", "1MiB"]).output().code(0).text();
    Printed::in_json(&json).is_all("JSON");
}

#[test]
fn a_long_record_opens_from_its_snapshot_and_shows_the_same() {
    let env = place();
    let calls = 2 * CALLS;
    let _ = flood(&env, &["--no-tui"]).env("CALLS", calls.to_string()).output().code(0);
    let log = env.the_run().log_path("agent", 1);
    let [snapshot, events] = ["events.snapshot", "events.jsonl"].map(|kind| log.with_extension(kind));
    let looked_at = || {
        let page = env.roboppi(["show"]).output().code(0).text();
        assert!(page.contains(&format!("{calls} calls, 0 of them failed")), "{page}");
        let attached = env.roboppi(["attach", "--no-tui"]).output().code(0);
        assert_eq!(Printed::in_lines(&attached.text()), Printed { calls, missing: 0, gaps: 0 });
        let mut on_screen = env.roboppi(["attach", "--tui"]).start_in_terminal(40, 120);
        on_screen.wait_for_text("press q to leave");
        on_screen.press("7");
        on_screen.wait_for_text(&format!("{calls}, 0 failed"));
        on_screen.press("q");
        on_screen.expect_code(0);
        page
    };
    let kept = fs::read(&snapshot).expect("a snapshot of so many events");
    let page = looked_at();
    fs::write(&snapshot, &kept[..kept.len() / 2]).unwrap();
    assert_eq!(looked_at(), page, "of a torn one nothing is taken");
    fs::remove_file(&snapshot).unwrap();
    assert_eq!(looked_at(), page, "without one");
    fs::write(&snapshot, &kept).unwrap();

    // What a snapshot stands for is compared with it, so damage is met as without one.
    let mut bytes = fs::read(&events).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 3].copy_from_slice(b"\x01\x02\x03");
    fs::write(&events, bytes).unwrap();
    let attached = env.roboppi(["attach", "--no-tui"]).output().code(0);
    assert!(attached.stderr.contains("events.jsonl"), "{}", attached.stderr);
}
