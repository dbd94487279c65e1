//! How children start and end by themselves.

use std::path::PathBuf;
use std::time::Duration;

use roboppi_ipc::EndingPhase;
use roboppi_process::{Environment, ExitKind, Limits, Spawn, SpawnErrorKind, is_alive};

#[cfg(target_os = "linux")]
use crate::support::KillOnDrop;
use crate::support::{Running, all_dead, bash, ended, impatient, patient, refused, who};

#[tokio::test]
async fn code_and_signal_are_reported() {
    for (script, exit) in [
        ("exit 0", ExitKind::Code(0)),
        ("exit 255", ExitKind::Code(255)),
        ("kill -9 $$", ExitKind::Signal(9)),
        ("kill -TERM $$", ExitKind::Signal(15)),
    ] {
        let (report, seen) = ended(bash(script), patient()).await;
        assert_eq!(report.exit, exit, "{script}");
        assert_eq!((report.reason, report.killed), (None, false), "{script}");
        assert_eq!(Some(report.process), seen.started, "{script}");
        assert!(!is_alive(report.process), "{script}");
    }
}

#[tokio::test]
async fn a_child_leads_a_session_of_its_own() {
    let (report, seen) = ended(bash("ps -o pid=,pgid=,sid= -p $$"), patient()).await;
    let numbers: Vec<u32> = String::from_utf8(seen.stdout)
        .unwrap()
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    assert_eq!(numbers, [report.process.pid; 3]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_signal_is_ignored_or_blocked() {
    // Rust programs ignore PIPE, which must not be passed on.
    let (_, seen) = ended(bash("exec grep -E '^Sig(Ign|Blk)' /proc/self/status"), patient()).await;
    let text = String::from_utf8(seen.stdout).unwrap();
    for line in text.lines() {
        let mask = line.split_whitespace().nth(1).and_then(|mask| u64::from_str_radix(mask, 16).ok());
        // The signals above 31 belong to the C library.
        assert_eq!(mask.map(|mask| mask & 0x7fff_ffff), Some(0), "{line}");
    }
    assert_eq!(text.lines().count(), 2);
}

#[tokio::test]
async fn the_environment_is_ours_with_changes() {
    let script = "echo ${PATH:+path} ${HOME-no home} $ROBOPPI_TEST";
    let env = Environment {
        remove: vec!["HOME".into(), "NEVER_SET".into()],
        set: vec![("ROBOPPI_TEST".into(), "one".into()), ("ROBOPPI_TEST".into(), "two".into())],
    };
    let (_, seen) = ended(Spawn { env, ..bash(script) }, patient()).await;
    assert_eq!(String::from_utf8(seen.stdout).unwrap(), "path no home two\n");
}

#[tokio::test]
async fn it_runs_in_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let (_, seen) = ended(Spawn { cwd: path.clone(), ..bash("pwd -P") }, patient()).await;
    assert_eq!(String::from_utf8(seen.stdout).unwrap().trim_end(), path.to_str().unwrap());
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_is_ended_after_the_drain_time() {
    let mut running = Running::start(bash("sleep 1000 & echo $!; exit 3"), impatient());
    let grandchild = who(running.lines(1).await.pids()[0]);
    let (report, seen) = running.end().await;
    assert_eq!((report.exit, report.reason, report.killed), (ExitKind::Code(3), None, false));
    assert!(report.pipes_left_open);
    assert_eq!(seen.endings, [(EndingPhase::Draining, None)]);
    all_dead(&[grandchild]).await;
}

#[tokio::test]
async fn what_a_grandchild_writes_in_the_drain_time_arrives() {
    let (report, seen) = ended(bash("(sleep 0.05; echo late) & echo early"), patient()).await;
    assert_eq!(seen.stdout, b"early\nlate\n");
    assert!(!report.pipes_left_open);
    assert!(report.duration < Duration::from_secs(30));
}

#[tokio::test]
async fn a_grandchild_without_the_pipe_is_ended_with_the_child() {
    let mut running = Running::start(bash("sleep 1000 >/dev/null 2>&1 & echo $!; sleep 0.05"), patient());
    let grandchild = who(running.lines(1).await.pids()[0]);
    let (report, _) = running.end().await;
    assert!(!report.pipes_left_open);
    all_dead(&[grandchild]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_that_left_the_session_does_not_hold_up_the_end() {
    let mut running = Running::start(bash("setsid sleep 1000 & echo $!; sleep 0.05"), impatient());
    let escapee = who(running.lines(1).await.pids()[0]);
    let guard = KillOnDrop(escapee);
    let (report, _) = running.end().await;
    assert!(report.pipes_left_open);
    drop(guard);
    all_dead(&[escapee]).await;
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let error = refused(Spawn { cwd: "/no/such/place".into(), ..bash("true") }).await;
    assert!(matches!(error.kind, SpawnErrorKind::NoDirectory(_)));
    insta::assert_snapshot!(error, @"cannot start `bash`: the working directory `/no/such/place` does not exist; create it or name another");
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let error = refused(Spawn { cwd: "/etc/passwd".into(), ..bash("true") }).await;
    assert!(matches!(error.kind, SpawnErrorKind::NotADirectory(_)));
    insta::assert_snapshot!(error, @"cannot start `bash`: the working directory `/etc/passwd` is not a directory; name another");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = refused(Spawn { program: "no-such-program".into(), ..bash("") }).await;
    insta::assert_snapshot!(error, @"cannot start `no-such-program`: no such program in PATH; install it or name its path");
    let error = refused(Spawn { program: "/no/such/program".into(), ..bash("") }).await;
    insta::assert_snapshot!(error, @"cannot start `/no/such/program`: the file does not exist; install it or correct the path");
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let cwd: PathBuf = directory.path().into();
    std::fs::write(cwd.join("tool"), "#!/no/such/interpreter\n").unwrap();
    let spawn = Spawn { program: "./tool".into(), cwd: cwd.clone(), ..bash("") };

    let error = refused(spawn.clone()).await;
    insta::assert_snapshot!(error, @"cannot start `./tool`: permission denied; make the file executable (chmod +x)");

    std::fs::set_permissions(cwd.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = refused(spawn).await;
    let error = error.to_string().replace(cwd.to_str().unwrap(), "DIR");
    insta::assert_snapshot!(error, @"cannot start `./tool`: its interpreter `/no/such/interpreter` is missing; install it, or correct the first line of `DIR/./tool`");
}

#[tokio::test]
async fn a_missing_interpreter_is_not_taken_for_a_missing_program() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("tool");
    std::fs::write(&tool, "#! /opt/gone/bin/node --flag\nconsole.log(1)\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let set = vec![("PATH".into(), directory.path().into())];
    let spawn = Spawn { program: "tool".into(), env: Environment { set, remove: vec![] }, ..bash("") };
    let error = refused(spawn).await;
    let SpawnErrorKind::NoInterpreter { script, interpreter } = error.kind else { panic!("{error}") };
    assert_eq!((script, interpreter), (tool, "/opt/gone/bin/node".into()));
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_with_advice() {
    let error = refused(bash(&"x".repeat(8 * 1024 * 1024))).await;
    insta::assert_snapshot!(error, @"cannot start `bash`: its arguments or environment are too long for this system; pass the text by a file or by stdin");
}

#[tokio::test]
async fn limits_of_any_length_are_taken() {
    for timeout in [Duration::from_secs(60 * 60 * 24 * 26), Duration::MAX] {
        let limits = Limits { grace: Duration::MAX, drain: Duration::MAX, timeout: Some(timeout) };
        let (report, _) = ended(bash("sleep 0.01"), limits).await;
        assert_eq!((report.exit, report.reason), (ExitKind::Code(0), None));
    }
}
