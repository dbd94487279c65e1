//! A test alone in its process, which can so count everything the process has.
#![cfg(target_os = "linux")]

use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, EndingPhase, OutputStream, ProcessIdentity};
use roboppi_process::{ChildWatch, Control, Environment, Limits, Spawn, StdinMode, run};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use tokio::sync::mpsc;

/// Cancels a child as soon as it says anything.
struct Impatient(mpsc::Sender<Control>);

impl ChildWatch for Impatient {
    fn started(&mut self, _: ProcessIdentity) {}
    fn output(&mut self, _: OutputStream, _: &[u8]) {
        let _ = self.0.try_send(Control::Cancel(Cancel::graceful(CancelReason::User)));
    }
    fn ending(&mut self, _: EndingPhase, _: Option<CancelReason>, _: Duration) {}
}

async fn child(program: &str, script: &str) {
    let limits = Limits { grace: Duration::from_millis(20), drain: Duration::from_millis(20), timeout: None };
    let spawn = Spawn {
        program: program.into(),
        file: None,
        args: vec!["-c".into(), script.into()],
        cwd: "/".into(),
        env: Environment::default(),
        stdin: StdinMode::Piped,
    };
    let (control, commands) = mpsc::channel(4);
    let ended = run(spawn, limits, commands, &mut Impatient(control)).await;
    assert_eq!(ended.is_ok(), program == "bash");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux has it").count()
}

#[tokio::test]
async fn no_descriptor_and_no_child_is_left() {
    child("bash", "true").await;
    let before = descriptors();
    for _ in 0..20 {
        child("bash", "true").await;
        child("bash", "echo; sleep 1000").await;
        child("bash", "trap '' TERM; echo; sleep 1000; sleep 1000").await;
        child("bash", "sleep 1000 &").await;
        child("no-such-program", "").await;
        let dropped = tokio::time::timeout(Duration::from_millis(1), child("bash", "sleep 1000"));
        assert!(dropped.await.is_err());
    }
    assert_eq!(descriptors(), before);

    // The children of dropped runs are dead or dying; whoever waits for them gets them, and then there is none.
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return assert_eq!(error, Errno::CHILD),
        }
    }
}
