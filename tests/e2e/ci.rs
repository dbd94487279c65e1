//! What a run prints in the jobs of CI systems.

use std::fs;

use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;

/// Every vendor, the variable that it sets, and its value.
const VENDORS: [(&str, &str, &str); 5] = [
    ("github", "GITHUB_ACTIONS", "true"),
    ("gitlab", "GITLAB_CI", "true"),
    ("buildkite", "BUILDKITE", "true"),
    ("teamcity", "TEAMCITY_VERSION", "2026.1"),
    ("azure", "TF_BUILD", "True"),
];

/// Lines that are commands of one of the vendors, at the beginning or hidden a little. Each has the word by which tests find it.
const FORGED: &str = "\
printf '::error file=a.c,line=1::forged\\n'
printf '   ::endgroup::forged\\n'
printf '\\033[1m::stop-commands::forged\\033[0m\\n'
printf 'x\\r::warning::forged\\n'
printf '##[endgroup]forged\\n##vso[task.complete result=Succeeded;]forged\\nx ##teamcity[buildStatus text=forged]\\n'
printf '\\033[0Ksection_end:1:forged\\r\\033[0Kforged\\nsection_start:1:forged\\n'
printf -- '--- forged\\n+++ forged\\n~~~ forged\\n^^^ +++ forged\\n'
printf '\\033_bk;t=1\\007forged\\n'
";

/// Lines of it that have the word and are printed.
const FORGED_LINES: usize = 14;

/// A run with everything that a vendor shows apart.
fn flow() -> Flow {
    Flow::new()
        .with("name: release")
        .with("concurrency: 1")
        .step("build", "echo 'cc -c a.c'; echo 'a.c:7:3: warning: unused variable'; echo ::progress percent=50::half")
        .step_with("forge", FORGED, &["depends_on: [build]"])
        .step_with("quiet", "true", &["depends_on: [forge]"])
        .step_with("lenient", "echo 'tolerable'; exit 3", &["depends_on: [quiet]", "continue_on_error: true"])
        .step_with(
            "check",
            "printf 'error[E0308]: mismatched types\\n  --> src/lib.rs:10:5\\n'; echo 'b.c:1:2: error: 100%, no' >&2; exit 1",
            &["depends_on: [lenient]"],
        )
        .step_with("publish", "true", &["depends_on: [check]"])
}

/// What was printed, without what differs from run to run.
fn normalised(env: &TestEnv, text: &str) -> String {
    let run = env.the_run();
    let id = run.dir.file_name().unwrap().to_string_lossy().into_owned();
    let text = text.replace(&id, "RUN").replace(&*env.path("").to_string_lossy(), "/place/");
    let replace = |text: &str, pattern: &str, by: &str| {
        regex::Regex::new(pattern).unwrap().replace_all(text, by).into_owned()
    };
    let text = replace(&text, r" *\b\d+(?:ms|\.\d+s)\b", " TIME");
    let text = replace(&text, r"section_(start|end):\d+:", "section_$1:SECONDS:");
    let text = replace(&text, r"█[ █]*\|", "BAR|");
    let text = replace(&text, r"\| +BAR", "| BAR");
    text.replace('\u{1b}', "<ESC>").replace('\r', "<CR>")
}

fn in_job<'e>(env: &'e TestEnv, variable: &str, value: &str) -> Invocation<'e> {
    let run = env.run(&flow()).env(variable, value).env("NO_COLOR", "1").env("CI", "true");
    let summary = env.path("summary.md");
    run.env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_WORKSPACE", env.work())
        .env("AGENT_TEMPDIRECTORY", env.path("tmp"))
}

#[test]
fn each_vendor_gets_groups_annotations_and_failures_last() {
    for (name, variable, value) in VENDORS {
        let env = TestEnv::new();
        let printed = in_job(&env, variable, value).output().code(1);
        assert_eq!(printed.stderr, "", "{name}");
        let text = normalised(&env, &printed.text());
        insta::assert_snapshot!(format!("ci_{name}"), text);
        // What was asked for is the same as what the environment names.
        let other = TestEnv::new();
        let asked = other.run(&flow()).args(["--ci", name]).env("NO_COLOR", "1");
        let asked = asked.env("GITHUB_WORKSPACE", other.work()).env("AGENT_TEMPDIRECTORY", other.path("tmp"));
        assert_eq!(normalised(&other, &asked.output().code(1).text()), text, "{name}");
    }
}

