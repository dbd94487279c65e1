//! Which files of a workspace really changed while an agent worked, whoever changed them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::agents::{finding, flow, with_claude};
use crate::env::{Invocation, TestEnv};
use crate::processes::end_marked;

/// An agent that edits `told.txt` by a tool, and runs `gen.sh` by another one.
const WORK: &str = r#"
init
call m1 t1 Edit '{"file_path":"'"$PWD"'/told.txt","old_string":"old","new_string":"new"}'
echo new > told.txt
outcome t1 "done" false '{"filePath":"'"$PWD"'/told.txt","oldString":"old","newString":"new","originalFile":"old\n","structuredPatch":[{"oldStart":1,"oldLines":1,"newStart":1,"newLines":1,"lines":["-old","+new"]}]}'
call m2 t2 Bash '{"command":"sh gen.sh"}'
sh gen.sh
outcome t2 "" false
text m3 "Done."
result "Done."
"#;

/// A workspace whose agent works as [`WORK`] with this `gen.sh`.
pub(crate) fn worked(script: &str) -> TestEnv {
    let env = with_claude();
    env.write("told.txt", "old\n");
    env.write("agent.sh", WORK);
    env.write("gen.sh", script);
    env
}

pub(crate) fn agent<'e>(env: &'e TestEnv, lines: &[&str]) -> Invocation<'e> {
    flow(env, "follows-script agent.sh", lines);
    finding(env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]))
}

fn json_of(env: &TestEnv, step: &str) -> Value {
    let text = env.roboppi(["diff", "-1", step, "--json"]).output().code(0).text();
    serde_json::from_str::<Value>(&text).unwrap()[0].clone()
}

/// Changes as `path kind cause`.
fn words(changes: &Value) -> Vec<String> {
    let of = |change: &Value| {
        let text = |key: &str| change[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("path"), text("kind"), text("cause"))
    };
    changes["changes"].as_array().unwrap().iter().map(of).collect()
}

fn diff_of(changes: &Value, path: &str) -> Value {
    let all = changes["changes"].as_array().unwrap();
    all.iter().find(|change| change["path"] == path).unwrap_or_else(|| panic!("no {path} in {changes}"))["diff"].clone()
}

