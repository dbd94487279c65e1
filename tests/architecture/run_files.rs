//! Outside `record` and `attach` no file of a run is opened: a view reads a `RecordStore`, which needs no directory.

use std::collections::BTreeSet;
use std::fs;

use crate::modules::Crate;
use crate::tokens::{Kind, Token, tokens, without_tests};
use crate::{TOOLS, packages, root};

/// The crates that know where the files of a run are, and open them.
const OWNERS: &[&str] = &["roboppi-record", "roboppi-attach"];

/// Crates and programs that only show runs: they open no file at all without a reason.
const VIEWS: &[&str] = &["roboppi", "roboppi-report", "roboppi-tui", "roboppi-web"];

/// Types that read files of a run, or lead to them.
const TYPES: &[&str] =
    &["EventReadBack", "EventReader", "JournalFold", "JournalReader", "LogReader", "RecordReader", "RunDir"];

/// The module with which a view would open a file.
const OPENING: &str = "fs";

/// Names of files and directories of a run.
const NAMES: &[&str] = &[
    ".events.head.snapshot",
    ".events.hole",
    ".events.jsonl",
    ".events.snapshot",
    "blobs",
    "core.stderr",
    "imported.json",
    "journal.jsonl",
    "run.json",
    "snapshots",
];

/// What is found nevertheless: the file, what is in it, and the reason.
const RIGHT: &[(&str, &str, &str)] = &[
    ("crates/core/src/worker/budgets.rs", "RunDir", "counts what the logs of a run take, as their writer"),
    ("crates/core/src/worker/record.rs", "EventReadBack", "reads back what it wrote and had no room for"),
    ("crates/core/src/worker/state.rs", "blobs", "a note and an artifact name a report that it kept"),
    ("crates/hosts/src/mirror.rs", "blobs", "names of large values in what a host sends"),
    ("crates/supervisor/src/event_snapshots.rs", "RunDir", "gives the directory to the writer of snapshots"),
    (
        "crates/supervisor/src/prepare.rs",
        "RunDir",
        "makes the directory and writes `run.json` and the workflow",
    ),
    ("crates/supervisor/src/runner/context.rs", "RunDir", "gives the directory to the writers of the record"),
    ("crates/supervisor/src/runner/context.rs", "run.json", "a message"),
    ("crates/supervisor/src/site.rs", "RunDir", "measures what the core of this host has written"),
    ("crates/tui/src/terminal.rs", "fs", "opens the terminal"),
    ("crates/web/src/openapi.rs", "blobs", "a part of a URL"),
    ("crates/web/src/packed/attempt.rs", "blobs", "a key of a packed record"),
    ("crates/web/src/routes.rs", "blobs", "a part of a URL"),
    ("src/commands/serve.rs", "fs", "reads the files with the secrets of logins, and finds workflows"),
    (
        "src/commands/doctor/others.rs",
        "fs",
        "looks at files of other programs, and reads the settings with their hooks",
    ),
    ("src/commands/doctor/state.rs", "fs", "looks for what killed runs left, and sets permissions"),
    ("src/commands/doctor/terminal.rs", "fs", "reads the start files of the shell"),
    ("src/config.rs", "fs", "reads the configuration file"),
    ("src/commands/workflow_run/ci.rs", "fs", "writes the page for the summary of a CI job"),
    ("src/commands/export.rs", "run_dir()", "hands the run to the export of `record`"),
    ("src/commands/housekeeping.rs", "fs", "marks when it worked last, beside the runs"),
    ("src/commands/housekeeping.rs", "run_dir()", "hands the run to `record`, which packs its logs"),
    ("src/commands/import.rs", "fs", "hands the file of an export to `record`"),
    ("src/commands/init.rs", "fs", "reads the files of a project, and writes the workflow"),
    ("src/commands/runs.rs", "run_dir()", "asks `record` for the owner and the size of a run"),
    ("src/commands/runs/rm.rs", "run_dir()", "asks `record` for the owner and the size of a run"),
    ("src/commands/target.rs", "fs", "writes the file that a user named"),
    ("src/commands/target/unfinished.rs", "fs", "writes the file that a user named"),
    ("src/commands/stats/maintain.rs", "fs", "writes the file that is kept up to date"),
    ("src/commands/workflow_file.rs", "fs", "reads the workflow"),
    ("src/commands/workflow_file/sources.rs", "fs", "reads the workflows that a workflow runs"),
    ("src/commands/workflow_fmt.rs", "fs", "replaces a workflow by its layout"),
    ("src/commands/workflow_list.rs", "fs", "looks for workflows in a directory"),
    ("src/http.rs", "fs", "holds the body that curl reads, in a file without a name"),
    ("src/runtime.rs", "fs", "opens /dev/null"),
];

