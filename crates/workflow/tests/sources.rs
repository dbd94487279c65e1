//! Workflows of several files: which ones are asked for, and that each mistake is shown in its file.

use std::collections::BTreeMap;

use roboppi_workflow::{Parsed, Sources, WorkerKinds, parse, parse_sources};

const MAIN: &str = "\
name: main
version: \"1\"
timeout: 1h
steps:
  build: { worker: CUSTOM, instructions: make, capabilities: [READ] }
  release: { workflow: sub/release.yaml, depends_on: [biuld] }
";

const RELEASE: &str = "\
name: release
version: \"1\"
timeout: 1h
steps:
  sign: { worker: CUSTOM, instructions: sign, capabilities: [READ], tiemout: 5m }
  again: { workflow: release.yaml }
";

/// Asks in rounds as a caller with these files would, each under the directory of the one that names it.
fn read(files: &[(&str, &str)]) -> (Sources, Parsed, Vec<Vec<String>>) {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut sources = Sources::new("main.yaml", files["main.yaml"]);
    let mut rounds = Vec::new();
    loop {
        let parsed = parse_sources(&sources, &WorkerKinds::builtin());
        if parsed.needs.is_empty() {
            return (sources, parsed, rounds);
        }
        rounds.push(parsed.needs.iter().map(|need| need.path.clone()).collect());
        for need in parsed.needs {
            let from = sources.file(need.span.file).name.clone();
            let name =
                from.rsplit_once('/').map_or(need.path.clone(), |(dir, _)| format!("{dir}/{}", need.path));
            match files.get(name.as_str()) {
                Some(text) => sources.add(need, name, *text),
                None => sources.refuse(need, "it is not there"),
            }
        }
        assert!(rounds.len() < 10, "{rounds:?}");
    }
}

#[test]
fn each_mistake_is_shown_in_its_file() {
    let (sources, parsed, rounds) = read(&[("main.yaml", MAIN), ("sub/release.yaml", RELEASE)]);
    // A file that names itself is there already.
    assert_eq!(rounds, [vec!["sub/release.yaml".to_owned()], vec!["release.yaml".to_owned()]]);
    assert_eq!(sources.files().len(), 2);
    assert!(parsed.workflow.is_none());
    insta::assert_snapshot!(parsed.render_sources(&sources, false), @r"
        error: there is no step `biuld`
         --> main.yaml:6:55
        6 |   release: { workflow: sub/release.yaml, depends_on: [biuld] }
          |                                                       ^^^^^
          hint: did you mean `build`?

        warning: unknown key `steps.sign.tiemout`, it has no effect
         --> sub/release.yaml:5:69
        5 |   sign: { worker: CUSTOM, instructions: sign, capabilities: [READ], tiemout: 5m }
          |                                                                     ^^^^^^^
          hint: did you mean `timeout`?

        error: a workflow runs itself: `sub/release.yaml` -> `sub/release.yaml`
         --> sub/release.yaml:6:22
        6 |   again: { workflow: release.yaml }
          |                      ^^^^^^^^^^^^
          hint: each `->` is a step with `workflow`; remove one of them
    ");
}

#[test]
fn a_file_that_cannot_be_had_is_a_mistake_where_it_is_named() {
    let (sources, parsed, _) = read(&[("main.yaml", MAIN)]);
    let rendered = parsed.render_sources(&sources, false);
    assert!(rendered.contains("the file `sub/release.yaml` cannot be used: it is not there"), "{rendered}");
    assert!(rendered.contains("--> main.yaml:6:"), "{rendered}");
}

#[test]
fn one_file_reads_and_prints_the_same_either_way() {
    for text in [MAIN, RELEASE, "", "a: [", "name: 1\nname: 2\n", "name: *a"] {
        let once = parse(text);
        assert!(once.needs.is_empty());
        let sources = Sources::new("flow.yaml", text);
        let parsed = parse_sources(&sources, &WorkerKinds::builtin());
        assert_eq!(parsed.render_sources(&sources, true), once.render("flow.yaml", text, true));
        assert_eq!(parsed.workflow, once.workflow);
    }
}

#[test]
fn files_are_bounded_in_number_and_size() {
    let text = "name: x\nversion: \"1\"\ntimeout: 1h\nsteps:\n  a: { workflow: next }\n";
    let mut sources = Sources::new("0", text);
    let need = parse_sources(&sources, &WorkerKinds::builtin()).needs.remove(0);
    for number in 1..=Sources::MOST {
        sources.add(need.clone(), number.to_string(), "");
    }
    assert_eq!(sources.files().len(), Sources::MOST);

    let mut sources = Sources::new("0", text);
    sources.add(need, "big", "x".repeat(Sources::MOST_BYTES));
    let parsed = parse_sources(&sources, &WorkerKinds::builtin());
    assert!(parsed.needs.is_empty());
    let why = format!(
        "the file `next` cannot be used: the files of a workflow may have at most {} bytes",
        Sources::MOST_BYTES
    );
    assert!(parsed.diagnostics.iter().any(|found| found.message == why), "{:?}", parsed.diagnostics);
}
