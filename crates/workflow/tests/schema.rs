//! Schema and parser accept and refuse the same files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::disallowed_methods, reason = "the corpus is in files")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use roboppi_workflow::{KEYS, KeyStatus, Section, Severity, WorkerKinds, document, parse_with, schema};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());

/// Parts of messages about what a schema cannot see: how values of different steps, or of different keys, go together, and bytes.
const BEYOND: &[&str] = &[
    "there is no step",
    "the workflow has no input",
    "refers to nothing that is known",
    "has no `}}`",
    "into which nothing is put",
    "must be one of",
    "steps.work.if`",
    "is shorter than `backoff`",
    "wait for each other",
    "depends on itself",
    "takes an input from itself",
    "which is not in `depends_on`",
    "has no output",
    "a second output",
    "no agent of the workflow reports what it costs",
    "is there twice",
    "the file holds a second document",
    "is longer than any clock can count",
    "is longer than 255 bytes",
];

/// What the parser says: whether the file fits, unknown keys being mistakes, and whether a schema could see all that is wrong.
fn judged(text: &str) -> (bool, bool, String) {
    let parsed = parse_with(text, &WorkerKinds::any());
    let wrong = |message: &str, severity| severity == Severity::Error || message.starts_with("unknown key");
    let wrong: Vec<_> =
        parsed.diagnostics.iter().filter(|found| wrong(&found.message, found.severity)).collect();
    let seen = wrong.iter().any(|found| !BEYOND.iter().any(|part| found.message.contains(part)));
    let messages: Vec<_> = wrong.iter().map(|found| found.message.clone()).collect();
    (wrong.is_empty(), seen, messages.join("; "))
}

