//! The files for CI systems, run as the runners of these systems do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::env::{Outcome, TestEnv};
use crate::yaml::yaml;

mod runners;

use runners::{Command, commands, expanded, sections};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The workflow of the project whose jobs are run.
const PROJECT: &str = r#"name: project
version: "1"
timeout: 5m
steps:
  lint:
    worker: CUSTOM
    capabilities: [RUN_COMMANDS]
    instructions: |
      echo 'lib.c:3:7: warning: unused variable'
  forge:
    worker: CUSTOM
    capabilities: [RUN_COMMANDS]
    instructions: |
      printf '::error::forged\n ::stop-commands::x\n::set-output name=a::b\n##[error]forged\n::endgroup::\n'
      printf 'section_end:1:x\r\033[0K\n\033[0Ksection_start:1:forged\r\033[0K\n'
  test:
    worker: CUSTOM
    capabilities: [RUN_TESTS]
    depends_on: [lint, forge]
    instructions: |
      echo "lib.c:12:3: error: expected ';'" >&2
      exit 1
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Value {
    yaml(&fs::read_to_string(repository().join(path)).unwrap())
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The files of a release, whose program starts the built one.
fn release(env: &TestEnv, version: &str) -> PathBuf {
    let dir = env.path("release");
    let script = format!(
        "set -e\nname=roboppi-{version}-$(uname -m)-unknown-linux-musl\nmkdir -p {dir}/$name && cd {dir}\n\
         printf '#!/bin/sh\\nexec \"%s\" \"$@\"\\n' \"$ROBOPPI\" > $name/roboppi && chmod +x $name/roboppi\n\
         tar -czf $name.tar.gz $name && rm -r $name && sha256sum $name.tar.gz > SHA256SUMS\n",
        dir = dir.display()
    );
    env.shell(&script).output().code(0);
    dir
}

/// A step of a job as it ended.
struct Done {
    run: String,
    outcome: Outcome,
    summary: String,
}

/// A job of GitHub Actions.
struct Job<'e> {
    env: &'e TestEnv,
    /// Directories that steps have added.
    path: Vec<String>,
    /// Whether a step has failed.
    failed: bool,
    done: Vec<Done>,
}

impl Job<'_> {
    /// Runs a script as the runner does: with files of its own, for what it hands back.
    fn script(&mut self, script: &str, shell: &str, variables: &BTreeMap<String, String>) {
        assert!(matches!(shell, "" | "bash"), "{shell}");
        let number = self.done.len();
        let file = |kind: &str| self.env.path(&format!("runner/{number}.{kind}"));
        fs::create_dir_all(self.env.path("runner/temp")).unwrap();
        for kind in ["path", "output", "summary"] {
            fs::write(file(kind), "").unwrap();
        }
        let mut run = self.env.shell(&format!("set -eo pipefail\n{script}"));
        for (name, value) in variables {
            run = run.env(name, value);
        }
        let before = std::env::var("PATH").unwrap();
        let path = self.path.iter().rev().cloned().chain([before]).collect::<Vec<_>>().join(":");
        let run =
            run.env("GITHUB_ACTIONS", "true").env("CI", "true").env("GITHUB_WORKSPACE", self.env.work());
        let run = run.env("GITHUB_PATH", file("path")).env("GITHUB_OUTPUT", file("output"));
        let run = run.env("GITHUB_STEP_SUMMARY", file("summary")).env("PATH", path);
        let outcome = run.env("RUNNER_TEMP", self.env.path("runner/temp")).output();
        self.failed |= !outcome.has_code(0);
        let kept = |kind: &str| fs::read_to_string(file(kind)).unwrap();
        self.path.extend(kept("path").lines().map(str::to_owned));
        for line in kept("output").lines() {
            assert!(line.split_once('=').is_some_and(|(name, _)| name == "path"), "{line}");
        }
        self.done.push(Done { run: script.to_owned(), outcome, summary: kept("summary") });
    }

    fn action(&mut self, inputs: &BTreeMap<String, String>) {
        let action = read("action.yml");
        assert_eq!(text(&action["runs"], "using"), "composite");
        for (name, input) in action["inputs"].as_object().unwrap() {
            let is_there = inputs.contains_key(name) || input["default"].is_string();
            assert!(is_there || text(input, "required") != "true", "input {name}");
        }
        for step in action["runs"]["steps"].as_array().unwrap() {
            let mut variables = BTreeMap::new();
            for (name, value) in step["env"].as_object().unwrap() {
                variables.insert(name.clone(), expanded(value.as_str().unwrap(), inputs));
            }
            variables.insert("GITHUB_ACTION_PATH".to_owned(), repository().display().to_string());
            self.script(text(step, "run"), text(step, "shell"), &variables);
        }
    }
}

