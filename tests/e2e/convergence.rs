//! Loops that make no progress.

use crate::agents::{finding, with_claude};
use crate::env::TestEnv;

const RUN: [&str; 4] = ["workflow", "run", "flow.yaml", "--no-tui"];

/// A loop whose check fails with these lines, one after the other, and with the last one for ever.
fn flow(convergence: &str, reasons: &[&str], more: &str) -> String {
    let lines = reasons.join("\\n");
    format!(
        "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  fix:\n    run: 'echo x >> tries; echo stage $ROBOPPI_CONVERGENCE_STAGE >> stages'\n    \
         max_iterations: 20\n    convergence: {{{convergence}}}\n    completion_check:\n      \
         run: 'n=$(wc -l < tries); printf \"{lines}\\n\" > reasons; l=$(sed -n ${{n}}p reasons); echo ${{l:-$(tail -n1 reasons)}}; exit 1'\n{more}"
    )
}

#[test]
fn a_loop_without_progress_ends() {
    let env = TestEnv::new();
    env.write("flow.yaml", &flow("enabled: true", &["one", "two", "same"], ""));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(
        text.contains("the same result 2 times (reason:exit code 1: same); stage 2 of 3 begins"),
        "{text}"
    );
    assert!(text.contains("no progress: stage 3 of 3 is reached after the same result 2 times"), "{text}");
    assert_eq!(env.read("stages"), "stage 1\nstage 1\nstage 1\nstage 1\nstage 2\nstage 2\n");
    // Without it, or with a last stage that is no end, the loop goes on to its limit.
    for convergence in ["enabled: false", "enabled: true, fail_on_max_stage: false"] {
        let env = TestEnv::new();
        env.write("flow.yaml", &flow(convergence, &["same"], ""));
        let text = env.roboppi(RUN).output().code(1).text();
        assert!(text.contains("not complete after 20 iterations"), "{text}");
    }
}

#[test]
fn files_outside_are_no_completion() {
    let env = TestEnv::new();
    let git = |arguments: &[&str]| {
        let me = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
        env.program("git", me.iter().chain(arguments).copied()).output().code(0);
    };
    git(&["init", "-q", "-b", "work", "."]);
    env.write("src/a.txt", "a\n");
    env.write("other.txt", "b\n");
    env.write(".gitignore", "flow.yaml\n");
    git(&["add", "src", "other.txt", ".gitignore"]);
    git(&["commit", "-q", "-m", "first"]);
    let flow = |convergence: &str| {
        format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  fix:\n    run: 'echo more >> src/a.txt; echo new > src/new.txt; echo x >> other.txt'\n    \
             max_iterations: 2\n    completion_check: {{run: 'true'}}\n    convergence: {{enabled: true, {convergence}}}\n"
        )
    };
    env.write("flow.yaml", &flow("allowed_paths: [src]"));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(text.contains("changed outside of `allowed_paths`: other.txt"), "{text}");
    env.write("flow.yaml", &flow("max_changed_files: 2"));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(text.contains("3 files are changed, at most 2 may be"), "{text}");
    env.write("flow.yaml", &flow("allowed_paths: [src], ignored_paths: [\"*.txt\"], max_changed_files: 2"));
    env.roboppi(RUN).output().code(0);
    env.write("flow.yaml", &flow("allowed_paths: [src], diff_base_ref: none"));
    let text = env.roboppi(RUN).output().code(1).text();
    assert!(text.contains("the files that were changed cannot be found out: git:"), "{text}");
}

#[test]
fn an_agent_is_briefed_and_a_script_is_not_altered() {
    let env = with_claude();
    let text = "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    capabilities: [READ]\n    instructions: says-args of this.\n    \
                max_iterations: 3\n    completion_check: {run: 'echo broken; exit 1'}\n    \
                convergence: {enabled: true, fail_on_max_stage: false, stages: [{stage: 2, append_instructions: Read the test.}]}\n";
    env.write("flow.yaml", text);
    let _ = finding(&env, env.roboppi(RUN)).output().code(1);
    let told = env.read("prompt.txt");
    for part in
        ["says-args of this.\n\n[Convergence]", "stage 2 of 3", "- exit code 1: broken", "Read the test."]
    {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}
