//! Diagnostics of roboppi itself: where they are, what they say, and what they never say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::secrets::files_with;

#[test]
fn the_record_has_what_roboppi_did_and_where_in_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let _ = env.run(&Flow::of("echo said by the worker; exit 3")).arg(mode).output().code(1);
        let run = env.the_run();
        let mut files = vec!["roboppi.log"];
        files.extend((mode == "--supervised").then_some("core.log"));
        let mut lines = String::new();
        for file in files {
            let path = run.dir.join(file);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{mode}: {file}");
            lines.push_str(&fs::read_to_string(&path).unwrap());
        }
        let id = run.dir.file_name().unwrap().to_str().unwrap();
        let place = format!("run{{id=\"{id}\"}}:step{{name=\"work\"}}:attempt{{iteration=1 number=1}}");
        let has = |words: &[&str]| lines.lines().any(|line| words.iter().all(|word| line.contains(word)));
        for words in [
            [place.as_str(), "a job of the core"],
            [&place, "the attempt has ended status=\"FAILED\""],
            ["job{id=", "the worker was started pid="],
            ["job{id=", "the worker has ended exit=Code(3)"],
            [" INFO run{id=", "the run has ended outcome=\"failed\" exit_code=1"],
        ] {
            assert!(has(&words), "{mode}: no {words:?} in\n{lines}");
        }
        assert!(!lines.contains("said by the worker"), "{mode}: {lines}");
        assert!(!lines.contains("DEBUG"), "{mode}: {lines}");
    }
}

#[test]
fn a_variable_says_how_much() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).env("ROBOPPI_LOG", "off").output().code(0);
    assert!(!env.the_run().dir.join("roboppi.log").exists() && !env.the_run().dir.join("core.log").exists());

    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).env("ROBOPPI_LOG", "warn,roboppi_core=debug").output().code(0);
    let core = fs::read_to_string(env.the_run().dir.join("core.log")).unwrap();
    assert!(core.contains("DEBUG") && core.contains("permit_granted"), "{core}");
    assert_eq!(fs::read_to_string(env.the_run().dir.join("roboppi.log")).unwrap(), "");

    let env = TestEnv::new();
    let printed = env.run(&Flow::of("true")).env("ROBOPPI_LOG", "roboppi=loud").output().code(2);
    assert!(printed.stderr.contains("ROBOPPI_LOG: `roboppi=loud`"), "{}", printed.stderr);
}

#[test]
fn a_secret_is_in_none_of_it() {
    const CANARY: &str = "canary-b5f1a7c3";
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of("echo $A_TOKEN; echo $A_TOKEN >&2; echo \"::add-mask::masked-$$-value\"; exit 1")
            .step_with(CANARY, "no-such-program-$A_TOKEN", &["depends_on: [work]"]);
        let _ = env.run(&flow).arg(mode).env("A_TOKEN", CANARY).env("ROBOPPI_LOG", "trace").output();
        let dir = env.the_run().dir.clone();
        assert!(dir.join("roboppi.log").exists(), "{mode}");
        let found = files_with(&dir, CANARY);
        assert!(
            found.iter().all(|file| !file.ends_with("roboppi.log") && !file.ends_with("core.log")),
            "{mode}: {found:?}"
        );
    }
}
