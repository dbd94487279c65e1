//! The tools of the workflow language: schema, graph, list, fmt and the report of mistakes for editors.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::schemas::validator;

/// Names with the marks of every format, and steps that wait for each other's artifacts.
const RELEASE: &str = "\
name: release
version: \"1\"
timeout: 1m
steps:
  build: {worker: CUSTOM, capabilities: [READ], instructions: x, outputs: [{name: app, path: a}]}
  'say \"hi\"; [x] | <b>': {worker: CUSTOM, capabilities: [READ], instructions: x, depends_on: [build]}
  review: {worker: CLAUDE_CODE, capabilities: [READ], instructions: x, depends_on: [build], inputs: [{from: build, artifact: app}]}
  publish: {worker: CUSTOM, capabilities: [READ], instructions: x, depends_on: [review, 'say \"hi\"; [x] | <b>']}
";

/// A valid file in nobody's layout.
const MESSY: &str = "\
# What it is for.
steps:
    a:   # the only one
        instructions: |
            echo one
        capabilities: [ \"READ\" ]
        # Which one.
        worker: 'CUSTOM'
version: '1'
timeout: \"1m\"
name: \"messy\"
";

const TIDY: &str = "\
# What it is for.
name: messy
version: \"1\"
timeout: 1m
steps:
  a: # the only one
    # Which one.
    worker: CUSTOM
    capabilities: [READ]
    instructions: |
      echo one
";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_schema_that_is_printed_is_the_one_that_is_published() {
    let env = TestEnv::new();
    let printed = env.roboppi(["workflow", "schema"]).output().code(0).text();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json/workflow.schema.json");
    assert_eq!(json(&printed), json(&fs::read_to_string(path).unwrap()));
    let schema = jsonschema::validator_for(&json(&printed)).unwrap();
    assert!(schema.is_valid(&roboppi_workflow::document(RELEASE).unwrap()));
    assert!(!schema.is_valid(&roboppi_workflow::document("name: x\nsteps: {}\n").unwrap()));
}