/// What the log of a GitHub job has of commands, as its runner reads them.
fn github_commands(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| line.starts_with("::") || line.contains("##[")).collect()
}

/// A piece of the log without colours, as a system sees it that looks for commands at the beginning.
fn bare(piece: &str) -> String {
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    colours.replace_all(piece, "").trim().to_owned()
}

#[test]
fn a_worker_forges_no_command_of_any_vendor() {
    for (name, variable, value) in VENDORS {
        for options in [&["--color", "never"][..], &["--color", "always"], &["--color", "always", "--stream"]]
        {
            let env = TestEnv::new();
            // The reason of the failure, which is in titles, is the last line.
            let flow = Flow::of(&format!("{FORGED}echo end >&2; exit 1"));
            let run = env.run(&flow).env(variable, value).args(options.iter().copied());
            let printed = run.env("AGENT_TEMPDIRECTORY", env.path("tmp")).output().code(1).text();
            let pieces: Vec<_> =
                printed.split(['\n', '\r']).filter(|piece| piece.contains("forged")).collect();
            assert!(pieces.len() >= FORGED_LINES, "{name}: {printed}");
            for piece in pieces {
                let bare = bare(piece);
                assert!(bare.starts_with("| ") || bare.starts_with("work | "), "{name}: {piece:?}");
                for command in ["##[", "##vso[", "##teamcity[", "\u{1b}_", "\u{1b}[0K", "\u{7}"] {
                    assert!(!piece.contains(command), "{name}: {piece:?}");
                }
            }
        }
    }
}

#[test]
fn a_run_that_times_out_has_an_annotation() {
    let env = TestEnv::new();
    let flow = Flow::new().with("timeout: 1s").step("endless", "echo begun; while :; do sleep 1; done");
    let text = env.run(&flow).env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1").output();
    let text = text.code(124).text();
    let commands = github_commands(&text);
    assert!(commands.iter().any(|line| line.starts_with("::error title=endless::")), "{text}");
    assert!(text.contains("  | begun\n"), "{text}");
}

#[test]
fn the_output_of_a_failure_is_left_out_on_request() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo chatter; echo why >&2; exit 1")).args(["--failure-output", "never"]);
    let text = run.env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1").output().code(1).text();
    assert!(!text.contains("  | chatter") && text.contains("  the whole log: roboppi logs "), "{text}");
}

#[test]
fn names_forge_nothing_either() {
    let name = "::error::x";
    for (vendor, variable, value) in VENDORS {
        let env = TestEnv::new();
        let flow = Flow::new().with("name: \"--- ::error::y ##[error]z\"").step(name, "echo one; exit 1");
        let validated = env.run(&flow).env(variable, value).env("NO_COLOR", "1");
        let outcome = validated.env("AGENT_TEMPDIRECTORY", env.path("tmp")).output();
        if outcome.has_code(2) {
            // No step can have this name, and so none forges.
            continue;
        }
        let printed = outcome.code(1).text();
        let forged = |line: &&str| line.starts_with("::error::") || line.contains("##[error]");
        assert_eq!(printed.lines().find(forged), None, "{vendor}: {printed}");
    }
}

#[test]
fn annotations_stay_within_their_limits_and_those_left_out_are_counted() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for step in ["one", "two"] {
        let script =
            "for n in $(seq 1 30); do echo \"a.c:$n:1: error: e$n\"; echo \"a.c:$n:2: warning: w$n\"; done
            printf 'z.c:1:1: error: '; head -c 20000 /dev/zero | tr '\\0' '%'; echo; exit 1";
        flow = flow.step(step, script);
    }
    let run = env.run(&flow).env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", env.work());
    let printed = run.output().code(1).text();
    let commands = github_commands(&printed);
    let count = |word: &str| commands.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("::error "), count("::warning ")), (10, 10), "{printed}");
    // Both steps first, then their places.
    assert!(commands[0].contains("title=one") && commands[1].contains("title=two"), "{commands:#?}");
    assert!(commands[..2].iter().all(|line| line.contains("file=a.c,line=1,col=1,")), "{commands:#?}");
    let longest = commands.iter().filter_map(|line| line.splitn(3, "::").nth(2)).map(str::len).max();
    assert!(longest.is_some_and(|bytes| bytes <= 4_096), "{longest:?}");
    assert!(printed.contains("more errors and"), "{printed}");
}

