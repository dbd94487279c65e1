//! What shells are told that may come next.

use crate::env::TestEnv;
use crate::flow::Flow;

/// What bash is offered behind these words, the last of which is being typed.
fn offered(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let words: Vec<_> = std::iter::once("roboppi").chain(words.iter().copied()).collect();
    let asked = env
        .roboppi(std::iter::once("--").chain(words.iter().copied()))
        .env("ROBOPPI_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true");
    asked.output().code(0).text().lines().map(str::to_owned).collect()
}

#[test]
fn runs_and_steps_are_offered() {
    let env = TestEnv::new();
    assert!(offered(&env, &["logs", ""]).is_empty() || offered(&env, &["logs", ""])[0].starts_with('-'));
    let _ = env.run(&Flow::new().step("build", "true").step("bench", "true")).output().code(0);
    let id = env.the_run().dir.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(offered(&env, &["show", &id[..4]]), [id.as_str()]);
    assert_eq!(offered(&env, &["cancel", &id, "b"]), ["build", "bench"]);
    assert_eq!(offered(&env, &["retry", "-1", "bu"]), ["build"]);
    assert_eq!(offered(&env, &["logs", "-f", "-1", "be"]), ["bench"]);
    assert_eq!(offered(&env, &["logs", "bu"]), ["build"]);
    assert!(offered(&env, &["logs", "no-run", "b"]).is_empty());
    assert!(offered(&env, &["repl"]).contains(&"replay".to_owned()));
    assert_eq!(offered(&env, &["export", "-1", "be"]), ["bench"]);
    assert_eq!(offered(&env, &["artifacts", "be"]), ["bench"]);
    assert_eq!(offered(&env, &["workflow", "run", "--resume", "r"]), ["r1"]);
    assert!(offered(&env, &["cancel", "r"]).is_empty(), "the run is over");
}

#[test]
fn sources_and_formats_of_watch_are_offered() {
    let env = TestEnv::new();
    assert_eq!(offered(&env, &["watch", "vic"]), ["victor"]);
    assert_eq!(offered(&env, &["watch", "x.log", "--format", "pyj"]), ["pyjama"]);
}

#[test]
fn commands_are_offered_by_their_names_and_aliases_are_completed() {
    let env = TestEnv::new();
    let all = offered(&env, &[""]);
    for (name, alias) in [("workflow", "wf"), ("run", "agent"), ("runs", "ls")] {
        assert!(all.contains(&name.to_owned()) && !all.contains(&alias.to_owned()), "{name}: {all:?}");
        assert_eq!(offered(&env, &[alias]), [alias]);
    }
    assert_eq!(offered(&env, &["w"]), ["workflow", "workers", "watch"]);
    assert!(offered(&env, &["wf", "run", "--fr"]).contains(&"--from".to_owned()));
    assert!(offered(&env, &["ls", "--lim"]).contains(&"--limit".to_owned()));
}

#[test]
fn a_record_does_not_put_commands_into_a_line() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::new().step("build", "true").step("bench", "true")).output().code(0);
    let journal = env.the_run().dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap().replace("build", "b;$(touch made)");
    std::fs::write(&journal, text).unwrap();
    assert_eq!(offered(&env, &["logs", "-1", "b"]), ["bench"]);
}

#[test]
fn steps_to_begin_from_are_those_of_the_file() {
    let env = TestEnv::new();
    env.write("other.yaml", &Flow::new().step("compile", "true").step("count", "true").text());
    env.write("roboppi.yaml", &Flow::new().step("check", "true").text());
    assert_eq!(offered(&env, &["workflow", "run", "other.yaml", "--from", "co"]), ["compile", "count"]);
    assert_eq!(offered(&env, &["workflow", "run", "--from", ""])[..1], ["check"]);
    assert_eq!(offered(&env, &["workflow", "run", "other.yaml", "--only", "com"]), ["compile"]);
    env.write("broken.yaml", "name: [\n");
    assert!(!offered(&env, &["workflow", "run", "broken.yaml", "--from", "c"]).contains(&"check".to_owned()));
    assert!(env.runs().is_empty());
}

#[test]
fn shells_get_a_script() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = env.roboppi(["completions", shell]).output().code(0).text();
        assert!(script.contains("ROBOPPI_COMPLETE") && script.contains("roboppi"), "{shell}: {script}");
    }
    // It is a script that bash takes, and that asks the program.
    let asked =
        env.shell("eval \"$($ROBOPPI completions bash)\"; complete -p roboppi").output().code(0).text();
    assert!(asked.contains("complete"), "{asked}");
    let _ = env.roboppi(["completions", "cmd"]).output().code(2);
}
