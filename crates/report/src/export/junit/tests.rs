use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event as XmlEvent;
use roboppi_ipc::OutputStream;
use roboppi_run::{RunEvent, RunOutcome, StepState};

use super::*;
use crate::fixtures::{
    LiveRun, attempt, attempt_finished, attempt_running, attempt_started, changed, ended, run_finished,
    run_started,
};

const OUT: OutputStream = OutputStream::Stdout;
const ERR: OutputStream = OutputStream::Stderr;

fn document(run: &LiveRun) -> String {
    let source = run.source();
    let view = source.follow().view;
    let mut out = Vec::new();
    let liveness = match view.status {
        RunStatus::Finished { outcome, .. } => Liveness::Finished(outcome),
        _ => Liveness::Lost,
    };
    JUnit::new(source.record(), &view, liveness).write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every text and attribute of a document, unescaped. Fails where it is not well-formed.
fn texts(document: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            XmlEvent::Eof => return found,
            XmlEvent::Start(start) | XmlEvent::Empty(start) => {
                for attribute in start.attributes() {
                    found.push(attribute.unwrap().value.to_string());
                }
            }
            XmlEvent::Text(text) => found.push(text.to_string()),
            _ => {}
        }
    }
}

fn tried(run: &mut LiveRun, step: &str, number: u32, exit_code: i32, output: &[(OutputStream, &[u8])]) {
    let of = attempt(step, number);
    run.events([attempt_started(&of), attempt_running(&of)]);
    let mut log_bytes = 0;
    for (stream, bytes) in output {
        run.output(&of, *stream, bytes, false);
        log_bytes += bytes.len() as u64;
    }
    run.event(attempt_finished(&of, exit_code, None, log_bytes));
}

#[test]
fn every_outcome_has_its_form() {
    let mut run = LiveRun::new();
    run.event(run_started(&[
        ("passes", 1),
        ("flaky", 3),
        ("fails", 2),
        ("optional", 1),
        ("after", 1),
        ("lost", 1),
        ("stopped", 1),
    ]));
    tried(&mut run, "passes", 1, 0, &[(OUT, b"fine\n")]);
    run.event(ended("passes", StepState::Succeeded, "", 1_500));
    tried(&mut run, "flaky", 1, 1, &[(OUT, b"one\n"), (ERR, b"no <connection>\n")]);
    tried(&mut run, "flaky", 2, 0, &[(OUT, b"two\n")]);
    run.event(ended("flaky", StepState::Succeeded, "", 2_000));
    tried(&mut run, "fails", 1, 3, &[(OUT, b"first\n")]);
    tried(&mut run, "fails", 2, 4, &[(ERR, b"second\n")]);
    run.event(ended("fails", StepState::Failed, "attempt 2 of 2: exit code 4", 61_234));
    tried(&mut run, "optional", 1, 1, &[(OUT, b"not \"needed\"\n")]);
    let RunEvent::StepChanged { step, state, detail, duration_ms, limit_until, .. } =
        ended("optional", StepState::Failed, "exit code 1", 10)
    else {
        unreachable!("a change of a step")
    };
    run.event(RunEvent::StepChanged { step, state, detail, duration_ms, allowed_to_fail: true, limit_until });
    run.event(changed("after", StepState::Skipped, "`fails` failed"));
    tried(&mut run, "lost", 1, 1, &[]);
    run.event(ended("lost", StepState::Lost, "the core died", 5));
    tried(&mut run, "stopped", 1, 1, &[]);
    run.event(ended("stopped", StepState::Cancelled, "requested by the user", 5));
    run.event(run_finished(RunOutcome::Failed, 65_000, "failed: `fails`"));
    insta::assert_snapshot!(document(&run), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="demo" tests="7" failures="1" errors="2" time="65.000">
      <testsuite name="demo" tests="7" failures="1" errors="2" time="65.000" skipped="2" timestamp="1970-01-01T00:16:40Z">
        <properties>
          <property name="run" value="0194-demo"/>
          <property name="workflow" value="/w/demo.yaml"/>
          <property name="workspace" value="/w"/>
          <property name="outcome" value="failed"/>
          <property name="exitCode" value="0"/>
        </properties>
        <testcase name="passes" classname="demo" time="1.500">
        </testcase>
        <testcase name="flaky" classname="demo" time="2.000">
          <flakyFailure message="exit code 1" type="exit_code">
            <stackTrace>attempt 1: exit code 1
    whole log: roboppi logs 0194-demo flaky --attempt 1</stackTrace>
            <system-out>one
    </system-out>
            <system-err>no &lt;connection&gt;
    </system-err>
          </flakyFailure>
        </testcase>
        <testcase name="fails" classname="demo" time="61.234">
          <failure message="attempt 2 of 2: exit code 4" type="exit_code">attempt 1: exit code 3
    whole log: roboppi logs 0194-demo fails --attempt 1</failure>
          <system-out>first
    </system-out>
          <rerunFailure message="exit code 4" type="exit_code">
            <stackTrace>attempt 2: exit code 4
    whole log: roboppi logs 0194-demo fails --attempt 2</stackTrace>
            <system-err>second
    </system-err>
          </rerunFailure>
        </testcase>
        <testcase name="optional" classname="demo" time="0.010">
          <skipped message="failed, and allowed to: exit code 1"/>
          <system-out>not &quot;needed&quot;
    </system-out>
        </testcase>
        <testcase name="after" classname="demo" time="0.000">
          <skipped message="`fails` failed"/>
        </testcase>
        <testcase name="lost" classname="demo" time="0.005">
          <error message="the core died" type="lost">the core died</error>
        </testcase>
        <testcase name="stopped" classname="demo" time="0.005">
          <error message="requested by the user" type="cancelled">requested by the user</error>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_run_that_failed_without_a_failed_step_is_not_green() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1)]));
    run.event(changed("a", StepState::Skipped, "the core could not be started"));
    run.event(run_finished(RunOutcome::Lost, 10, "no core"));
    let document = document(&run);
    assert!(document.contains(r#"errors="1""#) && document.contains(r#"name="(run)""#), "{document}");
    assert!(document.contains(r#"<error message="no core" type="run">"#), "{document}");
}

#[test]
fn a_run_without_an_end_is_an_error() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1), ("b", 1)]));
    let of = attempt("a", 1);
    run.start(&of);
    let document = document(&run);
    assert!(
        document.contains(r#"type="lost""#) && document.contains(r#"<skipped message="not over: pending""#),
        "{document}"
    );
}