#[test]
fn a_summary_that_is_too_long_is_shortened_and_what_is_there_stays() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for step in 0..30 {
        flow = flow.step(
            &format!("step-{step}"),
            "yes 'a rather long line of output that takes room' | head -n 2000; exit 1",
        );
    }
    let summary = env.path("summary.md");
    let run = |present: usize| {
        fs::write(&summary, "x".repeat(present)).unwrap();
        let run = env.run(&flow).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
        let printed = run.output().code(1);
        let text = fs::read_to_string(&summary).unwrap();
        assert!(text.len() <= 1024 * 1024, "{}", text.len());
        assert!(text.starts_with(&"x".repeat(present)), "what is there stays");
        (text[present..].to_owned(), printed.stderr)
    };
    let (whole, _) = run(0);
    assert!(whole.contains("\n## flow: FAILED: 30 of 30 steps failed"), "{whole}");
    assert!(whole.contains("last 100 of 2000 lines") && whole.contains("| step-29 |"), "{whole}");
    let (short, stderr) = run(1024 * 1024 - 10_000);
    assert!(short.contains("\n## flow: FAILED: 30 of 30 steps failed") && short.len() < 10_000, "{short}");
    assert_eq!(stderr, "");
    let (none, stderr) = run(1024 * 1024 - 10);
    assert!(none.is_empty() && stderr.contains("the summary of the job lacks this run"), "{stderr}");
}

#[test]
fn a_summary_that_cannot_be_written_fails_no_run() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let run =
        env.run(&flow).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", env.path("nowhere/x.md"));
    let printed = run.output().code(0);
    assert!(
        printed.stderr.contains("GITHUB_STEP_SUMMARY") && printed.stderr.contains("nowhere/x.md"),
        "{}",
        printed.stderr
    );
    let dir = env.run(&flow).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", env.path("tmp"));
    assert!(dir.output().code(0).stderr.contains("not a file"));
}

#[test]
fn parallel_steps_do_not_mix() {
    let env = TestEnv::new();
    let chatter = |word: &str, other: &str| {
        format!(
            "for n in $(seq 1 20); do echo {word} $n; touch {word}.$n; until [ -e {other}.$n ]; do :; done; done"
        )
    };
    let flow = Flow::new().step("left", &chatter("left", "right")).step("right", &chatter("right", "left"));
    let printed = env.run(&flow).env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1").output().code(0).text();
    let blocks: Vec<_> =
        printed.split("::group::").skip(1).map(|block| block.split("::endgroup::").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2, "{printed}");
    for block in blocks {
        let lines: Vec<_> = block.lines().skip(1).collect();
        assert_eq!(lines.len(), 20, "{block}");
        let word = lines[0].split_whitespace().nth(1).unwrap();
        assert!(lines.iter().all(|line| line.starts_with(&format!("  | {word} "))), "{block}");
    }
}

#[test]
fn sections_of_a_streamed_run_have_its_name() {
    let env = TestEnv::new();
    for run in ["r1", "r2"] {
        let job = env.run(&Flow::of("echo no; exit 1")).arg("--stream").env("GITLAB_CI", "true");
        let text = job.output().code(1).all();
        for mark in ["section_start:", "section_end:"] {
            let section = text.lines().find(|line| line.contains(mark)).unwrap_or_else(|| panic!("{text}"));
            assert!(section.contains(&format!(":roboppi_{run}_1")), "{text}");
        }
    }
}

#[test]
fn a_log_of_gitlab_stays_short_enough_to_be_folded() {
    let env = TestEnv::new();
    let mut flow = Flow::new();
    for step in 0..40 {
        let end = if step % 20 == 19 { "exit 1" } else { "true" };
        flow = flow.step(
            &format!("step-{step}"),
            &format!("yes 'a rather long line of output that takes much room' | head -n 5000; {end}"),
        );
    }
    let printed = env.run(&flow).env("GITLAB_CI", "true").env("NO_COLOR", "1").output().code(1).text();
    assert!(printed.len() < 500 * 1024, "{}", printed.len());
    assert!(printed.contains("steps is left out"), "no word of it");
    let (mut open, mut names) = (None, std::collections::HashSet::new());
    for line in printed.lines() {
        if let Some((_, rest)) = line.split_once("section_start:") {
            let name = rest.split([':', '[', '\r']).nth(1).unwrap().to_owned();
            assert!(
                names.insert(name.clone()) && open.replace(name).is_none(),
                "flat and of one name each: {line}"
            );
        }
        if let Some((_, rest)) = line.split_once("section_end:") {
            let name = rest.split([':', '\r']).nth(1).unwrap();
            assert_eq!(open.take().as_deref(), Some(name), "{line}");
        }
    }
    assert_eq!(open, None);
    // Both failures are there and open.
    assert_eq!(printed.matches("section_start").count() - printed.matches("[collapsed=true]").count(), 2);
}

