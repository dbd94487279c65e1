//! Starting children and watching them.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use roboppi_ipc::{CancelReason, EndingPhase, OutputStream, ProcessIdentity};
use roboppi_process::{
    ChildReport, ChildWatch, Control, Environment, Limits, Spawn, SpawnError, StdinMode, identity, is_alive,
    run,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Nothing here takes longer, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A bash with this script.
pub(crate) fn bash(script: &str) -> Spawn {
    Spawn {
        program: "bash".into(),
        file: None,
        args: vec!["-c".into(), script.into()],
        cwd: PathBuf::from("/"),
        env: Environment::default(),
        stdin: StdinMode::Null,
    }
}

/// Limits with a short grace and drain, for those who let them pass.
pub(crate) fn impatient() -> Limits {
    Limits { grace: Duration::from_millis(100), drain: Duration::from_millis(100), timeout: None }
}

/// Limits nobody reaches in a test.
pub(crate) fn patient() -> Limits {
    Limits { grace: LIMIT * 2, drain: LIMIT * 2, timeout: None }
}

/// What a child was seen to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) started: Option<ProcessIdentity>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) endings: Vec<(EndingPhase, Option<CancelReason>)>,
}

impl Seen {
    /// The pids it wrote, one a line.
    pub(crate) fn pids(&self) -> Vec<u32> {
        String::from_utf8_lossy(&self.stdout).lines().map(|line| line.parse().unwrap()).collect()
    }
}

struct Recorder {
    seen: watch::Sender<Seen>,
}

impl ChildWatch for Recorder {
    fn started(&mut self, process: ProcessIdentity) {
        self.seen.send_modify(|seen| assert_eq!(seen.started.replace(process), None));
    }

    fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        assert!(!bytes.is_empty() && bytes.len() <= 64 * 1024);
        self.seen.send_modify(|seen| {
            assert!(seen.started.is_some(), "output of a child that was not announced");
            match stream {
                OutputStream::Stdout => seen.stdout.extend_from_slice(bytes),
                OutputStream::Stderr => seen.stderr.extend_from_slice(bytes),
            }
        });
    }

    fn ending(&mut self, phase: EndingPhase, reason: Option<CancelReason>, _: Duration) {
        self.seen.send_modify(|seen| seen.endings.push((phase, reason)));
    }
}

/// A child that runs on a task of its own. Dropping it kills the child.
pub(crate) struct Running {
    pub(crate) control: mpsc::Sender<Control>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<Result<ChildReport, SpawnError>>,
}

impl Running {
    pub(crate) fn start(spawn: Spawn, limits: Limits) -> Self {
        let (control, commands) = mpsc::channel(16);
        let (recorder, seen) = watch::channel(Seen::default());
        let task = tokio::spawn(async move {
            let mut recorder = Recorder { seen: recorder };
            run(spawn, limits, commands, &mut recorder).await
        });
        Self { control, seen, task }
    }

    pub(crate) async fn tell(&self, command: Control) {
        self.control.send(command).await.unwrap();
    }

    /// Waits until what was seen fits.
    pub(crate) async fn until(&mut self, fits: impl FnMut(&Seen) -> bool) -> Seen {
        let waited = tokio::time::timeout(LIMIT, self.seen.wait_for(fits)).await;
        if let Ok(Ok(seen)) = waited {
            return seen.clone();
        }
        let why = if waited.is_err() { "not in time" } else { "the child ended before" };
        drop(waited);
        panic!("{why}: {:?}", *self.seen.borrow())
    }

    /// Waits for this many lines on stdout.
    pub(crate) async fn lines(&mut self, lines: usize) -> Seen {
        self.until(|seen| seen.stdout.iter().filter(|&&byte| byte == b'\n').count() >= lines).await
    }

    /// Waits for the end.
    pub(crate) async fn end(&mut self) -> (ChildReport, Seen) {
        let report = within(&mut self.task).await.unwrap().unwrap();
        (report, self.seen.borrow().clone())
    }

    /// Drops the future of the run.
    pub(crate) async fn abort(mut self) {
        self.task.abort();
        assert!(within(&mut self.task).await.unwrap_err().is_cancelled());
    }

    /// Drops the sender of controls and waits for the end.
    pub(crate) async fn abandon(self) -> ChildReport {
        let Self { control, seen: _seen, mut task } = self;
        drop(control);
        within(&mut task).await.unwrap().unwrap()
    }
}

/// The end of a child that nobody disturbs.
pub(crate) async fn ended(spawn: Spawn, limits: Limits) -> (ChildReport, Seen) {
    Running::start(spawn, limits).end().await
}

/// The error of a child that cannot be started.
pub(crate) async fn refused(spawn: Spawn) -> SpawnError {
    let mut running = Running::start(spawn, patient());
    let error = within(&mut running.task).await.unwrap().unwrap_err();
    assert_eq!(running.seen.borrow().started, None);
    error
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("nothing takes this long")
}

/// Waits until a condition holds that nothing announces.
pub(crate) async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not in time");
}

/// Who has this pid now.
pub(crate) fn who(pid: u32) -> ProcessIdentity {
    identity(pid).unwrap_or_else(|error| panic!("process {pid} is gone: {error}"))
}

/// Waits until none of these lives.
pub(crate) async fn all_dead(processes: &[ProcessIdentity]) {
    wait_until("processes die", || !processes.iter().any(|&process| is_alive(process))).await;
}

/// Ends a process that is out of reach of its group.
#[cfg(target_os = "linux")]
pub(crate) struct KillOnDrop(pub(crate) ProcessIdentity);

#[cfg(target_os = "linux")]
impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if is_alive(self.0) {
            let _ = std::process::Command::new("kill").args(["-9", &self.0.pid.to_string()]).status();
        }
    }
}