/// What of a file opens files of a run or leads to them.
fn found_in(text: &str, is_view: bool) -> BTreeSet<&'static str> {
    let all = tokens(text);
    let left = without_tests(&all);
    let mut found = BTreeSet::new();
    for (at, token) in left.iter().enumerate() {
        let is_called = || left.get(at + 1).is_some_and(|next| next.is("("));
        let is_method = || at > 0 && left[at - 1].is(".");
        found.extend(TYPES.iter().filter(|name| token.is(name)));
        if is_view && token.is(OPENING) {
            found.insert(OPENING);
        }
        if token.is("run_dir") && is_method() && is_called() {
            found.insert("run_dir()");
        }
        found.extend(NAMES.iter().filter(|name| names_file(token, name)));
    }
    found
}

/// Whether a text has the name of a file in it, and not as a part of a longer word.
fn names_file(token: &Token<'_>, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    token.kind == Kind::Text
        && token.text.match_indices(name).any(|(at, _)| {
            let (before, behind) = (&token.text[..at], &token.text[at + name.len()..]);
            let begins = name.starts_with('.') || !before.ends_with(is_word);
            begins && !behind.starts_with(is_word)
        })
}

#[test]
fn files_of_a_run_are_found() {
    let text = "fn a() { RunDir::at(p); run.run_dir().x; let run_dir = 1; f(\"steps/x.events.jsonl\"); }";
    assert_eq!(found_in(text, false), BTreeSet::from([".events.jsonl", "RunDir", "run_dir()"]));
    assert_eq!(found_in("std::fs::File::open(\"blobs/x\")", true), BTreeSet::from(["blobs", "fs"]));
    assert_eq!(found_in("File::open(\"x\"); \"of-blobs\" // RunDir", false), BTreeSet::new());
    assert_eq!(found_in("#[cfg(test)] mod tests { use roboppi_record::RunDir; }", true), BTreeSet::new());
}

#[test]
fn only_record_and_attach_open_files_of_a_run() {
    let packages = packages();
    let mut found = BTreeSet::new();
    for package in packages.values() {
        let name = package.name.as_str();
        if OWNERS.contains(&name) || TOOLS.contains(&name) {
            continue;
        }
        let entries = ["src/lib.rs", "src/main.rs"].map(|entry| package.dir.join(entry));
        for path in entries
            .iter()
            .filter(|entry| entry.exists())
            .flat_map(|entry| Crate::read(entry).files().to_vec())
        {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            found
                .extend(found_in(&text, VIEWS.contains(&name)).into_iter().map(|what| (shown.clone(), what)));
        }
    }
    let right: BTreeSet<_> = RIGHT.iter().map(|(file, what, _)| ((*file).to_owned(), *what)).collect();
    let wrong: Vec<_> = found.difference(&right).collect();
    assert!(wrong.is_empty(), "read a run through its `RecordStore`, or give a reason in RIGHT: {wrong:#?}");
    let gone: Vec<_> = right.difference(&found).collect();
    assert!(gone.is_empty(), "no longer there, so no longer in RIGHT: {gone:#?}");
}
