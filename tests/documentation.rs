//! Holds the pages in `docs/` and what they describe together.
//!
//! Parts of pages between `<!-- generated: NAME -->` and `<!-- end -->` are made from the program. When one
//! differs this test fails; `UPDATE_DOCS=1 cargo test --test documentation` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use roboppi_tui::{Role, key_reference};
use roboppi_workflow::{KeyDoc, KeyStatus, Section};

fn rows<'a>(keys: impl Iterator<Item = &'a KeyDoc>) -> String {
    let mut table = String::from("| key | value | when it is absent | meaning |\n|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for key in keys {
        let absent = match (key.required, key.default) {
            (true, _) => "**required**",
            (false, Some(default)) => default,
            (false, None) => "–",
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            key.name,
            cell(key.kind),
            cell(absent),
            cell(key.meaning)
        );
    }
    table
}

fn supported(section: Section) -> String {
    rows(section.keys().filter(|key| key.status == KeyStatus::Supported))
}

fn refused() -> String {
    let mut table = String::from("| key | of | meaning |\n|---|---|---|\n");
    for (section, of) in [(Section::Workflow, "the file"), (Section::Step, "a step")] {
        for key in section.keys().filter(|key| key.status == KeyStatus::NotYet) {
            let _ = writeln!(table, "| `{}` | {of} | {} |", key.name, key.meaning);
        }
    }
    table
}

/// The keys of a screen that its owner does not have, or all of them for the owner.
fn screen_keys(role: Role) -> String {
    let owner = if role == Role::Owner { Vec::new() } else { key_reference(Role::Owner) };
    let mut table = String::from("| key | what it does |\n|---|---|\n");
    for row in key_reference(role).iter().filter(|row| !owner.contains(row)) {
        let keys: Vec<_> = row.0.split(' ').map(|key| format!("`{key}`")).collect();
        let _ = writeln!(table, "| {} | {} |", keys.join(" "), row.1);
    }
    table
}

/// What the program says when it is asked for help.
fn help(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_roboppi")).args(words).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    format!("```text\n{}\n```\n", lines.join("\n"))
}

fn generated(name: &str) -> String {
    match name {
        "keys of a workflow" => supported(Section::Workflow),
        "keys of a step" => supported(Section::Step),
        "keys of an input" => supported(Section::Input),
        "keys of an output" => supported(Section::Output),
        "keys of a secret" => supported(Section::Secret),
        "keys of environment" => supported(Section::Environment),
        "keys that are not supported yet" => refused(),
        "keys of the screen" => screen_keys(Role::Owner),
        "keys of an attached screen" => screen_keys(Role::Viewer),
        "keys of a replay" => screen_keys(Role::Replay),
        name if name == "roboppi" || name.starts_with("roboppi ") => {
            help(&name.split(' ').skip(1).collect::<Vec<_>>())
        }
        other => panic!("nobody generates {other:?}"),
    }
}

/// The page with every generated part made anew.
fn renewed(page: &str) -> String {
    let (begin, end) = ("<!-- generated: ", "<!-- end -->");
    let mut parts = page.split(begin);
    let mut made = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").expect("a name");
        let (_, rest) = rest.split_once(end).expect("an end");
        let _ = write!(made, "{begin}{name} -->\n\n{}\n{end}{rest}", generated(name));
    }
    made
}

fn hold(page: &str, expected: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("<!-- generated: ").count(), expected, "generated parts of {page}");
    let made = renewed(&text);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        let differs = text.lines().zip(made.lines()).find(|(is, should)| is != should);
        assert!(
            text == made,
            "docs/{page} is not what the program says; first difference: {differs:#?}\n\
             UPDATE_DOCS=1 cargo test --test documentation writes it anew"
        );
    }
}

#[test]
fn the_keys_of_a_workflow_are_described() {
    hold("workflow.md", 7);
}

#[test]
fn the_keys_of_the_screen_are_described() {
    hold("screen.md", 3);
}

#[test]
fn the_command_line_is_described() {
    hold("command-line.md", 20);
}
