//! The git branch on which a run works.

use serde_json::{Value, json};

use crate::env::TestEnv;

const ME: [&str; 4] = ["-c", "user.name=me", "-c", "user.email=me@example.org"];

fn git(env: &TestEnv, arguments: &[&str]) -> String {
    let all = ME.iter().chain(arguments).copied();
    env.program("git", all).output().code(0).text().trim().to_owned()
}

/// A repository with one commit on a branch.
fn repository(branch: &str) -> TestEnv {
    let env = TestEnv::new();
    git(&env, &["init", "-q", "-b", branch, "."]);
    env.write(".gitignore", "*\n");
    git(&env, &["add", "-f", ".gitignore"]);
    git(&env, &["commit", "-q", "-m", "first"]);
    env
}

fn workflow(keys: &str, steps: &str) -> String {
    format!("name: b\nversion: \"1\"\ntimeout: 1m\n{keys}\nsteps:\n{steps}")
}

const RUN: [&str; 4] = ["workflow", "run", "flow.yaml", "--no-tui"];

#[test]
fn a_protected_branch_is_not_worked_on() {
    let env = repository("main");
    let step = "  work: {run: 'touch done.txt'}\n";
    env.write("flow.yaml", &workflow("create_branch: false\nexpected_work_branch: main", step));
    let refused = env.roboppi(RUN).output().code(2).all();
    assert!(refused.contains("the branch `main` is protected (main, master, release/*)"), "{refused}");
    assert!(refused.contains("--allow-protected-branch"), "{refused}");
    assert!(env.runs().is_empty(), "no run begins");
    // It may be allowed, in two ways.
    env.roboppi(RUN).args(["--allow-protected-branch"]).output().code(0);
    env.roboppi(RUN).env("ROBOPPI_ALLOW_PROTECTED_BRANCH", "1").output().code(0);
    // Other ones are protected when that is said, also of a workflow that says nothing of branches.
    env.write("flow.yaml", &workflow("", step));
    env.roboppi(RUN).output().code(0);
    env.roboppi(RUN).args(["--protected-branches", "release/*,ma*"]).output().code(2);
    env.roboppi(RUN).env("ROBOPPI_PROTECTED_BRANCHES", "main").output().code(2);
    env.roboppi(RUN).args(["--protected-branches", "release/*"]).output().code(0);
    git(&env, &["checkout", "-q", "-b", "work"]);
    env.roboppi(RUN).args(["--protected-branches", "main"]).output().code(0);
}

#[test]
fn a_step_does_not_begin_on_another_branch() {
    let env = repository("work");
    let steps = "  leave: {run: 'git checkout -q -b elsewhere'}\n  next: {run: 'touch next.txt', depends_on: [leave], on_failure: retry, max_retries: 3}\n  last: {run: 'touch last.txt', depends_on: [next]}\n";
    env.write("flow.yaml", &workflow("expected_work_branch: work", steps));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(text.contains("branch drift: expected `work`, found `elsewhere`"), "{text}");
    let run = env.the_run();
    assert_eq!(["leave", "next", "last"].map(|step| run.state(step)), ["succeeded", "failed", "skipped"]);
    assert!(!env.work().join("next.txt").exists());
    assert!(!text.contains("attempt 2"), "it is not tried again: {text}");
}

#[test]
fn the_transition_step_makes_another_branch_the_expected_one() {
    let env = repository("main");
    let steps = "  branch: {run: 'git checkout -q -b feature'}\n  work: {run: 'git branch --show-current; env | sort', depends_on: [branch]}\n";
    env.write("flow.yaml", &workflow("create_branch: true", steps));
    env.roboppi(RUN).args(["--base-branch", "main"]).output().code(0);
    let run = env.the_run();
    let told = run.text("work", 1);
    let head = git(&env, &["rev-parse", "main"]);
    let top = git(&env, &["rev-parse", "--show-toplevel"]);
    for line in [
        "feature".to_owned(),
        "BASE_BRANCH=main".to_owned(),
        "ROBOPPI_CREATE_BRANCH=1".to_owned(),
        "ROBOPPI_PROTECTED_BRANCHES=main,master,release/*".to_owned(),
        "ROBOPPI_ALLOW_PROTECTED_BRANCH=0".to_owned(),
        "ROBOPPI_EFFECTIVE_BASE_BRANCH=main".to_owned(),
        "ROBOPPI_EFFECTIVE_BASE_BRANCH_SOURCE=cli".to_owned(),
        format!("ROBOPPI_EFFECTIVE_BASE_SHA={head}"),
        "ROBOPPI_STARTUP_BRANCH=main".to_owned(),
        format!("ROBOPPI_STARTUP_HEAD_SHA={head}"),
        format!("ROBOPPI_STARTUP_TOPLEVEL={top}"),
        "ROBOPPI_EXPECTED_WORK_BRANCH=main".to_owned(),
    ] {
        assert!(told.lines().any(|found| found == line), "no {line:?} in\n{told}");
    }
    let meta: Value = serde_json::from_str(&env.read("context/_workflow.json")).unwrap();
    assert_eq!(
        [&meta["create_branch"], &meta["branch_lock_enabled"], &meta["startup_branch"]],
        [&json!(true), &json!(true), &json!("main")]
    );
    assert_eq!(meta["expected_current_branch"], "feature");
    assert_eq!(meta["effective_base_sha"], head);
    // A step of another name may be named, and a detached head after it is a failure.
    git(&env, &["checkout", "-q", "main"]);
    let steps = "  go: {run: 'git checkout -q --detach'}\n";
    env.write("flow.yaml", &workflow("create_branch: true\nbranch_transition_step: go", steps));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(text.contains("no branch is checked out after it (HEAD is detached)"), "{text}");
}

#[test]
fn what_cannot_be_watched_is_said() {
    let env = TestEnv::new();
    let keys = "create_branch: true";
    env.write("flow.yaml", &workflow(keys, "  work: {run: 'echo expected=$ROBOPPI_CREATE_BRANCH'}\n"));
    let printed = env.roboppi(RUN).output().code(0).all();
    assert!(
        printed.contains("the branch is not watched: the workspace is in no git repository"),
        "{printed}"
    );
    git(&env, &["init", "-q", "-b", "main", "."]);
    let refused = env.roboppi(RUN).output().code(2).all();
    assert!(refused.contains("what is checked out in the workspace cannot be found out"), "{refused}");
    git(&env, &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&env, &["checkout", "-q", "--detach"]);
    let refused = env.roboppi(RUN).output().code(2).all();
    assert!(refused.contains("HEAD is detached") && refused.contains("--base-branch"), "{refused}");
    let refused = env.roboppi(RUN).args(["--base-branch", "none"]).output().code(2).all();
    assert!(refused.contains("the base branch `none` is no commit here"), "{refused}");
    // Mistakes of the file.
    env.write(
        "flow.yaml",
        &workflow("create_branch: yes please\nbranch_transition_step: wrok", "  work: {run: 'true'}\n"),
    );
    let refused = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(2).all();
    assert!(refused.contains("`create_branch` must be `true` or `false`"), "{refused}");
    assert!(
        refused.contains("there is no step `wrok`") && refused.contains("did you mean `work`?"),
        "{refused}"
    );
}