fn disagreement(text: &str) -> Option<String> {
    let (fits, seen, messages) = judged(text);
    let Some(value) = document(text) else {
        return fits.then(|| format!("no document, but it fits:\n{text}"));
    };
    let errors: Vec<_> =
        SCHEMA.iter_errors(&value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    // A mistake that only the parser finds leaves the schema free.
    let agree = if fits { errors.is_empty() } else { !seen || !errors.is_empty() };
    (!agree).then(|| format!("parser: {messages:?}, schema: {errors:#?}, of:\n{text}\n"))
}

fn hold(files: impl IntoIterator<Item = String>) -> usize {
    let files: Vec<_> = files.into_iter().collect();
    let wrong: Vec<_> = files.iter().filter_map(|text| disagreement(text)).collect();
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    files.len()
}

/// Values of all kinds, among them what each key takes.
const VALUES: &[&str] = &[
    "",
    "~",
    "null",
    "true",
    "false",
    "yes",
    "0",
    "1",
    "2",
    "-1",
    "1.0",
    "1.5",
    "0.001",
    "4294967295",
    "4294967296",
    "1e3",
    "0x10",
    "\"\"",
    "\" \"",
    "\"1\"",
    "\"2\"",
    "text",
    "\"two\\nlines\"",
    "\"nul\\0here\"",
    "90s",
    "1h30m",
    "0s",
    "0m0s",
    "10",
    "\"10\"",
    "1.5s",
    "5S",
    "1h 30m",
    "\" 5m \"",
    "1d",
    "none",
    "retry",
    "continue",
    "abort",
    "wait",
    "fail",
    "Retry",
    "CUSTOM",
    "CLAUDE_CODE",
    "CODEX_CLI",
    "SCRIBE",
    "scribe",
    "A-B",
    "READ",
    "[]",
    "[READ]",
    "[READ, EDIT]",
    "[READ, READ]",
    "[read]",
    "[READ, 1]",
    "[~]",
    "[\"\"]",
    "[a]",
    "[1]",
    "[2.0]",
    "[first]",
    "[first, first]",
    "[work]",
    "[NAME, OTHER_*]",
    "[NAME=value]",
    "{}",
    "{enabled: false}",
    "{enabled: true}",
    "{pass: [A]}",
    "{block: [B], pass: []}",
    "{pass: A}",
    "{other: 1}",
    "{first: {}}",
    "[{}]",
    "[{file: a}]",
    "[{command: b}]",
    "[{file: a, command: b}]",
    "[NAME, {file: a}]",
    "[{file: ''}]",
    "[{from: first, artifact: made}]",
    "[{from: first}]",
    "[{from: first, artifact: made, as: other}]",
    "[{from: first, artifact: made, as: ../up}]",
    "[{from: 1, artifact: made}]",
    "[{artifact: made}]",
    "[{name: out, path: dist}]",
    "[{name: out}]",
    "[{name: ., path: dist}]",
    "[{name: a/b, path: dist}]",
    "[{name: _meta.json, path: dist}]",
    "[{name: .collecting-x, path: dist}]",
    "[{name: .placed, path: dist}]",
    "[{name: a..b, path: x}]",
    "[{name: \"a\\nb\", path: x}]",
    "[{name: out, path: ../up}]",
    "[{name: out, path: /abs}]",
    "[{name: out, path: a/../b}]",
    "[{name: out, path: a..b/..c}]",
    "[{name: out, path: \"a\\\\..\"}]",
    "[{name: out, path: \"\"}]",
    "[{name: out, path: dist, type: ''}]",
    "[{name: out, path: dist, type: 5}]",
    "[{name: out, path: dist, typ: x}]",
];

/// Values of `env`, and of the inputs of a workflow.
const MAPS: &[&str] = &[
    "{A: b, B: 1, C: true, D: ''}",
    "{A: ~}",
    "{A: [b]}",
    "{A: {b: c}}",
    "{'': b}",
    "{'A=B': c}",
    "{\"A\\0\": c}",
    "{A: \"c\\0\"}",
    "{ROBOPPI_RUN_ID: x}",
    "{ROBOPPIX: x}",
    "{A: \"${{ inputs.x }}\"}",
    "{a: , b-c: , _d: }",
    "{'a b': }",
    "{-a: }",
    "{1a: }",
    "{a: 5}",
    "{a: {}}",
    "{a: {default: 5}}",
    "{a: {default: ~}}",
    "{a: {default: [5]}}",
    "{a: {default: ''}}",
    "{a: {type: text}}",
    "{a: {type: string, default: true}}",
    "{a: {type: number, default: true}}",
    "{a: {type: number, default: '5'}}",
    "{a: {type: number, default: 0x10}}",
    "{a: {type: number, required: false}}",
    "{a: {type: boolean, default: True}}",
    "{a: {type: boolean, default: 'true'}}",
    "{a: {type: boolean, default: 1}}",
    "{a: {type: boolean, required: false, default: false}}",
    "{a: {type: choice}}",
    "{a: {type: choice, options: []}}",
    "{a: {type: choice, options: [x, 1, true], default: 1}}",
    "{a: {type: choice, options: [x], default: y}}",
    "{a: {type: choice, options: [[x]]}}",
    "{a: {type: choice, options: x}}",
    "{a: {type: choice, options: [x], required: false}}",
    "{a: {options: [x]}}",
    "{a: {required: maybe}}",
    "{a: {required: false}}",
    "{a: {required: true, default: x}}",
    "{a: {description: ''}}",
    "{a: {description: 5}}",
    "{a: {defualt: 5}}",
];

#[test]
fn variables_and_inputs_are_judged_alike() {
    let mut files = Vec::new();
    for value in MAPS {
        files.push(with(Section::Workflow, "env", value, "CUSTOM"));
        files.push(with(Section::Workflow, "inputs", value, "CUSTOM"));
        files.push(with(Section::Step, "env", value, "CLAUDE_CODE"));
    }
    for key in KEYS.iter().filter(|key| key.section == Section::Defaults) {
        for worker in ["CUSTOM", "CLAUDE_CODE"] {
            let values = VALUES.iter().map(|value| format!("{{{}: {value}}}", key.name));
            files.extend(values.map(|value| with(Section::Workflow, "defaults", &value, worker)));
        }
    }
    files.extend(
        [
            "{worker: CUSTOM}",
            "{retry: {max: 1}, max_retries: 2}",
            "[timeout]",
            "{retry: {max: 1}, on_failure: continue}",
        ]
        .map(|value| with(Section::Workflow, "defaults", value, "CUSTOM")),
    );
    let conditions = ["always()", "steps.first.outcome == 'failed'", "{success: true}", "inputs.x"];
    files.extend(conditions.map(|value| with(Section::Step, "if", value, "CUSTOM")));
    for value in [
        "{max: 1}",
        "{max: 0}",
        "{max: 1.5}",
        "{backoff: 1s}",
        "{max: 2, backoff: 0s}",
        "{max: 2, backoff: 5, jitter: no}",
        "{max: 2, backoff: 2s, max_backoff: 1s, jitter: false}",
        "{max: 2, on: []}",
        "{max: 2, on: [FATAL]}",
        "{max: 2, on: [RETRYABLE_NETWORK, NON_RETRYABLE_TEST]}",
        "{max: 2, on: RETRYABLE_NETWORK}",
        "{max: 2, times: 3}",
    ] {
        files.push(with(Section::Step, "retry", value, "CUSTOM"));
        files.push(with(Section::Workflow, "defaults", &format!("{{retry: {value}}}"), "CUSTOM"));
        files.push(with(Section::Step, "max_retries: 1\n    retry", value, "CUSTOM"));
        files.push(with(Section::Step, "on_failure: retry\n    retry", value, "CUSTOM"));
        files.push(with(Section::Step, "on_failure: continue\n    retry", value, "CUSTOM"));
    }
    hold(files);
}

/// A file in which one line can be another one: at the place of the key, without what it says otherwise.
fn with(section: Section, key: &str, value: &str, worker: &str) -> String {
    let line = |indent: &str, name: &str, usual: &str| {
        let is_it = key == name && (indent.is_empty() == (section == Section::Workflow));
        if is_it { String::new() } else { format!("{indent}{name}: {usual}\n") }
    };
    let own = |of: Section, indent: &str| {
        if section == of { format!("{indent}{key}: {value}\n") } else { String::new() }
    };
    let first = "  first:\n    worker: CUSTOM\n    instructions: x\n    capabilities: [READ]\n    outputs: [{name: made, path: m}]\n";
    let steps = if section == Section::Workflow && key == "steps" {
        String::new()
    } else {
        let work = [
            "  work:\n".to_owned(),
            line("    ", "worker", worker),
            line("    ", "instructions", "x"),
            line("    ", "capabilities", "[READ]"),
            line("    ", "depends_on", "[first]"),
            own(Section::Step, "    "),
        ];
        format!("steps:\n{first}{}", work.concat())
    };
    let head = [line("", "name", "n"), line("", "version", "\"1\""), line("", "timeout", "1m")];
    format!("{}{}{steps}", head.concat(), own(Section::Workflow, ""))
}

#[test]
fn every_key_takes_the_same_values() {
    let keys = KEYS.iter().filter(|key| matches!(key.section, Section::Workflow | Section::Step));
    let mut files = Vec::new();
    for key in keys {
        for value in VALUES {
            for worker in ["CUSTOM", "CLAUDE_CODE", "CODEX_CLI", "OPENCODE", "GEMINI", "SCRIBE"] {
                files.push(with(key.section, key.name, value, worker));
            }
        }
    }
    let tried = hold(files);
    assert!(tried > 20_000, "{tried}");
}

/// A step with a check that has one more line.
fn with_check(key: &str, value: &str, worker: &str) -> String {
    let line = |name: &str, usual: &str| {
        if key == name { String::new() } else { format!("      {name}: {usual}\n") }
    };
    let decision = if worker == "CUSTOM" { String::new() } else { line("decision_file", "done") };
    let usual = [line("worker", worker), line("instructions", "x"), line("capabilities", "[READ]"), decision]
        .concat();
    format!(
        "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  first:\n    worker: CUSTOM\n    instructions: x\n    capabilities: [READ]\n    \
         max_iterations: 2\n    completion_check:\n{usual}      {key}: {value}\n"
    )
}

#[test]
fn every_key_of_a_check_takes_the_same_values() {
    let paths = ["a/b", "../a", "/a", ".", "./", "a/", "a/.", "./a", "a/../b", "..a"];
    let mut files = Vec::new();
    for key in KEYS.iter().filter(|key| key.section == Section::Check) {
        for value in VALUES.iter().chain(&paths) {
            for worker in ["CUSTOM", "CLAUDE_CODE", "SCRIBE"] {
                files.push(with_check(key.name, value, worker));
            }
        }
    }
    let tried = hold(files);
    assert!(tried > 4_000, "{tried}");
    let step = |lines: &str| {
        format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a: {{worker: CUSTOM, instructions: x, capabilities: [READ], {lines}}}\n"
        )
    };
    let check = "completion_check: {worker: CUSTOM, instructions: x, capabilities: [READ]}";
    hold(
        ["", ", max_iterations: 1", ", max_iterations: 2", ", max_iterations: 0"]
            .map(|most| step(&format!("{check}{most}"))),
    );
    hold(["completion_check: false", "completion_check: {enabled: false}, max_iterations: 0"].map(step));
}

