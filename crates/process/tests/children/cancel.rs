//! Children that are ended.

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase};
use roboppi_process::{Control, ExitKind, Limits, STDIN_BACKLOG, Spawn, SpawnErrorKind, StdinMode, run};
use tokio::sync::mpsc;

use crate::support::{Running, all_dead, bash, ended, impatient, patient, wait_until, who};

/// A shell and its child, both deaf to TERM; says both pids.
const DEAF: &str = "trap '' TERM; sleep 1000 & echo $$; echo $!; wait; wait; sleep 1000";

#[tokio::test]
async fn a_cancel_ends_a_child_that_listens_without_force() {
    let mut running = Running::start(bash("sleep 1000 & echo $$; echo $!; wait"), patient());
    let family: Vec<_> = running.lines(2).await.pids().into_iter().map(who).collect();
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::User))).await;
    let (report, seen) = running.end().await;
    assert_eq!(report.exit, ExitKind::Signal(15));
    assert_eq!((report.reason, report.killed), (Some(CancelReason::User), false));
    assert_eq!(seen.endings.first(), Some(&(EndingPhase::Terminating, Some(CancelReason::User))));
    all_dead(&family).await;
}

#[tokio::test]
async fn last_words_of_a_cancelled_child_arrive() {
    let script = "trap 'echo cleaning; exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let mut running = Running::start(bash(script), patient());
    running.lines(1).await;
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::Budget))).await;
    let (report, seen) = running.end().await;
    assert_eq!(seen.stdout, b"ready\ncleaning\n");
    assert_eq!((report.exit, report.reason), (ExitKind::Code(9), Some(CancelReason::Budget)));
}

#[tokio::test]
async fn a_child_that_ignores_term_is_killed_after_the_grace_time() {
    let mut running = Running::start(bash(DEAF), impatient());
    let family: Vec<_> = running.lines(2).await.pids().into_iter().map(who).collect();
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::User))).await;
    let (report, seen) = running.end().await;
    assert_eq!(report.exit, ExitKind::Signal(9));
    assert_eq!(report.exit.code(), 137);
    assert!(report.killed);
    assert_eq!(
        seen.endings[..2],
        [
            (EndingPhase::Terminating, Some(CancelReason::User)),
            (EndingPhase::Killing, Some(CancelReason::User)),
        ]
    );
    all_dead(&family).await;
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_grace_time() {
    let mut running = Running::start(bash(DEAF), patient());
    let family: Vec<_> = running.lines(2).await.pids().into_iter().map(who).collect();
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::User))).await;
    running.until(|seen| !seen.endings.is_empty()).await;
    running.tell(Control::Cancel(Cancel::forced(CancelReason::User))).await;
    let (report, _) = running.end().await;
    assert!(report.killed);
    all_dead(&family).await;
}

#[tokio::test]
async fn a_timeout_takes_the_same_ladder() {
    let limits = Limits { timeout: Some(Duration::from_millis(100)), ..impatient() };
    let (report, seen) = ended(bash("trap '' TERM; while :; do sleep 0.01; done"), limits).await;
    assert_eq!((report.exit, report.reason), (ExitKind::Signal(9), Some(CancelReason::Timeout)));
    assert!(report.killed);
    assert!(report.duration >= Duration::from_millis(200));
    assert_eq!(seen.endings[0], (EndingPhase::Terminating, Some(CancelReason::Timeout)));
}

#[tokio::test]
async fn a_child_nobody_owns_is_ended() {
    let mut running = Running::start(bash(DEAF), impatient());
    let family: Vec<_> = running.lines(2).await.pids().into_iter().map(who).collect();
    let report = running.abandon().await;
    assert_eq!((report.reason, report.killed), (Some(CancelReason::Parent), true));
    all_dead(&family).await;
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing() {
    let mut running = Running::start(bash(DEAF), patient());
    let family: Vec<_> = running.lines(2).await.pids().into_iter().map(who).collect();
    running.abort().await;
    all_dead(&family).await;
    // Not even an unreaped one.
    #[cfg(target_os = "linux")]
    wait_until("the child is reaped", || roboppi_process::identity(family[0].pid).is_err()).await;
}

#[tokio::test]
async fn a_stopped_child_can_be_cancelled() {
    let mut running = Running::start(bash("echo $$; kill -STOP $$; sleep 1000"), patient());
    let child = who(running.lines(1).await.pids()[0]);
    stopped(child.pid).await;
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::User))).await;
    let (report, _) = running.end().await;
    assert_eq!((report.exit, report.killed), (ExitKind::Signal(15), false));
    all_dead(&[child]).await;
}

#[tokio::test]
async fn a_paused_child_rests_and_goes_on() {
    let limits = Limits { timeout: Some(Duration::from_secs(25)), ..patient() };
    let mut running = Running::start(bash("echo $$; while :; do sleep 0.01; done"), limits);
    let child = who(running.lines(1).await.pids()[0]);
    running.tell(Control::Pause).await;
    stopped(child.pid).await;
    running.tell(Control::Resume).await;
    wait_until("it goes on", || state(child.pid) != "T").await;
    running.tell(Control::Pause).await;
    stopped(child.pid).await;
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::User))).await;
    let (report, _) = running.end().await;
    assert_eq!((report.exit, report.killed), (ExitKind::Signal(15), false));
}

#[tokio::test]
async fn a_writer_that_never_stops_is_ended() {
    let mut running = Running::start(bash("trap '' TERM; yes"), impatient());
    running.until(|seen| seen.stdout.len() > 1_000_000).await;
    running.tell(Control::Cancel(Cancel::graceful(CancelReason::Budget))).await;
    let (report, seen) = running.end().await;
    assert_eq!(report.reason, Some(CancelReason::Budget));
    assert!(seen.stdout.chunks(2).all(|pair| pair == b"y\n" || pair == b"y"));
}

#[tokio::test]
async fn a_child_that_lets_its_input_pile_up_is_ended() {
    let mut running =
        Running::start(Spawn { stdin: StdinMode::Piped, ..bash("echo ready; sleep 1000") }, patient());
    running.lines(1).await;
    // One piece of any size fits.
    running.tell(Control::Stdin(vec![0; STDIN_BACKLOG * 2])).await;
    running.tell(Control::Stdin(vec![0; 1])).await;
    let (report, _) = running.end().await;
    assert_eq!(report.reason, Some(CancelReason::Budget));
}

#[tokio::test]
async fn what_was_cancelled_before_is_not_started() {
    struct Nobody;
    impl roboppi_process::ChildWatch for Nobody {
        fn started(&mut self, _: roboppi_ipc::ProcessIdentity) {
            panic!("it was started");
        }
        fn output(&mut self, _: roboppi_ipc::OutputStream, _: &[u8]) {}
        fn ending(&mut self, _: EndingPhase, _: Option<CancelReason>, _: Duration) {}
    }
    let (control, commands) = mpsc::channel(4);
    control.send(Control::Cancel(Cancel::graceful(CancelReason::User))).await.unwrap();
    let error = run(bash("true"), patient(), commands, &mut Nobody).await.unwrap_err();
    assert!(matches!(error.kind, SpawnErrorKind::Cancelled(CancelReason::User)));
}

fn state(pid: u32) -> String {
    let shown =
        std::process::Command::new("ps").args(["-o", "state=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().chars().take(1).collect()
}

async fn stopped(pid: u32) {
    wait_until("it stops", || state(pid) == "T").await;
}
