//! Processes that may not be signalled: nothing can be done, and that is said once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::blow::Mode;
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::helper;

/// A program that becomes another user is out of reach of whoever is not that user.
#[test]
fn what_cannot_be_ended_is_told_once() {
    for mode in [Mode::Supervised, Mode::Direct] {
        let env = TestEnv::new();
        let program = env.work().join("becomes-root");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let flow = Flow::new()
            .step("leaves", &format!("(setsid env {} ./becomes-root < /dev/null > /dev/null 2>&1 &)
                until [ -e ready -o -e refused ]; do sleep 0.01; done", helper::role(helper::ROOT)))
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
            let text = b"left out: what cannot be ended; nobody becomes root here\n";
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
            continue;
        };
        let of_it: Vec<&str> = printed.lines().filter(|line| line.contains(&pid.to_string())).collect();
        let [line] = of_it[..] else { panic!("it should be told once:\n{printed}") };
        assert!(line.contains("a process cannot be ended and is left: "), "{line}");
        assert!(!printed.contains("was ended"), "{printed}");

        let process = crate::processes::Process::of(pid).expect("it lives");
        process.signal(nix::sys::signal::Signal::SIGKILL);
        env.wait_until_nothing_is_left();
    }
}