#[test]
fn every_kind_of_change_is_found_with_its_cause() {
    let env = worked(
        "echo two >> quiet.txt; rm gone.txt; mv moved.txt there.txt; touch same.txt; cp same.txt copy && cp copy same.txt
         rm copy; echo x > a.tmp; mkdir -p build new/deep; echo x > build/out; printf 'a\\0b' > bin.dat; echo n > new/deep/n
         chmod +x run.sh; ln -sfn /nowhere link; echo changed > outside/x; rm pipe; mkfifo pipe2\n",
    );
    let outside = env.path("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "secret of another directory\n").unwrap();
    for name in ["quiet.txt", "gone.txt", "moved.txt", "same.txt", "run.sh"] {
        env.write(name, "one\n");
    }
    env.write(".gitignore", "*.tmp\nbuild/\n");
    fs::create_dir(env.work().join(".git")).unwrap();
    symlink(&outside, env.work().join("outside")).unwrap();
    symlink("/etc", env.work().join("link")).unwrap();
    mkfifo(&env.work().join("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    let _ = agent(&env, &[]).output().code(0);
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "changed\n", "the script ran");

    let changes = json_of(&env, "fix");
    assert_eq!((&changes["complete"], &changes["missed"]), (&json!(true), &Value::Null), "{changes}");
    assert_eq!(
        words(&changes),
        [
            "bin.dat added other",
            "gone.txt deleted other",
            "link modified other",
            "moved.txt deleted other",
            "new/deep/n added other",
            "quiet.txt modified other",
            "run.sh modified other",
            "there.txt added other",
            "told.txt modified tool",
        ]
    );
    let text = |path: &str| diff_of(&changes, path).as_str().unwrap().to_owned();
    assert_eq!(text("quiet.txt"), "--- a/quiet.txt\n+++ b/quiet.txt\n@@ -1 +1,2 @@\n one\n+two\n");
    assert_eq!(text("told.txt"), "--- a/told.txt\n+++ b/told.txt\n@@ -1 +1 @@\n-old\n+new\n");
    assert_eq!(text("gone.txt"), "--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n");
    assert_eq!(text("run.sh"), "old mode 100644\nnew mode 100755\n");
    assert!(text("link").contains("-/etc") && text("link").contains("+/nowhere"), "{}", text("link"));
    assert_eq!(diff_of(&changes, "bin.dat"), Value::Null);
    assert!(!changes.to_string().contains("secret of another directory"));

    // What the agent never told is among its events, once, and what it told is not told twice.
    let events = env.roboppi(["events", "-1", "--workers", "--json"]).output().code(0).text();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen = |kind: &str, key: &str, path: &str| {
        let is = |event: &&Value| {
            event["event"]["type"] == kind
                && event["event"][key].as_str().is_some_and(|of| of.ends_with(path))
        };
        events.iter().filter(is).count()
    };
    for path in ["quiet.txt", "gone.txt", "there.txt"] {
        assert_eq!((seen("file_changed", "path", path), seen("patch", "filePath", path)), (1, 1), "{path}");
    }
    assert_eq!(seen("patch", "filePath", "told.txt"), 1);
}

#[test]
fn pages_and_diffs_show_the_changes() {
    let env = worked("echo two >> quiet.txt; printf '\\033[2Jx\\n' > odd\n");
    env.write("quiet.txt", "one\n");
    let _ = agent(&env, &[]).output().code(0);
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("3 files of the workspace changed"), "{page}");
    let page: Value = serde_json::from_str(&env.roboppi(["show", "--json"]).output().code(0).text()).unwrap();
    let found = page.to_string();
    assert!(found.contains(r#""fileChanges":{"changes":3,"complete":true"#), "{found}");
    let text = env.roboppi(["diff"]).output().code(0).text();
    assert!(text.contains("--- a/quiet.txt\n+++ b/quiet.txt\n@@ -1 +1,2 @@\n one\n+two\n"), "{text}");
    assert!(text.contains("+\u{241b}[2Jx") || !text.contains('\u{1b}'), "{text:?}");
    let list = env.roboppi(["diff", "-1", "fix", "--stat"]).output().code(0).text();
    assert_eq!(
        list,
        "A odd +1 −0  (not by a tool call)\nM quiet.txt +1 −0  (not by a tool call)\nM told.txt +1 −1\n"
    );

    let file = env.work().join("run.tar.zst");
    let _ = env.roboppi(["export", "-1", "--output", file.to_str().unwrap()]).output().code(0);
    let elsewhere = |words: &[&str]| {
        env.roboppi(words).env("XDG_STATE_HOME", env.path("elsewhere")).output().code(0).text()
    };
    let _ = elsewhere(&["import", file.to_str().unwrap(), "--as", "imported"]);
    assert_eq!(elsewhere(&["diff", "imported"]), text, "an imported run has them too");
}

#[test]
fn ten_thousand_files_and_a_burst_of_changes_are_complete() {
    let env = worked(
        "for d in 1 2 3; do echo changed > many/$d/7; done\nmkdir more; cd more; seq 6000 | split -l 1 -a 4 - f\n",
    );
    for dir in 0..10 {
        let dir = env.work().join(format!("many/{dir}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..1_000 {
            fs::write(dir.join(file.to_string()), format!("{file}\n")).unwrap();
        }
    }
    let _ = agent(&env, &[]).output().code(0);
    let changes = json_of(&env, "fix");
    assert_eq!(changes["complete"], true, "{}", changes["missed"]);
    let words = words(&changes);
    assert_eq!(words.len(), 6_004, "{:?}", &words[..10]);
    assert!(
        ["many/1/7 modified other".to_owned(), "told.txt modified tool".into()]
            .iter()
            .all(|word| words.contains(word))
    );
    // Its content may not have been read when the worker changed it: then it has no diff, and never a wrong one.
    let diff = diff_of(&changes, "many/2/7");
    assert!(
        diff.is_null() || diff == "--- a/many/2/7\n+++ b/many/2/7\n@@ -1 +1 @@\n-7\n+changed\n",
        "{diff}"
    );
    let lines = env.the_run().dir.join("steps/fix/i1-a1.events.jsonl");
    let lines = fs::read_to_string(lines).unwrap().lines().count();
    assert!(lines < 1_000, "{lines} events, which are bounded");
}

#[test]
fn a_change_of_two_agents_at_once_is_ascribed_to_neither() {
    let env = with_claude();
    let script = |own: &str, other: &str| {
        format!(
            "init\ncall m1 t1 Edit '{{\"file_path\":\"'\"$PWD\"'/both.txt\"}}'\ncall m2 t2 Write '{{\"file_path\":\"'\"$PWD\"'/{own}.txt\"}}'
             echo {own} >> both.txt; echo {own} > {own}.txt; : > {own}.ready
             until [ -e {other}.ready ]; do read -rt 0.01 -u 3; done 3<> <(:)\noutcome t1 done false\noutcome t2 done false
             result Done.\n"
        )
    };
    env.write("a.sh", &script("a", "b"));
    env.write("b.sh", &script("b", "a"));
    env.write("both.txt", "");
    let step = |name: &str| {
        format!(
            "  {name}:\n    worker: CLAUDE_CODE\n    capabilities: [READ]\n    instructions: follows-script {name}.sh\n"
        )
    };
    let text =
        format!("name: two\nversion: \"1\"\ntimeout: 5m\nconcurrency: 2\nsteps:\n{}{}", step("a"), step("b"));
    env.write("flow.yaml", &text);
    let _ = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"])).output().code(0);
    for (own, other) in [("a", "b"), ("b", "a")] {
        let changes = json_of(&env, own);
        assert_eq!((&changes["complete"], &changes["shared"]), (&json!(true), &json!(true)), "{changes}");
        let words = words(&changes);
        assert!(words.contains(&"both.txt modified other".to_owned()), "{words:?}");
        assert!(words.contains(&format!("{own}.txt added tool")), "{words:?}");
        let of_other = words.iter().find(|word| word.starts_with(&format!("{other}.txt")));
        assert!(of_other.is_none_or(|word| word.ends_with(" other")), "{words:?}");
    }
}

#[test]
fn a_killed_run_does_not_claim_to_know_all_changes() {
    let env = with_claude();
    env.write("agent.sh", "init\necho x > early.txt\nexec sleep 1000\n");
    let running = agent(&env, &[]).start();
    let events = || {
        let run = env.runs().pop()?;
        let text = fs::read_to_string(run.dir.join("steps/fix/i1-a1.events.jsonl")).ok()?;
        text.contains(r#""path":"early.txt","action":"created","seen":true"#).then_some(())
    };
    env.wait_for("the change while the agent works", events);
    let live = json_of(&env, "fix");
    assert_eq!(live["missed"], "the attempt is not over; files are compared at its end");
    end_marked(env.mark());
    let _ = running.wait_somehow();
    env.wait_until_nothing_is_left();
    let changes = json_of(&env, "fix");
    assert_eq!(changes["complete"], false);
    // Whether the supervisor saw the end of the core is a matter of order.
    let missed = changes["missed"].as_str().unwrap();
    let known = ["roboppi ended before the files were compared", "no comparison of files is recorded"];
    assert!(known.iter().any(|words| missed.starts_with(words)), "{missed}");
    assert_eq!(words(&changes), ["early.txt added other"]);
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(!page.contains("of the workspace changed"), "{page}");
}

#[test]
fn it_can_be_turned_off_and_on() {
    let env = worked("echo x > x\n");
    let _ = agent(&env, &["file_changes: false"]).output().code(0);
    let changes = json_of(&env, "fix");
    assert_eq!(changes["complete"], false);
    assert!(changes["missed"].as_str().unwrap().contains("it is off for the step"), "{changes}");

    let step = |name: &str, line: &str| {
        format!(
            "  {name}:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    instructions: echo y > {name}\n{line}"
        )
    };
    let steps = step("off", "") + &step("on", "    depends_on: [off]\n    file_changes: true\n");
    env.write("flow.yaml", &format!("name: own\nversion: \"1\"\ntimeout: 5m\nsteps:\n{steps}"));
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(0);
    assert_eq!(json_of(&env, "off")["complete"], false);
    let on = json_of(&env, "on");
    assert_eq!((&on["complete"], words(&on)), (&json!(true), vec!["on added other".to_owned()]), "{on}");
}

#[test]
fn a_secret_in_a_file_is_masked_and_no_copy_is_left() {
    let env = worked("echo \"token=$API_TOKEN\" > leak.txt\n");
    env.write("before.txt", "content of the baseline 5150\n");
    let _ = agent(&env, &[]).env("API_TOKEN", "hidden-value-4711").output().code(0);
    let changes = json_of(&env, "fix");
    let diff = diff_of(&changes, "leak.txt");
    assert!(diff.as_str().unwrap().contains("+token="), "{diff}");
    assert!(!changes.to_string().contains("hidden-value-4711"));
    let mut files = Vec::new();
    for dir in ["state", "tmp"] {
        below(&env.path(dir), &mut files);
    }
    assert!(files.len() > 3);
    for file in files {
        let content = fs::read(&file).unwrap();
        let has = |words: &str| content.windows(words.len()).any(|window| window == words.as_bytes());
        assert!(!has("hidden-value-4711") && !has("baseline 5150"), "{}", file.display());
    }
}

/// A user without privileges has directories that even its own programs cannot list.
#[test]
fn a_directory_that_cannot_be_read_is_named_and_nothing_is_claimed_of_it() {
    let env = TestEnv::new();
    env.write("locked/x", "one\n");
    let step = "  c:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    file_changes: true\n";
    let script = "    instructions: echo x > new; echo two >> locked/x; rm -f locked/y; chmod 600 secret\n";
    env.write("secret", "what only its owner reads\n");
    env.write("flow.yaml", &format!("name: own\nversion: \"1\"\ntimeout: 5m\nsteps:\n{step}{script}"));
    fs::set_permissions(env.work().join("secret"), fs::Permissions::from_mode(0o200)).unwrap();
    fs::set_permissions(env.work().join("locked"), fs::Permissions::from_mode(0o311)).unwrap();
    let run = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]);
    let Some(run) = run.without_privileges() else { return };
    let _ = run.output().code(0);
    fs::set_permissions(env.work().join("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    let changes = json_of(&env, "c");
    assert_eq!(changes["missed"], "the directory locked could not be read", "{changes}");
    assert_eq!(words(&changes), ["new added other"]);
}

fn below(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}
