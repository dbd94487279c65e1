//! Mistakes that people make, and what they are told: a message and what to do for each.

use std::fmt::Write as _;

use roboppi_workflow::parse;

const HEAD: &str = "name: n\nversion: \"1\"\ntimeout: 1m\n";
const STEP: &str = "  a:\n    worker: CUSTOM\n    capabilities: [READ]\n    instructions: x\n";

/// The usual file with one text in place of another one.
fn instead(of: &str, text: &str) -> String {
    format!("{HEAD}steps:\n{STEP}").replacen(of, text, 1)
}

/// The usual file with more lines.
fn with(lines: &str) -> String {
    format!("{HEAD}steps:\n{STEP}{lines}")
}

fn told(files: &[String]) -> String {
    let mut all = String::new();
    for text in files {
        let parsed = parse(text);
        assert!(!parsed.diagnostics.is_empty(), "nothing is wrong with\n{text}");
        for found in &parsed.diagnostics {
            let line = text.lines().nth(found.line - 1).unwrap_or_default();
            let _ = writeln!(all, "{line}\n  {}: {}", found.severity.name(), found.message);
            if let Some(hint) = &found.hint {
                let _ = writeln!(all, "  hint: {hint}");
            }
        }
        all.push('\n');
    }
    all
}

#[test]
fn words_of_other_programs() {
    let words = ["WRITE", "Bash", "EXECUTE", "TEST"].map(|word| instead("READ", word));
    let workers = ["claude", "codex", "SHELL", "bash", "gpt-4"].map(|word| instead("CUSTOM", word));
    let keys = [
        "on_failure: ignore",
        "continue_on_error: yes",
        "needs: [b]",
        "when: always()",
        "variables: {A: b}",
        "dependsOn: [b]",
    ];
    let keys = keys.map(|key| with(&format!("    {key}\n")));
    insta::assert_snapshot!(told(&[&words[..], &workers, &keys].concat()));
}

#[test]
fn times_and_numbers() {
    let times = ["1d", "30 minutes", "30min", "1.5h", "-1m", "5", "\"5\"", "never", "soon"];
    let times = times.map(|time| instead("1m", time));
    let top =
        ["concurrency: unlimited", "concurrency: 0", "max_tokens: 100k", "max_cost: $5", "max_cost: \"2\""];
    let top = top.map(|line| instead("steps:", &format!("{line}\nsteps:")));
    let idle = [with("    idle: never\n"), with("    timeout: 90\n")];
    insta::assert_snapshot!(told(&[&times[..], &top, &idle].concat()));
}

#[test]
fn texts_that_need_quotation_marks() {
    let texts = [
        "echo \"a: b\"",
        "echo done: all",
        "*.py",
        "@file",
        "`date`",
        "%d",
        "{{ matrix.x }}",
        "[a, b]",
        "'don't'",
        "\"a\" b",
        "\"\\d\"",
        "# TODO",
        "\"echo",
    ];
    insta::assert_snapshot!(told(
        &texts.map(|text| instead("instructions: x", &format!("instructions: {text}")))
    ));
}

#[test]
fn indentation_and_punctuation() {
    insta::assert_snapshot!(told(&[
        format!("{HEAD}steps:\na:\n  worker: CUSTOM\n  capabilities: [READ]\n  instructions: x\n"),
        instead("    capabilities", "     capabilities"),
        instead("worker: CUSTOM", "worker:CUSTOM"),
        instead("worker: CUSTOM", "worker CUSTOM"),
        instead("instructions: x", "instructions: |\n    echo x"),
        instead("[READ]", "[READ"),
        instead("    worker", "\tworker"),
        format!("{HEAD}steps:\n  - name: a\n    worker: CUSTOM\n"),
        format!("{HEAD}steps:\n"),
    ]));
}

#[test]
fn values_of_another_form() {
    let keys = [
        "depends_on: a",
        "depends_on: {a: success}",
        "outputs: [dist]",
        "outputs: {app: dist}",
        "inputs: [app]",
        "outputs: [{name: a, path: /tmp/x}]",
        "secrets: {TOKEN: x}",
        "model: opus",
    ];
    let top = ["environment: [A]", "environment: {A: b}", "defaults: {worker: CUSTOM}"];
    let top = top.map(|line| instead("steps:", &format!("{line}\nsteps:")));
    let more = [
        instead("instructions: x", "instructions:\n      - echo a\n      - echo b"),
        format!("{HEAD}steps:\n  a:\n"),
        format!("{HEAD}steps:\n  a: make\n"),
        instead("\"1\"", "1.0"),
        instead("\"1\"", "v1"),
        instead("  a:", "  null:"),
    ];
    insta::assert_snapshot!(told(
        &[&keys.map(|key| with(&format!("    {key}\n")))[..], &top, &more].concat()
    ));
}

#[test]
fn files_of_other_programs() {
    insta::assert_snapshot!(told(&[
        "name: ci\non: [push]\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: []\n".to_owned(),
        "services:\n  db: {image: postgres}\n".to_owned(),
        "hello\n".to_owned(),
        "- a\n".to_owned(),
        "# nothing\n".to_owned(),
    ]));
}
