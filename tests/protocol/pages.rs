//! Pages for people, and the lines they show.

use std::fs;

use roboppi_core::live::LiveLimits;
use roboppi_core::{BreakerSettings, CoreSettings, GateSettings, PressureSettings};
use roboppi_ipc::{DEFAULT_LINE_LIMIT, Message, decode};
use serde_json::Value;

use crate::samples::kinds;
use crate::schema::{documented, schema};

/// The lines a page shows as lines of the wire, without the arrow that says who speaks.
fn shown(page: &str) -> Vec<String> {
    let text = fs::read_to_string(documented(page)).unwrap();
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```jsonl";
        } else if inside {
            lines.push(line.trim_start_matches(['→', '←', ' ']).to_owned());
        }
    }
    lines
}

#[test]
fn every_line_that_is_shown_is_a_message() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for page in ["README.md", "flows.md"] {
        for line in shown(page) {
            let message =
                decode(line.as_bytes()).unwrap().unwrap_or_else(|error| panic!("{page}: {error}: {line}"));
            assert!(!matches!(message, Message::Unknown { .. }), "{page}: {line}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(validator.is_valid(&value), "{page}: {line}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_message_is_shown_in_a_flow() {
    let lines = shown("flows.md").join("\n");
    let missing: Vec<_> =
        kinds().into_iter().filter(|kind| !lines.contains(&format!("\"type\":\"{kind}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn limits_are_those_of_the_code() {
    let page = fs::read_to_string(documented("README.md")).unwrap();
    let core = CoreSettings::default();
    let live = LiveLimits::default();
    let GateSettings { concurrency, per_second, max_cost, pressure, breaker } = GateSettings::default();
    let PressureSettings { reject, defer, degrade } = pressure;
    let BreakerSettings { failures, reset, tries } = breaker;
    assert_eq!((max_cost, live.bytes, live.batch_bytes), (None, 1024 * 1024, 16 * 1024));
    for said in [
        format!("10 MiB ({} bytes)", thousands(DEFAULT_LINE_LIMIT)),
        format!("jobs a core knows at a time | {}", thousands(core.max_jobs)),
        format!("live events of a job that may wait | {}, or 1 MiB of them", live.events),
        format!("output of an event in protocol 2 | {} bytes", thousands(live.batch_bytes)),
        format!("progress of a job | the latest of every {} ms", live.progress_time.as_millis()),
        format!("within the last {} ms", live.batch_time.as_millis()),
        format!("`--concurrency` ({concurrency})"),
        format!("`--rps` ({per_second})"),
        format!("`--bp-reject` ({reject:?})"),
        format!("`--bp-defer` ({defer:?})"),
        format!("`--bp-degrade` ({degrade:?})"),
        format!("`--cb-threshold` ({failures})"),
        format!("`--cb-reset-ms` ({} s)", reset.as_secs()),
        format!("`--cb-half-open` ({tries})"),
    ] {
        assert!(page.contains(&said), "README.md does not say: {said}");
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn nesting_ends_where_the_page_says() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        let line = format!(r#"{{"type":"escalation","event":{}{}}}"#, "[".repeat(inner), "]".repeat(inner));
        decode(line.as_bytes()).unwrap()
    };
    let page = fs::read_to_string(documented("README.md")).unwrap();
    assert!(page.contains("| deepest nesting | 127 |"));
    assert!(nested(127).is_ok());
    let error = nested(128).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}