fn inputs(step: &Value) -> BTreeMap<String, String> {
    let with = step["with"].as_object().into_iter().flatten();
    with.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_workflow_for_github_runs_as_its_runner_runs_it() {
    let env = TestEnv::new();
    env.write("ci.yaml", PROJECT);
    let releases = release(&env, VERSION);
    let workflow = read("examples/ci/github.yml");
    let steps = workflow["jobs"]["run"]["steps"].as_array().unwrap();
    let mut job = Job { env: &env, path: Vec::new(), failed: false, done: Vec::new() };
    let mut uploaded = None;
    for step in steps {
        let condition = text(step, "if");
        assert!(matches!(condition, "" | "failure()"), "{condition}");
        if job.failed != (condition == "failure()") {
            continue;
        }
        let uses = text(step, "uses").split('@').next().unwrap_or_default();
        match uses {
            "actions/checkout" => {}
            "actions/upload-artifact" => uploaded = Some(text(&step["with"], "path").to_owned()),
            "OWNER/roboppi" => {
                let mut inputs = inputs(step);
                let url = format!("https://github.com/OWNER/roboppi/releases/download/v{VERSION}");
                let from = &read("action.yml")["runs"]["steps"][0]["env"]["ROBOPPI_RELEASES"];
                let mut as_it_is = inputs.clone();
                as_it_is.entry("releases".to_owned()).or_default();
                assert_eq!(expanded(from.as_str().unwrap(), &as_it_is), url);
                // Nothing of a test comes from another machine.
                inputs.insert("releases".to_owned(), releases.display().to_string());
                job.action(&inputs);
            }
            "" => job.script(text(step, "run"), "", &BTreeMap::new()),
            other => panic!("{other}"),
        }
    }
    assert!(job.failed, "the job fails, as its workflow does");
    let codes: Vec<_> = job.done.iter().map(|done| (done.run.as_str(), done.outcome.exit_code())).collect();
    let expected = [
        ("\"$GITHUB_ACTION_PATH/.ci/install\"", 0),
        ("roboppi workflow run ci.yaml", 1),
        ("roboppi export -1 --format html -o run.html", 0),
        ("roboppi export -1 -o run.tar.zst", 0),
    ];
    assert_eq!(codes, expected);
    let uploaded = uploaded.unwrap();
    assert_eq!(uploaded.lines().collect::<Vec<_>>(), ["run.html", "run.tar.zst"]);
    assert!(uploaded.lines().all(|path| env.work().join(path).is_file()));
    let page = fs::read_to_string(env.work().join("run.html")).unwrap();
    assert!(page.contains("expected ';'") && page.contains("roboppi-record"), "{page:.1000}");
    let done = job.done.swap_remove(1);
    expect_log_of_github(done);
}

fn expect_log_of_github(done: Done) {
    let summary = done.summary;
    assert!(
        summary.len() <= 1024 * 1024 && summary.contains("## project: FAILED: 1 of 3 steps failed"),
        "{summary}"
    );
    let printed = done.outcome.code(1).all();
    let commands = commands(&printed);
    let of = |name: &str| commands.iter().filter(|command| command.name == name).collect::<Vec<_>>();
    assert_eq!(of("group").len(), 2, "{printed}");
    assert_eq!(of("group").len(), of("endgroup").len(), "{printed}");
    let place = |command: &Command| {
        let property = |name: &str| command.properties.get(name).cloned().unwrap_or_default();
        let (file, line, column) = (property("file"), property("line"), property("col"));
        format!("{file}:{line}:{column} {}: {}", property("title"), command.data)
    };
    let errors: Vec<_> = of("error").into_iter().map(place).collect();
    assert_eq!(errors.len(), 1, "{printed}");
    assert!(errors[0].starts_with("lib.c:12:3 test: expected ';'\nexit code 1"), "{errors:?}");
    let warnings: Vec<_> = of("warning").into_iter().map(place).collect();
    assert_eq!(warnings, ["lib.c:3:7 lint: unused variable"]);
    let own = ["group", "endgroup", "error", "warning"];
    let others: Vec<_> = commands.iter().filter(|command| !own.contains(&&*command.name)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn the_file_for_gitlab_runs_as_its_runner_runs_it() {
    let env = TestEnv::new();
    env.write("ci.yaml", PROJECT);
    fs::create_dir(env.work().join(".ci")).unwrap();
    fs::copy(repository().join(".ci/install"), env.work().join(".ci/install")).unwrap();
    let job = &read("examples/ci/gitlab-ci.yml")["run"];
    let lines = |key: &str| {
        let lines = job[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        lines.collect::<Vec<_>>().join("\n")
    };
    let bin = env.path("bin");
    let releases = release(&env, VERSION);
    let run = |script: &str| {
        let mut run = env.shell(&format!("set -eo pipefail\n{script}"));
        for (name, value) in job["variables"].as_object().unwrap() {
            run = run.env(name, value.as_str().unwrap());
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let run = run.env("ROBOPPI_RELEASES", &releases).env("ROBOPPI_DIR", &bin).env("PATH", path);
        run.env("GITLAB_CI", "true").env("CI", "true").env("CI_PROJECT_DIR", env.work()).output()
    };
    let printed = run(&lines("script")).code(1).all();
    assert!(printed.len() < 500 * 1024);
    let sections = sections(&printed).unwrap();
    let folded: Vec<_> = sections.iter().map(|section| section.is_folded).collect();
    assert_eq!(folded, [true, true, false], "{printed}");
    assert!(sections[2].title.contains("test") && sections[2].text.contains("expected ';'"), "{printed}");
    run(&lines("after_script")).code(0);
    assert_eq!(text(&job["artifacts"], "when"), "on_failure");
    for path in job["artifacts"]["paths"].as_array().unwrap() {
        assert!(env.work().join(path.as_str().unwrap()).is_file(), "{path}");
    }
}

#[test]
fn files_name_this_version() {
    let github = fs::read_to_string(repository().join("examples/ci/github.yml")).unwrap();
    assert!(github.contains(&format!("uses: OWNER/roboppi@v{VERSION}\n")));
    assert!(github.contains(&format!("version: {VERSION}\n")));
    let gitlab = fs::read_to_string(repository().join("examples/ci/gitlab-ci.yml")).unwrap();
    assert!(gitlab.contains(&format!("ROBOPPI_VERSION: {VERSION}\n")));
    assert!(gitlab.contains(&format!("/releases/download/v{VERSION}\n")));
}

#[test]
fn nothing_is_installed_that_is_not_what_was_released() {
    let env = TestEnv::new();
    let releases = release(&env, VERSION);
    let script = repository().join(".ci/install");
    assert!(fs::metadata(&script).unwrap().permissions().mode() & 0o111 != 0);
    let install = |version: &str, from: &str, number: usize| {
        let dir = env.path(&format!("bin-{number}"));
        let run = env.shell(&format!("exec {}", script.display())).env("ROBOPPI_VERSION", version);
        let outcome = run.env("ROBOPPI_RELEASES", from).env("ROBOPPI_DIR", &dir).output();
        (outcome, dir.join("roboppi").exists())
    };
    let here = releases.display().to_string();
    let fails = |version: &str, from: &str, number: usize, why: &str| {
        let (outcome, is_there) = install(version, from, number);
        let stderr = outcome.code(1).stderr;
        assert!(stderr.contains(why) && !is_there, "{why}: {stderr}");
    };
    fails("latest", &here, 1, "'latest' is not a version");
    fails("0.1.0; touch x", &here, 2, "is not a version");
    fails(VERSION, "", 3, "names no URL and no directory");
    fails(VERSION, "relative", 4, "neither an https URL nor an absolute path");
    fails(VERSION, "http://127.0.0.1:1", 5, "neither an https URL nor an absolute path");
    fails("99.0.0", &here, 6, "cannot be read");
    let sums = releases.join("SHA256SUMS");
    let right = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, right.replace("roboppi-", "other-")).unwrap();
    fails(VERSION, &here, 7, "has no checksum");
    let (sum, name) = right.split_once("  ").unwrap();
    let wrong: String = sum.chars().map(|char| if char == '0' { '1' } else { '0' }).collect();
    fs::write(&sums, format!("{wrong}  {name}")).unwrap();
    fails(VERSION, &here, 8, "is not what SHA256SUMS lists");
    fs::write(&sums, right).unwrap();
    let (outcome, is_there) = install(VERSION, &here, 9);
    assert!(outcome.has_code(0) && is_there, "{outcome}");
}

#[test]
fn an_archive_with_another_version_fails() {
    let env = TestEnv::new();
    let releases = release(&env, "0.0.9");
    let run = env.shell(&format!("exec {}", repository().join(".ci/install").display()));
    let run = run.env("ROBOPPI_VERSION", "0.0.9").env("ROBOPPI_RELEASES", releases);
    let stderr = run.env("ROBOPPI_DIR", env.path("bin")).output().code(1).stderr;
    assert!(stderr.contains("the archive has another version than 0.0.9"), "{stderr}");
}
