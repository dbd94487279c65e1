//! Places for a record that are none, or cease to be one. The run goes on, and the user is told once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::env::TestEnv;
use crate::flow::Flow;

#[test]
fn a_record_that_is_removed_while_it_is_written_ends_and_the_run_does_not() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "echo before; echo up > up; while [ ! -e go ]; do sleep 0.01; done; seq 1 20000; echo done > done";
        let flow = Flow::of(script).step_with("after", "echo after; echo ran > ran", &["depends_on: [work]"]);
        let running = env.run(&flow).arg(mode).start();
        env.wait_for_file("up");
        fs::remove_dir_all(env.the_run().dir).unwrap();
        env.write("go", "");
        let printed = running.wait().code(0).all();
        assert_eq!((env.read("done"), env.read("ran")), ("done\n".into(), "ran\n".into()));
        let told = printed.matches("is incomplete").count()
            + printed.matches("record of this run ends here").count();
        assert!((1..=3).contains(&told), "{mode}: told {told} times: {printed}");
        assert!(env.runs().is_empty(), "nobody makes it again");
    }
}

/// A small file system of its own; `None` where nobody may have one.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "none"])
            .arg(&at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_record_and_not_the_run() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let Some(small) = Small::mount(env.path("small")) else {
            eprintln!("left out: this user may not mount anything");
            return;
        };
        let flow = Flow::of("seq 1 200000; echo done > done").step_with(
            "after",
            "echo after; echo ran > ran",
            &["depends_on: [work]"],
        );
        let run = env.run(&flow).args([mode, "--min-free", "0"]).env("XDG_STATE_HOME", &small.0);
        let printed = run.output().code(0).all();
        assert_eq!((env.read("done"), env.read("ran")), ("done\n".into(), "ran\n".into()));
        assert!(printed.matches("No space left").count() <= 4, "{mode}: {printed}");
        assert!(printed.contains("No space left"), "{mode}: {printed}");
        drop(small);
    }
}
