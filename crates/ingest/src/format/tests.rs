use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Ending, Figures, Lines};

/// Lines of a log of Victor, the eleventh without its end.
const SAMPLE: &str = include_str!("sample.log");

fn at(ms: u64) -> Mono {
    Mono::from_origin(Duration::from_millis(ms))
}

fn translated(format: Format, text: &str) -> (Vec<Report>, Translator) {
    let (mut lines, mut found, mut out) = (Lines::default(), Vec::new(), Vec::new());
    lines.take(text.as_bytes(), &mut found);
    let mut translator = Translator::new(format, Vec::new(), Memory::default());
    found.iter().for_each(|line| translator.line(at(1), "file", line, &mut out));
    (out.into_iter().map(|(report, _)| report).collect(), translator)
}

fn call(report: &Report) -> (&str, &str, &Value) {
    match &report.emission {
        Emission::ToolCall { id, tool, input, .. } => (id, tool, input),
        other => panic!("{other:?}"),
    }
}

fn message(report: &Report) -> (&str, &str) {
    match &report.emission {
        Emission::Progress { message, phase, .. } => (phase.as_deref().unwrap_or_default(), message),
        Emission::Error { message, .. } => ("error", message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_of_victor_is_read_as_its_writer_means_it() {
    let (reports, mut translator) = translated(Format::Victor, SAMPLE);
    let mut left = reports.iter();
    let mut next = || left.next().unwrap();
    assert!(matches!(&next().emission, Emission::Session { id, .. } if id == "api-9f3c21d0"));
    let data = r#"session.start {"resume":false,"session_id":"api-9f3c21d0","vertical":null}"#;
    assert_eq!(message(next()), ("LIFECYCLE", data));
    let (phase, request) = message(next());
    assert_eq!((phase, request.contains(r#""tool_count":24"#)), ("MODEL", true), "{request}");
    let read = next();
    let input = json!({"path": "it's \"quoted\".py", "limit": null, "opts": {"deep": {"x": [1, 2]}}});
    assert_eq!(call(read), ("call_1", "read", &input));
    assert_eq!(read.at, Stamp::read("2026-01-06 16:03:55,101"));
    assert_eq!(call(next()).1, "bash");
    let result = &next().emission;
    let expected = "line one\nline two - INFO - [TOOL] fake.start: {}";
    assert!(
        matches!(result, Emission::ToolResult { ok: true, text, duration_ms: Some(13), .. } if text == expected),
        "{result:?}"
    );
    let stage = next();
    assert_eq!(stage.session.id, "shop.web v3 - copy-77aa01bc");
    assert_eq!(message(stage), ("STATE", "stage <Stage.READING: 'reading'> → ANALYZING"));
    assert_eq!(message(next()), ("error", "TimeoutError: no answer in 9s: {again}"));
    // The seventh is the end of the session, which waits for what still comes.
    assert_eq!(message(next()), ("METRIC", "latency-p95 {'value': nan, 'unit': 'ms', 'tags': {}}"));
    let audit = message(next());
    assert_eq!(audit.0, "AUDIT");
    for part in
        [r#"[1,"\\x00\\xff"]"#, "naïve ✓ \u{2028} end", "PosixPath('/srv/a')", "tool.mcp__fs__write.denied"]
    {
        assert!(audit.1.contains(part), "no {part} in {audit:?}");
    }
    let log = message(next());
    assert_eq!((log.0, log.1.lines().count()), ("ERROR", 4), "{log:?}");
    assert!(log.1.starts_with("victor.agent.orchestrator: The loop ended: broken\nTraceback"), "{log:?}");
    assert_eq!(call(next()).1, "edit");
    assert!(matches!(next().emission, Emission::ToolResult { ok: true, duration_ms: Some(4), .. }));
    assert!(left.next().is_none());
    assert_eq!((translator.memory().counts.lines, translator.memory().counts.bad), (14, 0));

    let mut out = Vec::new();
    translator.tick(at(1_900), &mut out);
    assert!(out.is_empty());
    translator.tick(at(2_100), &mut out);
    assert!(matches!(out[0].0.emission, Emission::Complete { outcome: Ending::Succeeded, .. }));
    assert!(!translator.is_waiting());
}

#[test]
fn lines_between_valid_ones_are_counted_and_kept() {
    let good = "2026-01-06 16:03:53,693 - s - victor.events - INFO - [VERTICAL] vertical.applied: {'vertical': 'x'}\n";
    let broken = "2026-01-06 16:03:53,693 - s - victor.events - INFO - [TOOL] read.start: {'tool_name': 'read', 'argu\n";
    let (reports, translator) =
        translated(Format::Victor, &format!("{good}malformed \u{1b}[2J\n{broken}{good}"));
    assert_eq!((reports.len(), translator.memory().counts.bad), (4, 1));
    assert_eq!(reports[1].emission, Emission::Unknown { raw: "malformed \u{1b}[2J".into() });
    let pos = good.len() + "malformed \u{1b}[2J\n".len();
    assert_eq!(
        call(&reports[2]),
        (format!("read@{pos}").as_str(), "read", &json!("{'tool_name': 'read', 'argu"))
    );
    assert_eq!(reports[3].session.id, "s");
    // A category that was not asked for is counted.
    let mut other = Translator::new(Format::Victor, vec!["tool".into()], Memory::default());
    let mut out = Vec::new();
    for text in [good, broken] {
        other.line(at(1), "", &Line { at: 0, text: text.trim_end().into(), is_cut: false }, &mut out);
    }
    assert_eq!((out.len(), other.memory().counts.filtered), (1, 1));
}

#[test]
fn the_events_of_victor_are_read_in_both_forms() {
    let text = concat!(
        r#"{"id":"1","topic":"tool.start","data":{"tool_name":"read","arguments":{"path":"a"}},"timestamp":1767715433.693,"headers":{"session_id":"s1"}}"#,
        "\n",
        r#"{"topic":"tool.error","data":{"tool_name":"read","error":"no file","error_type":"OSError","duration_ms":2},"headers":{"session_id":"s1"}}"#,
        "\n",
        r#"{"category":"STATE","name":"stage_transition","data":{"old_stage":"A","new_stage":"B"},"timestamp":1767715433}"#,
        "\n",
        r#"{"topic":"model.request","data":{"prompt_tokens":10},"headers":{"session_id":"s1"}}"#,
        "\n",
        r#"{"topic":"model.response","data":{"completion_tokens":5},"headers":{"session_id":"s1"}}"#,
        "\n",
        r#"{"topic":"model.streaming_delta","data":{"delta":"x"}}"#,
        "\n",
        r#"{"topic":"error.raised","data":{"error":"broken","error_type":"X"},"headers":{}}"#,
        "\n",
        r#"{"topic":"lifecycle.session.end","data":{"success":false},"headers":{"session_id":"s1"}}"#,
        "\n",
        "{\"topic\":7}\n",
    );
    let (reports, mut translator) = translated(Format::VictorJsonl, text);
    let id = call(&reports[0]).0;
    assert!(
        matches!(&reports[1].emission, Emission::ToolResult { id: of, ok: false, text, .. } if of == id && text == "no file")
    );
    assert_eq!(message(&reports[2]), ("STATE", "stage A → B"));
    assert_eq!(
        reports[5].emission,
        Emission::Usage(Figures { input_tokens: 10, output_tokens: 5, ..Figures::default() })
    );
    assert_eq!(message(&reports[6]), ("error", "raised: broken"));
    assert_eq!((reports.len(), translator.memory().counts.bad), (8, 1));
    let mut out = Vec::new();
    translator.finish(&mut out);
    assert!(matches!(out[0].0.emission, Emission::Complete { outcome: Ending::Failed, .. }));
}

#[test]
fn lines_of_json_and_of_a_pattern_are_records() {
    let text = concat!(
        r#"{"type":"step","step":"build"}"#,
        "\n",
        r#"{"ts":1767715433.5,"level":"warn","msg":"low disk","n":1}"#,
        "\n",
        r#"{"a":1}"#,
        "\n[]\nmalformed\n",
    );
    let (reports, translator) = translated(Format::Jsonl, text);
    assert!(matches!(&reports[0].emission, Emission::Step(update) if update.step == "build"));
    assert_eq!(message(&reports[1]), ("warn", "low disk"));
    assert!(reports[1].at.is_some());
    assert_eq!(message(&reports[2]), ("", r#"{"a":1}"#));
    assert_eq!(translator.memory().counts.bad, 2);

    let format = r"regex:^(?P<time>\S+ \S+) (?P<level>[A-Z]+) (?:tool=(?P<tool>\w+) )?(?:status=(?P<status>\w+) )?(?P<message>.*)";
    let text = "2026-01-06 16:03:53 ERROR broken\n  at x\n\tat y\nmalformed\n2026-01-06 16:03:54 INFO tool=read status=error no file\n";
    let (reports, translator) = translated(Format::read(format).unwrap(), text);
    assert_eq!(message(&reports[0]), ("ERROR", "broken\n  at x\n\tat y"));
    assert!(matches!(&reports[1].emission, Emission::Unknown { raw } if raw == "malformed"));
    assert_eq!(call(&reports[2]).1, "read");
    assert!(matches!(reports[3].emission, Emission::ToolResult { ok: false, .. }));
    assert_eq!(translator.memory().counts.bad, 1);
    for (text, expected) in [
        ("dance", "`dance` is no format"),
        ("regex:(", "the pattern cannot be used"),
        ("regex:(?P<color>.)", "the group `color` of the pattern has no meaning"),
    ] {
        assert!(Format::read(text).unwrap_err().to_string().starts_with(expected), "{text}");
    }
}

#[test]
fn what_is_remembered_survives_a_checkpoint() {
    let (_, translator) = translated(Format::Victor, SAMPLE);
    let text = serde_json::to_string(translator.memory()).unwrap();
    let memory: Memory = serde_json::from_str(&text).unwrap();
    let mut again = Translator::new(Format::Victor, Vec::new(), memory);
    let mut out = Vec::new();
    again.finish(&mut out);
    assert!(matches!(out[0].0.emission, Emission::Complete { .. }), "{out:?}");
    // The file of an earlier version has less.
    assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
}

proptest! {
    #[test]
    fn no_line_is_a_panic(lines in proptest::collection::vec("[ -~é\u{2028}]{0,80}", 0..8), format in 0..5_usize) {
        let format = ["victor", "victor-jsonl", "jsonl", "regex:(?P<message>a.*)", "claude-project"][format];
        let text: String = lines.iter().map(|line| format!("2026-01-06 16:03:53,693 - {line}\n{line}\n")).collect();
        let (_, translator) = translated(Format::read(format).unwrap(), &text);
        prop_assert!(translator.memory().counts.lines <= 16);
    }
}