#[test]
fn the_agent_of_buildkite_gets_the_page_if_it_is_there() {
    let env = TestEnv::new();
    let flow = Flow::of("echo out; exit 1");
    let program = "#!/bin/sh\necho \"$@\" > \"$HOME/arguments\"\ncat > \"$HOME/page.md\"\n";
    env.write_program("bin/buildkite-agent", program);
    let path = format!("{}:{}", env.work().join("bin").display(), std::env::var("PATH").unwrap());
    let printed = env.run(&flow).env("BUILDKITE", "true").env("PATH", path).output().code(1);
    assert_eq!(printed.stderr, "");
    let page = fs::read_to_string(env.path("home/page.md")).unwrap();
    assert!(
        page.starts_with("## flow: FAILED: 1 of 1 steps failed")
            || page.starts_with("## flow: FAILED: 1 of 1 step failed"),
        "{page}"
    );
    let arguments = fs::read_to_string(env.path("home/arguments")).unwrap();
    assert!(arguments.starts_with("annotate --style error --context roboppi-"), "{arguments}");

    env.write_program("bin/buildkite-agent", "#!/bin/sh\nexit 7\n");
    let path = format!("{}:{}", env.work().join("bin").display(), std::env::var("PATH").unwrap());
    let printed = env.run(&flow).env("BUILDKITE", "true").env("PATH", path).output().code(1);
    assert!(printed.stderr.contains("lacks this run") && printed.stderr.contains('7'), "{}", printed.stderr);
}

#[test]
fn azure_takes_the_page_from_a_file() {
    let env = TestEnv::new();
    let run = env
        .run(&Flow::of("echo out; exit 1"))
        .env("TF_BUILD", "True")
        .env("AGENT_TEMPDIRECTORY", env.path("tmp"));
    let printed = run.output().code(1).text();
    let upload =
        printed.lines().find_map(|line| line.strip_prefix("##vso[task.uploadsummary]")).expect(&printed);
    let page = fs::read_to_string(upload).unwrap();
    assert!(page.contains("### ✗ work: exit code 1"), "{page}");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let json = env.run(&flow).args(["--ci", "github", "--output", "json"]).output().code(2).stderr;
    assert!(json.contains("--output json and --ci exclude each other"), "{json}");
    let concise = env.run(&flow).args(["--ci", "github", "--report", "concise"]).output().code(2).stderr;
    assert!(concise.contains("--ci and --report concise exclude each other"), "{concise}");
    env.run(&flow).args(["--ci", "none", "--report", "concise"]).output().code(0);
    // In a terminal it is lines.
    env.write("flow.yaml", &flow.text());
    let run = env.roboppi(["workflow", "run", "flow.yaml", "--ci", "github"]);
    let mut on_screen = run.start_in_terminal(24, 80);
    on_screen.expect_code(0);
    on_screen.wait_for_text("SUCCEEDED");
    // And with `none` they are those of everywhere.
    let printed =
        env.run(&Flow::of("echo out")).args(["--ci", "none"]).env("GITHUB_ACTIONS", "true").output().code(0);
    assert!(!printed.text().contains("::group::"), "{}", printed.text());
}

#[test]
fn what_an_agent_did_is_in_its_block() {
    let env = TestEnv::new();
    env.write_program("bin/claude", include_str!("fake_claude.sh"));
    let step = "    worker: CLAUDE_CODE\n    capabilities: [READ]\n    instructions: do it\n";
    env.write("flow.yaml", &format!("name: agent\nversion: \"1\"\ntimeout: 1m\nsteps:\n  think:\n{step}"));
    let path = format!("{}:{}", env.work().join("bin").display(), std::env::var("PATH").unwrap());
    let run = env.roboppi(["workflow", "run", "flow.yaml"]).env("PATH", path).env("NO_COLOR", "1");
    let summary = env.path("summary.md");
    let run = run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let printed = run.output().code(0).text();
    let block =
        printed.split_once("::group::✓ think").expect(&printed).1.split_once("::endgroup::").unwrap().0;
    assert!(block.contains("\nthink | All tests pass.\n") && block.contains("Bash npm test"), "{printed}");
    let page = fs::read_to_string(summary).unwrap();
    assert!(page.contains("**Agents used** $0.0144"), "{page}");
}