#[test]
fn a_step_in_one_line_is_judged_alike() {
    let step = |lines: &str| format!("name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a: {{{lines}}}\n");
    let beside = [
        "",
        ", worker: CUSTOM",
        ", worker: CLAUDE_CODE",
        ", worker: SCRIBE",
        ", instructions: y",
        ", instructions: y, worker: CLAUDE_CODE, capabilities: [READ]",
        ", capabilities: [READ]",
        ", capabilities: []",
        ", model: m",
        ", max_iterations: 2, completion_check: {run: z}",
        ", max_iterations: 2, completion_check: {run: z, instructions: q}",
        ", max_iterations: 2, completion_check: {run: ''}",
    ];
    let runs = ["run: x", "run: ''", "run: 5", "run: [x]", "run: \"a\\0b\"", "run: ~"];
    hold(runs.iter().flat_map(|run| beside.iter().map(move |more| step(&format!("{run}{more}")))));
}

#[test]
fn names_of_steps_are_the_same() {
    let names = [
        "a",
        "0",
        "1.5",
        "true",
        "\"\"",
        "\" \"",
        ".",
        "..",
        "a.b",
        "a..b",
        "a/b",
        "a\\b",
        "\"a\\tb\"",
        "\"a\\x7fb\"",
        "\"a\\x85b\"",
        "ä",
        "漢字",
        "_agents",
        "_workflow",
        "_meta.json",
        "_x",
        "a b",
        "a:b",
        "-x",
        "\"a\\nb\"",
    ];
    let long = ["a".repeat(255), "a".repeat(256), "é".repeat(200)];
    let names = names.into_iter().map(str::to_owned).chain(long);
    hold(names.map(|name| {
        format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  ? {name}\n  : {{worker: CUSTOM, instructions: x, capabilities: [READ]}}\n"
        )
    }));
}

