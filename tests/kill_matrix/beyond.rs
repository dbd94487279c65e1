//! What is said of processes that were left, by those that are hard to see and those that cannot be ended; and the real
//! commands that kill by name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::blow::Mode;
use crate::env::{TestEnv, before_summary};
use crate::flow::Flow;
use crate::helper;
use crate::processes::Process;

/// A daemon whose main thread has ended is ended and told like any other.
#[test]
fn a_daemon_without_its_main_thread_is_ended_and_told() {
    for mode in [Mode::Supervised, Mode::Direct] {
        let env = TestEnv::new();
        let daemon = helper::command(helper::LEADERLESS);
        let script = format!(
            "(setsid {daemon} < /dev/null > /dev/null 2>&1 &)
            until [ -e ready ]; do sleep 0.01; done"
        );
        let printed = env.run(&Flow::of(&script)).arg(mode.flag()).output().code(0).all();
        assert!(Process::marked(env.mark()).is_empty(), "{printed}");
        assert!(printed.contains("left a process behind, it was ended: "), "{printed}");
        assert!(printed.contains(std::env::current_exe().unwrap().to_str().unwrap()), "{printed}");
    }
}

/// The commands themselves, in a space where they find nobody else.
#[test]
fn the_commands_that_kill_by_name_leave_nothing() {
    for mode in [Mode::Supervised, Mode::Direct] {
        for command in ["pkill -9 roboppi", "pkill -9 -f roboppi", "killall -9 roboppi"] {
            let env = TestEnv::new();
            let flow =
                Flow::of("trap '' TERM INT HUP; setsid sleep 1000 & echo > started; sleep 1000; sleep 1000");
            env.write("flow.yaml", &flow.text());
            let script = format!(
                "command -v {} && unshare -pf --mount-proc true || exit 77
                [ $1 = inside ] || exec unshare -pf --mount-proc bash $0 inside
                setsid $ROBOPPI workflow run flow.yaml --no-tui --grace 1h {} > out 2>&1 &
                until [ -s started ]; do sleep 0.02; done
                {command}
                while pgrep -f 'sleep 100[0]|process-guar[d]' > left; do sleep 0.02; done
                echo nobody",
                command.split(' ').next().unwrap(),
                mode.flag(),
            );
            env.write("kill.sh", &script);
            let outcome = env.shell("exec bash kill.sh outside").output();
            if outcome.has_code(77) {
                eprintln!("left out: `{command}`; it is not there, or there is no pid namespace here");
                continue;
            }
            assert!(outcome.code(0).text().contains("nobody"));
            env.wait_until_nothing_is_left();
        }
    }
}

/// A program that becomes another user is out of reach of whoever is not that user.
#[test]
fn what_cannot_be_ended_is_told_once() {
    for mode in [Mode::Supervised, Mode::Direct] {
        let env = TestEnv::new();
        let program = env.work().join("becomes-root");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let flow = Flow::new()
            .step(
                "leaves",
                &format!(
                    "(setsid env {} ./becomes-root < /dev/null > /dev/null 2>&1 &)
                until [ -e ready -o -e refused ]; do sleep 0.01; done",
                    helper::role(helper::ROOT)
                ),
            )
            .step_with("after", "echo after", &["depends_on: [leaves]"]);
        // Grace and drain times of an hour: it does not pay to wait for what cannot be asked.
        let run = env.run(&flow).args(["--grace", "1h", "--drain", "1h"]).arg(mode.flag());
        let Some(run) = run.without_privileges() else { return };
        // After the files were given to somebody else.
        let root = nix::unistd::geteuid();
        nix::unistd::chown(&program, Some(root), None).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        let printed = run.output().code(0).all();
        let left = fs::read_to_string(env.work().join("ready"));
        let Some(pid) = left.ok().and_then(|text| text.trim().parse::<i32>().ok()) else {
            eprintln!("left out: what cannot be ended; nobody becomes root here");
            continue;
        };
        let of_it: Vec<&str> =
            before_summary(&printed).lines().filter(|line| line.contains(&pid.to_string())).collect();
        let [line] = of_it[..] else { panic!("it should be told once:\n{printed}") };
        assert!(line.contains("a process cannot be ended and is left: "), "{line}");
        assert!(!printed.contains("was ended"), "{printed}");

        let process = Process::of(pid).expect("it lives");
        process.signal(nix::sys::signal::Signal::SIGKILL);
        env.wait_until_nothing_is_left();
    }
}
