//! `roboppi artifacts`: where the artifacts of a run are, and whether they are what the steps made.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

fn flow() -> Flow {
    Flow::new()
        .step_with(
            "make",
            "mkdir -p out/tree; echo file > out/file; echo leaf > out/tree/leaf",
            &["outputs:", "  - { name: file, path: out/file }", "  - { name: tree, path: out/tree }"],
        )
        .step_with("other", "echo other > other.txt", &["outputs: [{ name: text, path: other.txt }]"])
}

/// State and size of each, by step and name.
fn states(env: &TestEnv, run: &str) -> Vec<(String, String, Value)> {
    let text = env.roboppi(["artifacts", run, "--json"]).output().code(0).text();
    let list: Value = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| {
        let name = format!("{}/{}", word(&entry["step"]), word(&entry["name"]));
        (name, word(&entry["state"]), entry["bytes"].clone())
    };
    list.as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn artifacts_are_listed_compared_and_copied() {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(0);
    let table = env.roboppi(["artifacts"]).output().code(0).text();
    let context = env.work().join("context");
    let path = context.join("make/file/file");
    assert!(table.contains("unchanged") && table.contains(path.to_str().unwrap()), "{table}");
    let entry = |name: &str, state: &str, bytes: Value| (name.to_owned(), state.to_owned(), bytes);
    let all = [
        entry("make/file", "unchanged", 5.into()),
        entry("make/tree", "unchanged", 5.into()),
        entry("other/text", "unchanged", 6.into()),
    ];
    assert_eq!(states(&env, "-1"), all);
    let paths = env.roboppi(["artifacts", "make", "--path"]).output().code(0).text();
    let expected = format!("{}\n{}\n", path.display(), context.join("make/tree").display());
    assert_eq!(paths, expected, "the run may be left out");

    let copied = env.roboppi(["artifacts", "-1", "-o", "new/copies"]).output().code(0).text();
    assert_eq!(copied, "new/copies/make/file\nnew/copies/make/tree\nnew/copies/other/text\n");
    assert_eq!(env.read("new/copies/make/tree/leaf"), "leaf\n");
    assert_eq!(env.read("new/copies/make/file/file"), "file\n");

    fs::write(&path, "changed\n").unwrap();
    fs::remove_dir_all(context.join("make/tree")).unwrap();
    let changed = states(&env, "-1");
    assert_eq!(
        changed[..2],
        [entry("make/file", "changed", 8.into()), entry("make/tree", "missing", Value::Null)]
    );
    let again = env.roboppi(["artifacts", "-1", "-o", "new/copies"]).output().code(1).all();
    assert!(again.contains("error: make/file: ") && again.contains("exists"), "{again}");
    assert_eq!(env.read("new/copies/make/file/file"), "file\n", "nothing is replaced");
    let some = env.roboppi(["artifacts", "-1", "-o", "other"]).output().code(1).all();
    assert!(some.contains("warning: make/file: it is not what the step made"), "{some}");
    assert!(some.contains("error: make/tree: ") && some.contains("other/other/text\n"), "{some}");
    let inside = env.roboppi(["artifacts", "-1", "other", "-o", "context/other"]).output().code(1).all();
    assert!(inside.contains("is in the context directory"), "{inside}");
    let none = env.roboppi(["artifacts", "-1", "none"]).output().code(2).all();
    assert!(none.contains("`none`") && none.contains("make"), "{none}");
}

#[test]
fn a_live_run_has_the_artifacts_it_has_collected() {
    let env = TestEnv::new();
    let flow = flow().step_with("wait", "echo > waits; sleep 1000", &["depends_on: [make, other]"]);
    let running = env.run(&flow).start();
    env.wait_for_file("waits");
    assert_eq!(states(&env, "-1").len(), 3);
    assert!(states(&env, "-1").iter().all(|(_, state, _)| state == "unchanged"));
    let none = env.roboppi(["artifacts", "-1", "wait"]).output().code(0).text();
    assert!(none.contains("`wait` of r1 has no artifacts"), "{none}");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait().code(143);
}

#[test]
fn no_link_leads_to_what_is_listed_or_copied() {
    let env = TestEnv::new();
    let _ = env.run(&flow()).output().code(0);
    let context = env.work().join("context");
    let outside = env.path("home/outside");
    fs::create_dir_all(outside.join("text")).unwrap();
    fs::write(outside.join("text/secret"), "secret\n").unwrap();
    fs::remove_dir_all(context.join("other")).unwrap();
    symlink(&outside, context.join("other")).unwrap();
    assert_eq!(states(&env, "-1")[2].1, "unreadable");
    let refused = env.roboppi(["artifacts", "-1", "other", "-o", "copies"]).output().code(1).all();
    assert!(refused.contains("is a symbolic link"), "{refused}");
    assert!(!env.work().join("copies/other/text").exists());
    assert_eq!(env.roboppi(["artifacts", "-1", "other", "--path"]).output().code(0).text(), "");

    fs::remove_file(context.join("other")).unwrap();
    fs::rename(&context, env.work().join("moved")).unwrap();
    symlink(env.work().join("moved"), &context).unwrap();
    assert!(
        states(&env, "-1").iter().all(|(_, state, _)| state == "unreadable"),
        "a worker may have put it there"
    );
}

#[test]
fn an_imported_run_names_places_of_another_machine_which_are_not_opened() {
    let env = TestEnv::new();
    // Where the record says that its artifacts are, this machine has files of the same names.
    let _ = env.run(&flow()).output().code(0);
    let _ = env.roboppi(["export", "-1", "-o", "run.tar.zst"]).output().code(0);
    let _ = env.roboppi(["import", "run.tar.zst", "--as", "imported"]).output().code(0);
    let found = states(&env, "imported");
    assert!(found.iter().all(|(_, state, bytes)| state == "elsewhere" && bytes.is_null()), "{found:?}");
    let table = env.roboppi(["artifacts", "imported"]).output().code(0).text();
    assert!(table.contains("  on ") && !table.contains("unchanged"), "{table}");
    assert_eq!(env.roboppi(["artifacts", "imported", "--path"]).output().code(0).text(), "");
    let refused = env.roboppi(["artifacts", "imported", "-o", "copies"]).output().code(1).all();
    assert!(refused.contains("an export has none"), "{refused}");
    assert!(!env.work().join("copies").exists());
}

#[test]
fn a_run_leaves_a_repository_as_git_saw_it() {
    let env = TestEnv::new();
    let git = |script: &str| env.shell(script).output().code(0).text();
    let _ = git("git init -q . && printf '%s\n' out other.txt flow.yaml .gitignore > .gitignore");
    fs::create_dir_all(env.work().join("own")).unwrap();
    for context in ["context_dir: results/of/runs", "context_dir: own"] {
        let _ = env.run(&flow().with(context)).output().code(0);
    }
    fs::remove_dir_all(env.work().join("context")).unwrap();
    let _ = env.run(&flow()).output().code(0);
    assert!(
        env.work().join("context/make/file").exists() && env.work().join("results/of/runs/make").exists()
    );
    assert_eq!(git("git status --porcelain"), "?? own/\n", "what was there is for its owner to ignore");
    assert!(!env.work().join("own/.gitignore").exists());
}
