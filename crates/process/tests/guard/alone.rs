//! Descendants of a process without a guard: found, told apart, ended.

use std::io::{BufRead, BufReader};
use std::mem::ManuallyDrop;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sys::prctl;
use roboppi_process::descendants::{self, Process};
use roboppi_process::guard::{become_subreaper, end_adopted};
use roboppi_process::{is_alive, lead_a_session};

use crate::runner::Case;
use crate::stage::{Mark, until};

/// The first argument that makes this program one that looks at what is below it. Then: mark, task.
pub(crate) const COMMAND: &str = "alone";

type Task = (&'static str, fn(&Mark));

const TASKS: [Task; 3] = [
    ("orphans_are_found_and_reaped_by_pid", orphans_are_found_and_reaped_by_pid),
    ("orphans_are_ended_and_the_others_stay", orphans_are_ended_and_the_others_stay),
    ("the_environment_tells_the_job", the_environment_tells_the_job),
];

/// Each in a process of its own: there is one list of children per process.
pub(crate) fn cases() -> Vec<Case> {
    let case = |(name, _): Task| {
        Case::new(format!("alone::{name}"), move || {
            let mark = Mark::new();
            let program = std::env::current_exe().unwrap();
            let mut task = Command::new(program).args([COMMAND, &mark.0, name]).spawn().unwrap();
            until("the task ends", || task.try_wait().unwrap().is_some());
            assert!(task.wait().unwrap().success());
            assert_eq!(mark.bearers(), []);
        })
    };
    TASKS.into_iter().map(case).collect()
}

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let [mark, task] = arguments else { panic!("{arguments:?}") };
    assert!(become_subreaper());
    assert!(prctl::get_child_subreaper().unwrap());
    // This process carries the mark itself, so it must not clear the stage.
    let mark = ManuallyDrop::new(Mark(mark.clone()));
    let (_, run) = TASKS.into_iter().find(|(name, _)| name == task).unwrap();
    run(&mark);
    ExitCode::SUCCESS
}

/// Starts a script and waits until it says that it is up.
fn start(script: &str, mark: &Mark, own_session: bool) -> Child {
    let mut command = Command::new("bash");
    command.args(["-c", script, &mark.0]).env("MARK_OF_JOB", "a");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if own_session {
        lead_a_session(&mut command);
    }
    let mut child = command.spawn().unwrap();
    let mut up = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut up).unwrap();
    assert_eq!(up, "up\n");
    child
}

/// An orphan with a child of its own.
const ORPHAN: &str =
    r#"(setsid bash -c '(exec -a "$0-2" sleep 1000) & echo up; wait' "$0-1" &) ; exec -a "$0-0" sleep 1000"#;

fn commands(processes: &[Process], mark: &Mark) -> Vec<String> {
    processes.iter().map(|process| process.command.replace(&mark.0, "")).collect()
}

fn orphans_are_found_and_reaped_by_pid(mark: &Mark) {
    let mut worker = start(ORPHAN, mark, true);
    until("the orphan has lost its parent", || descendants::adopted(&[worker.id()]).len() == 2);
    let orphans = descendants::adopted(&[worker.id()]);
    assert_eq!(orphans[0].parent, std::process::id());
    assert_eq!(orphans[0].session, orphans[0].identity.pid);
    assert_eq!(orphans[1].parent, orphans[0].identity.pid);
    // Everybody below, from the top down: the worker, too.
    assert_eq!(descendants::list(std::process::id()).len(), 3);

    assert_eq!(descendants::kill_trees(&[orphans[0].identity]).len(), 2);
    until("the orphans are reaped", || !descendants::reap_adopted(&[worker.id()]));
    assert!(orphans.iter().all(|orphan| !is_alive(orphan.identity)));
    assert_eq!(commands(&descendants::list(std::process::id()), mark), ["-0 1000"]);

    worker.kill().unwrap();
    worker.wait().unwrap();
}

fn orphans_are_ended_and_the_others_stay(mark: &Mark) {
    let mut worker = start(ORPHAN, mark, true);
    // In our own session: ours, although nobody says so.
    let mut own = start(r#"echo up; exec -a "$0-own" sleep 1000"#, mark, false);
    until("the orphan has lost its parent", || descendants::adopted(&[worker.id()]).len() == 2);

    let report = end_adopted(&[worker.id()], None);
    assert_eq!((report.ended.len(), report.unkillable.len()), (2, 0));
    for child in [&mut worker, &mut own] {
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(descendants::list(std::process::id()), []);
}

fn the_environment_tells_the_job(mark: &Mark) {
    let mut worker = start(r#"echo up; exec -a "$0" sleep 1000"#, mark, true);
    let process = roboppi_process::identity(worker.id()).unwrap();
    let own = std::process::id();
    let replaced = || commands(&descendants::list(own), mark) == [" 1000"];
    until("the program is replaced", replaced);
    assert_eq!(descendants::environment_variable(process, "MARK_OF_JOB").as_deref(), Some("a"));
    assert_eq!(descendants::environment_variable(process, "MARK"), None);
    let now = descendants::now_ticks().unwrap();
    assert!(process.start_time <= now, "{process:?} {now}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(descendants::environment_variable(process, "MARK_OF_JOB"), None);
}
