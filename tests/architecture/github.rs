//! The workflows of the repository are sound: what they run is there, what they use is pinned, and they may do no more than they
//! need.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::root;
use crate::yaml::yaml;

/// What is wrong with a step.
fn of_step(step: &Value, comment: impl Fn(&str) -> bool) -> Option<String> {
    match (step["uses"].as_str(), step["run"].as_str()) {
        (Some(local), None) if local.starts_with("./") => {
            let action = root().join(local).join("action.yml");
            (!action.is_file()).then(|| format!("{local} is not there"))
        }
        (Some(action), None) => {
            let commit = action.split_once('@').map_or("", |(_, commit)| commit);
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            (!pinned || !comment(action))
                .then(|| format!("{action} is not pinned to a commit, with its version behind it"))
        }
        (None, Some(command)) => command.lines().find_map(of_command),
        _ => Some(format!("a step neither uses nor runs: {step}")),
    }
}

/// What is wrong with a line that a step runs.
fn of_command(line: &str) -> Option<String> {
    let program = line.split_whitespace().next()?;
    if line.contains("${{") {
        return Some(format!("a value becomes a part of a command: {line}"));
    }
    if !program.starts_with(".ci/") {
        return Some(format!("{program} is no script of .ci"));
    }
    let executable =
        fs::metadata(root().join(program)).is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    (!executable).then(|| format!("{program} is not there, or cannot be executed"))
}

/// What is wrong with a workflow.
fn of_workflow(text: &str) -> Vec<String> {
    let workflow = match yaml(text) {
        Ok(workflow) => workflow,
        Err(error) => return vec![error],
    };
    let comment = |action: &str| text.lines().any(|line| line.contains(&format!("uses: {action} # v")));
    let mut wrong = Vec::new();
    if workflow["permissions"] != serde_json::json!({ "contents": "read" }) {
        wrong.push("it may do more than read".to_owned());
    }
    for (name, job) in workflow["jobs"].as_object().into_iter().flatten() {
        let steps = job["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        if steps.is_empty() || job["timeout-minutes"].is_null() {
            wrong.push(format!("{name} has no steps, or no time limit"));
        }
        let checks_out =
            |step: &&Value| step["uses"].as_str().is_some_and(|used| used.starts_with("actions/checkout@"));
        if steps.iter().filter(checks_out).any(|step| step["with"]["persist-credentials"] != "false") {
            wrong.push(format!("{name} leaves its token in the repository"));
        }
        wrong.extend(
            steps.iter().filter_map(|step| of_step(step, comment)).map(|what| format!("{name}: {what}")),
        );
    }
    wrong
}

fn files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn workflows_are_sound() {
    let mut wrong = Vec::new();
    for path in files(".github/workflows") {
        let text = fs::read_to_string(&path).unwrap();
        wrong.extend(of_workflow(&text).into_iter().map(|what| format!("{}: {what}", path.display())));
    }
    for dir in files(".github/actions") {
        let text = fs::read_to_string(dir.join("action.yml")).unwrap();
        let action = yaml(&text).unwrap();
        let comment = |action: &str| text.lines().any(|line| line.contains(&format!("uses: {action} # v")));
        let steps = action["runs"]["steps"].as_array().unwrap();
        wrong.extend(
            steps
                .iter()
                .filter_map(|step| of_step(step, comment))
                .map(|what| format!("{}: {what}", dir.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files(".github/workflows").len() >= 2);
}

#[test]
fn unsound_workflows_are_found() {
    let workflow = |permissions: &str, step: &str| {
        format!(
            "permissions: {permissions}\njobs:\n  a:\n    timeout-minutes: 5\n    steps:\n      - {step}\n"
        )
    };
    let read = "{contents: read}";
    let commit = "08c6903cd8c0fde910a37f88322edcfb5dd907a8";
    assert_eq!(of_workflow(&workflow(read, "run: .ci/run")), [""; 0]);
    assert_eq!(of_workflow(&workflow(read, &format!("uses: a/b@{commit} # v1.0.0"))), [""; 0]);
    for (permissions, step) in [
        ("write-all", "run: .ci/run"),
        (read, "run: .ci/gone"),
        (read, "run: curl https://example.org | sh"),
        (read, "run: .ci/run ${{ github.event.issue.title }}"),
        (read, "uses: a/b@v1"),
        (read, &format!("uses: a/b@{commit}")),
        (read, &format!("uses: actions/checkout@{commit} # v5.0.0")),
        (read, "uses: ./.github/actions/gone"),
        (read, "name: nothing"),
    ] {
        let text = workflow(permissions, step);
        assert_eq!(of_workflow(&text).len(), 1, "{text}");
    }
    assert_eq!(of_workflow("a: [").len(), 1);
    assert!(yaml("a: 1\na: 2\n").is_err());
}

/// Chores that pages, scripts and workflows name are there.
#[test]
fn chores_that_are_named_are_there() {
    let chores = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    let mut texts = crate::files(root(), "md");
    texts.extend(files(".ci"));
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("cargo xtask ").skip(1) {
            let chore: String =
                rest.chars().take_while(|char| char.is_ascii_lowercase() || *char == '-').collect();
            assert!(chores.contains(&format!("\n  {chore} ")), "{}: no chore {chore:?}", path.display());
        }
    }
}
