//! Runs that are looked at through another path.

use std::os::unix::fs::symlink;

use crate::env::TestEnv;
use crate::flow::Flow;

#[test]
fn every_spelling_of_a_workflow_file_finds_its_runs() {
    let env = TestEnv::new();
    env.write("a/flow.yaml", &Flow::of("echo kept >> kept").step("test", "[ -e ../fixed ]").text());
    symlink("a", env.path("work/linked")).unwrap();
    symlink("a/flow.yaml", env.path("work/link.yaml")).unwrap();
    let _ = env.roboppi(["workflow", "run", "a/flow.yaml", "--no-tui", "-w", "a"]).output().code(1);
    for file in ["linked/flow.yaml", "link.yaml", "a/../a/flow.yaml", "linked/../link.yaml"] {
        for place in [&[][..], &["-w", "linked"], &["-w", "a/../a"]] {
            let command = ["workflow", "run", file, "--no-tui", "--rerun-failed"];
            let _ = env.roboppi(command).args(place).output().code(1);
            assert_eq!(env.read("a/kept"), "kept\n", "{file} {place:?}");
        }
    }
    env.write("b/flow.yaml", &Flow::of("true").text());
    let none = env.roboppi(["workflow", "run", "b/flow.yaml", "--rerun-failed"]).output().code(2).stderr;
    assert!(none.contains("there is no run of"), "{none}");
}