#[test]
fn output_is_bounded_and_states_what_is_left_out() {
    let mut run = LiveRun::new();
    run.event(run_started(&[("a", 1), ("b", 1)]));
    let lines: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    tried(&mut run, "a", 1, 1, &[(OUT, lines.as_bytes())]);
    run.event(ended("a", StepState::Failed, "exit code 1", 1));
    let long = "x".repeat(300_000);
    let broad: String = (0..1_000).map(|_| format!("{}\n", &long[..1_500])).collect();
    tried(&mut run, "b", 1, 1, &[(OUT, long.as_bytes()), (OUT, b"\n"), (OUT, broad.as_bytes())]);
    run.event(ended("b", StepState::Failed, "exit code 1", 1));
    run.event(run_finished(RunOutcome::Failed, 65_000, ""));
    let document = document(&run);
    for shown in ["line 0\n", "line 99\n[9500 lines left out]\nline 9600\n", "line 9999\n"] {
        assert!(document.contains(shown), "{shown}");
    }
    assert!(document.len() < 160_000, "{}", document.len());
    assert!(document.contains(&format!("{}…", "x".repeat(2_000))));
}

#[test]
fn the_logs_of_many_steps_are_bounded_together() {
    let names: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
    let mut run = LiveRun::new();
    run.event(run_started(&names.iter().map(|name| (name.as_str(), 1)).collect::<Vec<_>>()));
    let text = format!("{}\n", "y".repeat(999)).repeat(100);
    for name in &names {
        tried(&mut run, name, 1, 1, &[(OUT, text.as_bytes())]);
        run.event(ended(name, StepState::Failed, "exit code 1", 1));
    }
    run.event(run_finished(RunOutcome::Failed, 65_000, ""));
    let document = document(&run);
    assert!(document.len() < 10 * 1024 * 1024, "{}", document.len());
    assert!(document.contains("[output left out: the report has 8 MiB of output already]"));
    assert_eq!(document.matches("<testcase ").count(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_names_and_any_output_make_a_document(
        name in any::<String>().prop_map(|name| format!("x{}", name.replace('/', "|")).chars().take(30).collect::<String>()),
        output in prop::collection::vec(any::<u8>(), 0..200),
        detail in any::<String>(),
    ) {
        let mut run = LiveRun::new();
        run.event(run_started(&[(&name, 1)]));
        tried(&mut run, &name, 1, 1, &[(OUT, &output), (ERR, b"]]>\x1b[31m</testsuite>\xff\n")]);
        run.event(ended(&name, StepState::Failed, &detail, 1));
        run.event(run_finished(RunOutcome::Failed, 65_000, &detail));
        let document = document(&run);
        let found = texts(&document);
        let fits = |char| matches!(char, '\n' | '\t' | ' '..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(document.chars().all(fits), "{}", document);
        prop_assert!(found.iter().any(|text| text.contains("type") || text == "exit_code"), "{}", document);
    }
}