#[test]
fn keys_that_are_missing_or_unknown_are_found_by_both() {
    let lines = [
        "name: n",
        "version: \"1\"",
        "timeout: 1m",
        "x-mine: {a: 1}",
        "steps:",
        "  a:",
        "    worker: CUSTOM",
    ];
    let lines = lines.into_iter().chain(["    instructions: x", "    capabilities: [READ]"]);
    let lines: Vec<_> = lines.collect();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let whole = without(usize::MAX);
    let unknown = ["nme: x\n", "    wroker: x\n", "    x-own: 1\n", "  b:\n", "  b: 5\n"]
        .map(|line| format!("{whole}{line}"));
    hold((0..=lines.len()).map(without).chain(unknown).chain([
        "5\n".to_owned(),
        "[]\n".to_owned(),
        "a\n".to_owned(),
    ]));
}

#[test]
fn anchors_and_merges_are_seen_through() {
    let file = |shared: &str| {
        format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nx-shell: &shell\n  worker: CUSTOM\n  {shared}\nsteps:\n  a:\n    <<: *shell\n    instructions: x\n"
        )
    };
    hold(["capabilities: [READ]", "capabilities: []", "instructions: y"].map(file));
}

/// The files of the examples and of this test, each of which names in its first line whether it fits.
#[test]
fn whole_files_are_judged_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tried = 0;
    for dir in ["../../examples", "tests/corpus"] {
        for entry in fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            if let Some(differs) = disagreement(&text) {
                panic!("{}: {differs}", path.display());
            }
            let (fits, _, messages) = judged(&text);
            let expected = !text.starts_with("# refused");
            assert_eq!(fits, expected, "{}: {messages}", path.display());
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried} files");
}

#[test]
fn every_supported_key_is_described() {
    let schema = schema();
    for key in KEYS.iter().filter(|key| key.status == KeyStatus::Supported) {
        let properties = match key.section {
            Section::Workflow => &schema["properties"],
            Section::Step => &schema["definitions"]["step"]["properties"],
            _ => continue,
        };
        let about = properties[key.name]["description"].as_str().unwrap_or_default();
        assert!(about.len() > 8, "{}: {about:?}", key.name);
    }
    assert_eq!(schema["definitions"]["step"]["properties"]["on_failure"]["default"], "abort");
    assert_eq!(schema["properties"]["concurrency"]["default"], 10);
}
