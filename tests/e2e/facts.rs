//! One fact, all views: what a run should tell is in its lines, its summary, its page and its JSON, in the same words.

use nix::sys::signal::Signal::{SIGINT, SIGTERM};
use serde_json::Value;

use crate::env::{Running, TestEnv};
use crate::flow::Flow;

/// What is known of a run, and where it has to be.
struct Fact {
    name: &'static str,
    flow: Flow,
    flags: &'static [&'static str],
    /// What happens to it once its step says so.
    then: fn(&TestEnv, &Running<'_>),
    code: i32,
    /// In the lines before the summary.
    lines: &'static [&'static str],
    /// After the table.
    summary: &'static [&'static str],
    /// In `roboppi show`.
    page: &'static [&'static str],
    /// In `roboppi show --json`: where, and what.
    object: &'static [(&'static str, &'static str)],
    /// In `--output json`.
    events: &'static [&'static str],
    /// On the screen of `roboppi attach`.
    screen: &'static [&'static str],
}

const UNTIL_ENDED: &str = "echo > up; until [ -e never ]; do sleep 0.01; done";

fn nothing(_: &TestEnv, _: &Running<'_>) {}

fn fact(name: &'static str, flow: Flow, code: i32) -> Fact {
    Fact {
        name,
        flow,
        flags: &[],
        then: nothing,
        code,
        lines: &[],
        summary: &[],
        page: &[],
        object: &[],
        events: &[],
        screen: &[],
    }
}

fn ends() -> Vec<Fact> {
    vec![
        Fact {
            flags: &["--grace", "100ms"],
            lines: &["✗ work  timed out after 300ms (`timeout`), killed"],
            summary: &["failed   work: timed out after 300ms (`timeout`), killed"],
            page: &["work failed: timed out after 300ms (`timeout`), killed"],
            object: &[
                ("/steps/0/why", "timed out after 300ms (`timeout`), killed"),
                ("/steps/0/attempts/0/cancelReason", "timeout"),
                ("/steps/0/attempts/0/killed", "true"),
            ],
            events: &["timed out after 300ms (`timeout`), killed"],
            screen: &["timed out after 300ms (`timeout`)"],
            ..fact(
                "a time limit of a step",
                Flow::new().step_with(
                    "work",
                    "trap '' TERM; until [ -e never ]; do sleep 0.01; done",
                    &["timeout: 300ms"],
                ),
                1,
            )
        },
        Fact {
            lines: &["✗ work  timed out (`idle`): it did nothing for 300 ms"],
            summary: &["failed   work: timed out (`idle`): it did nothing"],
            page: &["work failed: timed out (`idle`): it did nothing"],
            object: &[("/steps/0/attempts/0/cancelReason", "timeout")],
            events: &["(`idle`)"],
            screen: &["timed out (`idle`)"],
            ..fact("an idle limit", Flow::new().step_with("work", "exec sleep 1000", &["idle: 300ms"]), 1)
        },
        Fact {
            flags: &["--timeout", "400ms"],
            lines: &[
                "■ ending the run: its time limit was reached (`timeout`)",
                "■ work  cancelled: the time limit of the run was reached",
            ],
            summary: &[
                "TIMED OUT",
                "the run timed out after 400ms (`timeout`)",
                "resume   roboppi workflow run ",
            ],
            page: &["flow: timed_out in ", "the run timed out after 400ms (`timeout`)", "Go on with it: "],
            object: &[("/state", "timed_out"), ("/end/detail", "the run timed out after 400ms (`timeout`)")],
            events: &["\"reason\":\"timeout\"", "the run timed out after 400ms"],
            screen: &["the run timed out after 400ms"],
            ..fact("the time limit of a run", Flow::of(UNTIL_ENDED), 124)
        },
        Fact {
            then: |env, run| {
                env.wait_for_file("up");
                run.signal(SIGINT);
            },
            lines: &[
                "■ ending the run: cancelled by Ctrl-C (SIGINT)",
                "■ work  cancelled: by the user; killed by SIGTERM",
            ],
            summary: &["CANCELLED", "cancelled by Ctrl-C (SIGINT)", "resume   roboppi workflow run "],
            page: &[
                "flow: cancelled in ",
                "cancelled by Ctrl-C (SIGINT)",
                "work cancelled: by the user",
                "Go on with it: ",
            ],
            object: &[
                ("/state", "cancelled"),
                ("/end/detail", "cancelled by Ctrl-C (SIGINT)"),
                ("/steps/0/attempts/0/cancelReason", "user"),
            ],
            events: &["\"signal\":\"SIGINT\"", "cancelled by Ctrl-C (SIGINT)"],
            screen: &["cancelled by Ctrl-C (SIGINT)"],
            ..fact("a cancel by Ctrl-C", Flow::of(UNTIL_ENDED), 130)
        },
        Fact {
            then: |env, run| {
                env.wait_for_file("up");
                run.signal(SIGTERM);
            },
            lines: &["■ ending the run: it received SIGTERM"],
            summary: &["it received SIGTERM"],
            page: &["it received SIGTERM"],
            object: &[("/end/detail", "it received SIGTERM"), ("/end/exitCode", "143")],
            events: &["\"signal\":\"SIGTERM\""],
            screen: &["it received SIGTERM"],
            ..fact("a signal to the run", Flow::of(UNTIL_ENDED), 143)
        },
        Fact {
            then: |env, _| {
                env.wait_for_file("up");
                let _ = env.roboppi(["cancel"]).output().code(0);
            },
            lines: &["to end the run", "■ ending the run: cancelled by the user"],
            summary: &["cancelled by the user"],
            page: &["cancelled by the user"],
            object: &[("/end/detail", "cancelled by the user"), ("/commands/0/command/type", "cancel_run")],
            events: &["\"type\":\"command\""],
            screen: &["cancelled by the user"],
            ..fact("a cancel from another process", Flow::of(UNTIL_ENDED), 130)
        },
        Fact {
            lines: &["✗ work  killed by SIGKILL"],
            summary: &["failed   work: killed by SIGKILL"],
            page: &["work failed: killed by SIGKILL"],
            object: &[("/steps/0/attempts/0/signal", "9")],
            events: &["\"signal\":9"],
            screen: &["killed by SIGKILL"],
            ..fact("a signal to a worker", Flow::of("kill -KILL $$"), 1)
        },
    ]
}

fn warnings() -> Vec<Fact> {
    vec![
        Fact {
            lines: &["! work  left a process behind, it was ended: sleep 3333"],
            summary: &["warning  work: left a process behind, it was ended: sleep 3333"],
            page: &["warning: work: left a process behind, it was ended: sleep 3333"],
            object: &[("/steps/0/attempts/0/leftBehind/0/command", "sleep 3333")],
            events: &["sleep 3333"],
            screen: &["! left a process behind, it was ended: sleep 3333"],
            ..fact("a process that is left behind", Flow::of("setsid sleep 3333 > /dev/null 2>&1 &"), 0)
        },
        Fact {
            lines: &["! work  ", "made"],
            summary: &["warning  work: ", "made"],
            page: &["warning: work: ", "made"],
            object: &[("/warnings/0/step", "work")],
            events: &["\"type\":\"warning\""],
            screen: &["! output `made`: nothing at made.txt"],
            ..fact(
                "an output that is not there",
                Flow::new().step_with("work", "true", &["outputs: [{name: made, path: made.txt}]"]),
                0,
            )
        },
        Fact {
            flags: &["--log-limit", "64KiB"],
            lines: &["! work  ", "limit"],
            summary: &["warning  work: ", "limit"],
            page: &["warning: work: ", "limit"],
            object: &[("/warnings/0/step", "work")],
            events: &["\"type\":\"warning\""],
            screen: &["! its output has reached 1 MiB, the limit of its log: only the beginning and the end"],
            ..fact("a log that is cut", Flow::of("head -c 4000000 /dev/zero | tr '\\0' '\\n'"), 0)
        },
        Fact {
            then: |env, _| {
                env.wait_for_file("up");
                let _ = env.roboppi(["retry", "-1", "work"]).output().code(1);
                env.write("go", "");
            },
            lines: &["refused, `work` is under way"],
            summary: &["warning  refused to ", "`work` is under way"],
            page: &["warning: refused to ", "`work` is under way"],
            object: &[("/commands/0/refused", "`work` is under way")],
            events: &["`work` is under way"],
            ..fact(
                "a request that is refused",
                Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done"),
                0,
            )
        },
        Fact {
            flags: &["-v"],
            lines: &["✗ work  exit code 3  ", "(attempt 2)"],
            summary: &["failed   work: exit code 3", "output   roboppi logs r1 work", "--resume r1"],
            page: &["exit code 3", "Go on with it: roboppi workflow run "],
            object: &[("/steps/0/attempts/1/exitCode", "3"), ("/handle", "r1")],
            events: &["\"attempt\":2"],
            screen: &["exit code 3", "#2/2"],
            ..fact(
                "a step that fails again",
                Flow::new().step_with("work", "exit 3", &["on_failure: retry", "max_retries: 1"]),
                1,
            )
        },
    ]
}

/// What `text` lacks of these.
fn lacks(text: &str, wanted: &[&str]) -> Vec<String> {
    wanted.iter().filter(|part| !text.contains(**part)).map(|part| (*part).to_owned()).collect()
}

fn lacking(object: &Value, wanted: &[(&str, &str)]) -> Vec<String> {
    let is_there = |(place, part): &&(&str, &str)| match object.pointer(place) {
        Some(Value::String(text)) => text.contains(part),
        Some(other) => format!("{other}") == *part,
        None => false,
    };
    wanted.iter().filter(|one| !is_there(one)).map(|(place, part)| format!("{place}: {part}")).collect()
}

fn check(facts: Vec<Fact>) {
    let mut missing = Vec::new();
    for fact in facts {
        let env = TestEnv::new();
        let run = env.run(&fact.flow).args(fact.flags).start();
        (fact.then)(&env, &run);
        let printed = run.wait().code(fact.code).text();
        let (lines, summary) = printed.split_once("\nStep ").unwrap_or((&printed, ""));
        let page = env.roboppi(["show"]).output().code(0).text();
        let object: Value =
            serde_json::from_str(&env.roboppi(["show", "--json"]).output().code(0).text()).unwrap();
        let events = env.roboppi(["attach", "--json"]).output().code(0).text();
        if !fact.screen.is_empty() {
            let mut screen = env.roboppi(["attach", "--tui"]).start_in_terminal(40, 160);
            screen.press("1");
            fact.screen.iter().for_each(|text| screen.wait_for_text(text));
            screen.press("q");
            screen.expect_code(0);
        }
        for (view, text, lacks) in [
            ("lines", lines, lacks(lines, fact.lines)),
            ("summary", summary, lacks(summary, fact.summary)),
            ("page", &page, lacks(&page, fact.page)),
            ("object", &format!("{object:#}"), lacking(&object, fact.object)),
            ("events", &events, lacks(&events, fact.events)),
        ] {
            if !lacks.is_empty() {
                missing.push(format!("{}: {view} lack {lacks:#?} in\n{text}", fact.name));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n\n"));
}

#[test]
fn how_a_run_ended_is_in_every_view() {
    check(ends());
}

#[test]
fn what_should_be_known_of_a_run_is_in_every_view() {
    check(warnings());
}

/// A step that leaves a process behind, one that lacks an output, and one that is flaky.
fn remarkable() -> Flow {
    Flow::new()
        .step("left", "setsid sleep 3333 > /dev/null 2>&1 &")
        .step_with("lacks", "true", &["outputs: [{name: made, path: made.txt}]"])
        .step_with(
            "shaky",
            "[ -e seen ] || { touch seen; exit 1; }",
            &["on_failure: retry", "max_retries: 2"],
        )
}

#[test]
fn what_should_be_known_is_in_the_faces_of_ci_and_of_agents() {
    let env = TestEnv::new();
    let page = env.work().join("page.md");
    let run = env.run(&remarkable()).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &page);
    let job = run.output().code(0).all();
    let page = env.read("page.md");
    for (face, text, wanted) in [
        (
            "job",
            &job,
            &["::warning title=left::left a process behind", "::warning title=lacks::output `made`"][..],
        ),
        (
            "page",
            &page,
            &[
                "- ! left: left a process behind",
                "- ! lacks: output",
                "✓ succeeded (flaky) |",
                "| failed once, then",
            ],
        ),
    ] {
        let missing = lacks(text, wanted);
        assert!(missing.is_empty(), "{face} lacks {missing:#?} in\n{text}");
    }
    let _ = env.shell("rm seen").output().code(0);
    let concise = env.run(&remarkable()).env("AI_AGENT", "claude-code").output().code(0).all();
    let wanted =
        ["warning: left: left a process behind", "warning: lacks: output `made`", "\nflaky: shaky\n"];
    let missing = lacks(&concise, &wanted);
    assert!(missing.is_empty(), "{missing:#?} in\n{concise}");
    let mut screen = env.roboppi(["attach", "--tui"]).start_in_terminal(40, 160);
    screen.wait_for_text("✓~shaky");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn attempts_are_counted_from_one_and_never_out_of_a_number() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with("work", "[ -e seen ] || { touch seen; exit 1; }", &["on_failure: retry", "max_retries: 2"])
        .step("skipped", "true");
    let printed = env.run(&flow).arg("-v").output().code(0).all();
    assert!(printed.contains("work  started (attempt 2)"), "{printed}");
    for wrong in ["1/3", "2/3", "attempt 1)"] {
        assert!(!printed.contains(wrong), "{wrong}: {printed}");
    }
}

#[test]
fn a_step_that_a_user_skipped_is_not_called_a_failure() {
    let env = TestEnv::new();
    let flow = Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done").step_with(
        "later",
        "true",
        &["depends_on: [work]"],
    );
    let run = env.run(&flow).start();
    env.wait_for_file("up");
    let _ = env.roboppi(["skip", "-1", "later"]).output().code(0);
    env.write("go", "");
    let printed = run.wait().code(0).all();
    assert!(printed.contains("- later  skipped: skipped by the user\n"), "{printed}");
    assert!(printed.contains("(1 skipped)") && !printed.contains("allowed"), "{printed}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("skipped by the user") && !page.contains("allowed"), "{page}");
}