#[test]
fn a_graph_is_drawn_for_every_reader() {
    let env = TestEnv::new();
    env.write("release.yaml", RELEASE);
    let drawn =
        |format: &str| env.roboppi(["wf", "graph", "release.yaml", "-f", format]).output().code(0).text();
    let text = drawn("text");
    assert!(text.starts_with("release: 4 steps in 3 stages"), "{text}");
    for part in ["1  build\n", "review (CLAUDE_CODE)  ← build [app]", "← review, say \"hi\"; [x] | <b>"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let dot = drawn("dot");
    accepted_by_graphviz(&dot);
    assert!(dot.contains(r#"[label="say \"hi\"; [x] | <b>"]"#), "{dot}");
    let mermaid = drawn("mermaid");
    assert!(mermaid.contains(r#"["say #34;hi#34;#59; #91;x#93; #124; #60;b#62;"]"#), "{mermaid}");
    accepted_by_mermaid(&mermaid);
    let graph = json(&drawn("json"));
    assert_eq!(graph["edges"].as_array().unwrap().len(), 4);
    assert_eq!((&graph["steps"][3]["step"], &graph["steps"][3]["stage"]), (&"publish".into(), &3.into()));
    env.write("wrong.yaml", "name: x\n");
    let refused = env.roboppi(["workflow", "graph", "wrong.yaml"]).output().code(2);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("no `steps`"), "{}", refused.stderr);
}

/// Reads a digraph as strictly as Graphviz does, and has Graphviz read it where it is installed.
fn accepted_by_graphviz(text: &str) {
    let string = r#""(?:[^"\\]|\\.)*""#;
    let attribute = format!("(?:[a-z]+=(?:{string}|[A-Za-z]+))");
    let attributes = format!(r"(?: \[{attribute}(?:, {attribute})*\])?");
    let line =
        format!(r"^(?:digraph {string} \{{|  rankdir=LR;|  (?:node|s\d+|s\d+ -> s\d+){attributes};|\}})$");
    let line = regex::Regex::new(&line).unwrap();
    for found in text.lines() {
        assert!(line.is_match(found), "{found}");
    }
    let Ok(mut dot) = Command::new("dot").arg("-Tcanon").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
    else {
        return;
    };
    dot.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(dot.wait().unwrap().success(), "{text}");
}

/// Every line is a node or an edge whose texts hold nothing that Mermaid or HTML would read as a mark.
fn accepted_by_mermaid(text: &str) {
    let string = r#""(?:[\w \-.,/()=]|#\d+;)*""#;
    let line =
        format!(r"^(?:flowchart LR|  s\d+(?:\[{string}\]|\({string}\))|  s\d+ -->(?:\|{string}\|)? s\d+)$");
    let line = regex::Regex::new(&line).unwrap();
    for found in text.lines() {
        assert!(line.is_match(found), "{found}");
    }
}

#[test]
fn a_graph_of_many_steps_fits_the_terminal() {
    let env = TestEnv::new();
    let names: Vec<String> = (1..=58).map(|number| format!("shard-{number}")).collect();
    let mut flow = Flow::new().step("prepare", "true");
    for name in &names {
        flow = flow.step_with(name, "true", &["depends_on: [prepare]"]);
    }
    let flow = flow.step_with("report", "true", &[&format!("depends_on: [{}]", names.join(", "))]);
    env.write("wide.yaml", &flow.text());
    let mut screen = env.roboppi(["workflow", "graph", "wide.yaml"]).start_in_terminal(40, 60);
    screen.wait_for_text("report  ← all 58 of stage 2");
    screen.wait_for_text("shard-58");
    screen.expect_code(0);
}

#[test]
fn files_are_listed_with_their_last_run() {
    let env = TestEnv::new();
    let nothing = env.roboppi(["workflow", "list"]).output().code(0).text();
    assert!(nothing.contains("roboppi init"), "{nothing}");
    env.write("good.yaml", &Flow::new().with("description: fine").step("one", "true").text());
    env.write("workflows/nightly.yml", &Flow::of("false").text());
    env.write(".roboppi/broken.yaml", "name: broken\nversion: \"1\"\nsteps: {a: {}}\n");
    env.write(".roboppi/config.yaml", "cores: {}\n");
    env.write("compose.yaml", "services: {}\n");
    let _ = env.roboppi(["workflow", "run", "good.yaml", "--no-tui"]).output().code(0);
    let _ = env.roboppi(["workflow", "run", "workflows/nightly.yml", "--no-tui"]).output().code(1);
    let listed = json(&env.roboppi(["workflow", "list", "--json"]).output().code(0).text());
    let files: Vec<_> =
        listed.as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["good.yaml", "workflows/nightly.yml", ".roboppi/broken.yaml"]);
    assert_eq!((&listed[0]["lastRun"]["state"], &listed[0]["steps"]), (&"succeeded".into(), &1.into()));
    assert_eq!(listed[1]["lastRun"]["state"], "failed");
    assert!(listed[2]["errors"].as_u64().unwrap() > 0 && listed[2]["lastRun"].is_null(), "{listed}");
    let text = env.roboppi(["workflow", "list"]).output().code(0).text();
    for part in ["FILE", "✓ succeeded", "✗ failed", ".roboppi/broken.yaml", "errors"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let elsewhere = env.roboppi(["workflow", "list", "workflows"]).output().code(0).text();
    assert!(elsewhere.contains("workflows/nightly.yml") && !elsewhere.contains("good"), "{elsewhere}");
    let missing = env.roboppi(["workflow", "list", "gone"]).output().code(2).stderr;
    assert!(missing.contains("gone cannot be read"), "{missing}");
}

#[test]
fn a_file_is_formatted_once_and_keeps_its_mode() {
    let env = TestEnv::new();
    let path = env.write("messy.yaml", MESSY);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("messy.yaml", env.work().join("link.yaml")).unwrap();

    let checked = env.roboppi(["workflow", "fmt", "--check", "messy.yaml"]).output().code(1).text();
    assert_eq!(checked, "messy.yaml: would be formatted\n");
    let diff = env.roboppi(["workflow", "fmt", "--diff", "messy.yaml"]).output().code(0).text();
    assert!(diff.starts_with("--- messy.yaml\n+++ ") && diff.contains("\n+name: messy\n"), "{diff}");
    let _ = env.roboppi(["workflow", "fmt", "--diff", "--check", "messy.yaml"]).output().code(1);
    assert_eq!(env.read("messy.yaml"), MESSY, "nothing is written");
    let printed = env.roboppi(["workflow", "fmt", "-"]).stdin(MESSY).output().code(0).text();
    assert_eq!(printed, TIDY);

    assert_eq!(
        env.roboppi(["workflow", "fmt", "link.yaml"]).output().code(0).text(),
        "link.yaml: formatted\n"
    );
    assert_eq!(env.read("messy.yaml"), TIDY);
    assert!(env.work().join("link.yaml").is_symlink(), "a link stays one");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let names = fs::read_dir(env.work()).unwrap().count();
    assert_eq!(env.roboppi(["workflow", "fmt", "--check", "messy.yaml"]).output().code(0).text(), "");
    assert_eq!(env.roboppi(["workflow", "fmt", "messy.yaml"]).output().code(0).text(), "");
    assert_eq!(fs::read_dir(env.work()).unwrap().count(), names, "no file is left beside it");
    let _ = env.roboppi(["workflow", "run", "messy.yaml", "--no-tui"]).output().code(0);
}

#[test]
fn an_invalid_file_is_not_formatted() {
    let env = TestEnv::new();
    env.write("messy.yaml", MESSY);
    env.write("wrong.yaml", "steps: {}\nname: wrong\n");
    let refused = env.roboppi(["workflow", "fmt", "wrong.yaml", "messy.yaml", "gone.yaml"]).output().code(2);
    for part in
        ["wrong.yaml:1:", "no `timeout`", "gone.yaml cannot be read", "2 of 3 files were not formatted"]
    {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(env.read("wrong.yaml"), "steps: {}\nname: wrong\n");
    assert_eq!(env.read("messy.yaml"), TIDY, "the others are formatted");
    let piped = r#"mkfifo pipe.yaml
sed 's/name: messy/name: "messy"/' messy.yaml > pipe.yaml &
exec "$ROBOPPI" workflow fmt pipe.yaml"#;
    let refused = env.shell(piped).output().code(125).stderr;
    assert!(refused.contains("no regular file"), "{refused}");
    let refused = env.roboppi(["workflow", "fmt", "-"]).stdin("a: [").output().code(2);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("stdin:1:"), "{}", refused.stderr);
}

/// Mistakes that stop a reader, each of which is found at once and named.
#[test]
fn hostile_files_are_refused_quickly() {
    let env = TestEnv::new();
    let deep = "[".repeat(200_000);
    let bomb: String = (1..30)
        .map(|level| format!("x-{level}: &l{level} [{}]\n", format!("*l{}, ", level - 1).repeat(9)))
        .collect();
    let step = "{worker: CUSTOM, capabilities: [READ], instructions: x";
    let head = "name: n\nversion: \"1\"\ntimeout: 1m\n";
    let mut circle = format!("{head}steps:\n");
    for number in 0..2_000 {
        circle += &format!("  s{number}: {step}, depends_on: [s{}]}}\n", (number + 1) % 2_000);
    }
    let cases = [
        ("deep", deep, "more than 64 lists and maps inside each other"),
        ("bomb", format!("x-0: &l0 [a, b]\n{bomb}{head}steps: {{a: {step}}}}}\n"), "aliases expand the file"),
        ("circle", circle, "steps wait for each other"),
        ("twice", format!("{head}timeout: 2m\nsteps: {{a: {step}}}}}\n"), "the key `timeout` is there twice"),
        ("tab", format!("{head}steps:\n\ta: {step}}}\n"), "indent with spaces"),
        (
            "up",
            format!("{head}steps: {{a: {step}, outputs: [{{name: o, path: ../../etc}}]}}}}\n"),
            "may lead out of the workspace",
        ),
        ("name", format!("{head}steps: {{'../a': {step}}}}}\n"), "step name `../a`"),
        ("reserved", format!("{head}steps: {{_workflow: {step}}}}}\n"), "reserved"),
        ("second", format!("{head}steps: {{a: {step}}}}}\n---\nname: m\n"), "a second document"),
        ("nul", "name: \"a\0b\"\n".to_owned(), ""),
    ];
    let schema = validator("validation.schema.json");
    for (name, text, expected) in cases {
        let file = format!("{name}.yaml");
        env.write(&file, &text);
        let printed = env.roboppi(["workflow", "validate", "-o", "json", &file]).output().code(2).text();
        let report = json(&printed);
        assert!(schema.is_valid(&report), "{printed}");
        assert_eq!(report[0]["ok"], false);
        assert!(printed.contains(expected), "{name}: {printed}");
        let _ = env.roboppi(["workflow", "fmt", "--check", &file]).output().code(2);
    }
}

#[test]
fn an_editor_gets_every_mistake_of_all_files_with_its_line() {
    let env = TestEnv::new();
    env.write("first.yaml", "name: first\nversion: 1\ntimeout: 5\nsteps: {}\n");
    env.write("second.yaml", "name: second\nversion: \"1\"\ntimeout: 1m\nsteps:\n  a:\n    wroker: CUSTOM\n");
    env.write("good.yaml", TIDY);
    let files = ["first.yaml", "second.yaml", "good.yaml", "gone.yaml"];
    let printed = env.roboppi(["workflow", "validate", "-o", "json"]).args(files).output().code(2).text();
    let report = json(&printed);
    if let Err(error) = validator("validation.schema.json").validate(&report) {
        panic!("{error} at {}: {printed}", error.instance_path());
    }
    assert_eq!(report.as_array().unwrap().len(), 4);
    let timeout = &report[0]["diagnostics"][1];
    assert_eq!(timeout["source"], "timeout: 5");
    let place = ["line", "column", "endLine", "endColumn"].map(|key| timeout[key].as_u64().unwrap());
    assert_eq!(place, [3, 10, 3, 11], "{timeout}");
    assert!(timeout["hint"].as_str().unwrap().contains("5s"), "{timeout}");
    let unknown =
        report[1]["diagnostics"].as_array().unwrap().iter().find(|found| found["severity"] == "warning");
    assert_eq!(unknown.unwrap()["hint"], "did you mean `worker`?");
    assert_eq!((&report[2]["ok"], &report[2]["steps"]), (&true.into(), &1.into()));
    assert!(report[3]["diagnostics"][0]["line"].is_null());
}
