use roboppi_workflow::{expand, parse};
use serde_json::Value;

use super::*;

fn plan(steps: &[(&str, &str)]) -> Plan {
    let mut file = "name: demo\nversion: \"1\"\ntimeout: 1m\nsteps:\n".to_owned();
    for (name, rest) in steps {
        let worker = if rest.contains("worker:") { "" } else { "worker: CUSTOM, " };
        file += &format!("  {name}: {{ {worker}instructions: x, capabilities: [READ], {rest} }}\n");
    }
    let parsed = parse(&file);
    expand(&parsed.workflow.unwrap_or_else(|| panic!("{:?}\n{file}", parsed.diagnostics)))
}

fn release() -> Plan {
    plan(&[
        ("checkout", ""),
        ("build", "depends_on: [checkout], outputs: [{name: app, path: app}]"),
        ("lint", "depends_on: [checkout]"),
        ("docs", "depends_on: [checkout]"),
        ("review", "worker: CLAUDE_CODE, depends_on: [checkout]"),
        ("test", "depends_on: [build], inputs: [{from: build, artifact: app}]"),
        ("pack", "depends_on: [build, docs]"),
        ("publish", "depends_on: [test, pack]"),
    ])
}

/// Sixty steps: one, fifty-eight at the same time, and one for all of them.
fn wide() -> Plan {
    let names: Vec<String> = (1..=58).map(|number| format!("shard-{number}")).collect();
    let join = format!("depends_on: [{}]", names.join(", "));
    let mut steps = vec![("prepare", "")];
    steps.extend(names.iter().map(|name| (name.as_str(), "depends_on: [prepare]")));
    steps.push(("report", join.as_str()));
    plan(&steps)
}

/// A name with the marks of all formats.
fn hostile() -> Plan {
    plan(&[
        (r##""a\"]; x -> y [label=\"<b>#quot;|`""##, "outputs: [{name: \"o\\\"|]\", path: p}]"),
        (
            r##""end; %% & | #35; ->""##,
            r##"depends_on: ["a\"]; x -> y [label=\"<b>#quot;|`"], inputs: [{from: "a\"]; x -> y [label=\"<b>#quot;|`", artifact: "o\"|]"}]"##,
        ),
    ])
}

#[test]
fn one_step_is_one_line() {
    insta::assert_snapshot!(text("one", &plan(&[("build", "")]), 80));
}

#[test]
fn stages_are_below_one_another() {
    insta::assert_snapshot!(text("release", &release(), 80));
    insta::assert_snapshot!(text("release", &release(), 30));
}

#[test]
fn a_row_of_steps_has_a_line_for_each() {
    let row = plan(&[("a", ""), ("b", "depends_on: [a]"), ("c", "depends_on: [b]")]);
    insta::assert_snapshot!(text("row", &row, 80), @r"
    row: 3 steps in 3 stages, at most 10 at the same time

    1  a
    2  b  ← a
    3  c  ← b
    ");
}

#[test]
fn many_steps_stay_within_the_width() {
    for width in [40, 80, 120] {
        let text = text("wide", &wide(), width);
        assert!(
            text.lines().skip(1).all(|line| unicode_width::UnicodeWidthStr::width(line) <= width),
            "{text}"
        );
        assert!(text.contains("all 58 of stage 2"), "{text}");
    }
    insta::assert_snapshot!(text("wide", &wide(), 80));
}

#[test]
fn graphviz_gets_a_digraph() {
    insta::assert_snapshot!(dot("release", &release()));
}

#[test]
fn mermaid_gets_a_flowchart() {
    insta::assert_snapshot!(mermaid(&release()));
}

#[test]
fn programs_get_steps_and_edges() {
    let value: Value = serde_json::from_str(&object("release", &release())).expect("JSON");
    assert_eq!(value["steps"].as_array().map(Vec::len), Some(8));
    assert_eq!(value["edges"].as_array().map(Vec::len), Some(9));
    assert_eq!(value["edges"][4], json!({"from": "build", "to": "test", "artifacts": ["app"]}));
}

#[test]
fn names_are_no_marks_of_a_format() {
    insta::assert_snapshot!(dot("\"] } evil {", &hostile()));
    insta::assert_snapshot!(mermaid(&hostile()));
    let value: Value = serde_json::from_str(&object("x", &hostile())).expect("JSON");
    assert_eq!(value["edges"][0]["artifacts"], json!(["o\"|]"]));
}
