//! What workers leave behind. This program is a child subreaper, as a core is, so it has to be alone: whatever
//! comes to it is taken for an orphan of a worker.
#![cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there are no subreapers"))]

use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use roboppi_core::server::serve;
use roboppi_core::worker::{WorkerHandle, WorkerHost, WorkerNotice, WorkerOptions, start_worker};
use roboppi_core::{Clock, CoreSettings, Variables, WorkerOutcome};
use roboppi_ipc::{Job, JobId, Leaked, ProcessIdentity, RecordTarget, WorkerStatus};
use roboppi_process::descendants::{self, kill_trees};
use roboppi_process::guard::become_subreaper;
use roboppi_process::{identity, is_alive};
use roboppi_record::RunDir;
use roboppi_worker_adapters::Adapters;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex, split};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;

/// The one limit of every wait. Nothing is measured with it.
const LIMIT: Duration = Duration::from_secs(60);

/// Becomes `sleep 1000` when whoever waits for the file may go on.
const SLEEPER: &str = "sh -c 'echo > up; exec sleep 1000'";
const UNTIL_IT_IS_UP: &str = "until [ -e up ]; do sleep 0.01; done";

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    assert!(become_subreaper());
    let _guard = Guard;
    test(what_gets_away_is_ended_and_told());
    test(who_ends_with_its_worker_is_not_told());
    test(the_outcome_of_the_worker_stands());
    test(who_holds_the_pipe_delays_the_result_by_the_drain_time_alone());
    test(a_holder_that_stays_in_the_group_is_told());
    test(a_pipe_held_by_somebody_out_of_reach_is_told());
    test(of_two_jobs_the_right_one_is_told());
    test(what_may_belong_to_two_is_ended_with_the_last());
    test(a_running_job_keeps_what_it_has());
    test(a_dropped_worker_is_looked_after_with_the_next());
    test(orphans_that_end_by_themselves_are_reaped());
    test(nothing_is_left_when_a_core_returns());
}

/// Ends whatever is left when a test gives up.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let left: Vec<_> = descendants::list(std::process::id()).iter().map(|found| found.identity).collect();
        let _ = kill_trees(&left);
    }
}

fn test(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limited = async { tokio::time::timeout(LIMIT, test).await.expect("in time") };
    runtime.block_on(LocalSet::new().run_until(limited));
    descendants::reap_adopted(&[]);
    assert_eq!(descendants::list(std::process::id()), [], "nothing is left");
}

/// A place for workers, and what they have in common.
struct Stage {
    host: WorkerHost,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self {
            host: WorkerHost::new(Clock::start(), Variables::of_this_process()),
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn start(&self, id: &str, script: &str) -> WorkerHandle {
        let job: Job = serde_json::from_value(job(id, script, self.dir())).expect("a job");
        let task = job.worker_task().expect("a task");
        let mut options =
            WorkerOptions::for_task(&task, &CoreSettings::default(), None, self.host.clock.utc());
        options.drain = Duration::from_millis(50);
        options.record = Some(RecordTarget {
            dir: self.dir().to_str().expect("a path that is text").to_owned(),
            base: format!("steps/{id}/i1-a1"),
            limits: None,
        });
        let adapter = Adapters::builtin().get(task.worker_kind);
        start_worker(&self.host, JobId::new(id), adapter, task, options, Rc::new(Notify::new()))
    }

    async fn run(&self, id: &str, script: &str) -> Ended {
        ended(&self.start(id, script)).await
    }

    fn log(&self, id: &str) -> String {
        let path = RunDir::at(self.dir().to_owned()).log_path(&format!("steps/{id}/i1-a1"));
        std::fs::read_to_string(path.expect("a path")).expect("a log")
    }

    /// Waits for a file, and for its last line.
    async fn file(&self, name: &str) -> String {
        loop {
            if let Ok(text) = std::fs::read_to_string(self.dir().join(name))
                && text.ends_with('\n')
            {
                return text.trim().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn clear(&self, name: &str) {
        std::fs::remove_file(self.dir().join(name)).expect("the file is there");
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.dir().join(name), "\n").expect("it can be written");
    }
}

/// How a worker ended, and what was said about it.
struct Ended {
    outcome: WorkerOutcome,
    /// Whose, and the command.
    told: Vec<(Option<JobId>, Leaked)>,
    warnings: Vec<String>,
}

async fn ended(handle: &WorkerHandle) -> Ended {
    let outcome = handle.result().await;
    let (mut told, mut warnings) = (Vec::new(), Vec::new());
    while let Some(notice) = handle.take_notice() {
        match notice {
            WorkerNotice::Leaked { job_id, leaked } => told.push((job_id, leaked)),
            WorkerNotice::Warning(message) => warnings.push(message),
            WorkerNotice::Started(_) | WorkerNotice::Ending { .. } => {}
        }
    }
    Ended { outcome, told, warnings }
}

impl Ended {
    fn leaked(&self) -> Vec<Leaked> {
        self.outcome.result.details.as_ref().expect("details").leaked.clone()
    }

    /// Insists on what the result says, that the notices say the same, and that none of it lives.
    #[track_caller]
    fn left(&self, id: &str, commands: &[&str]) {
        let leaked = self.leaked();
        let found: Vec<&str> = leaked.iter().map(|leaked| leaked.command.as_str()).collect();
        assert_eq!(found, commands, "{:?}", self.told);
        let told: Vec<_> = leaked.iter().map(|leaked| (Some(JobId::new(id)), leaked.clone())).collect();
        assert_eq!(self.told, told);
        assert!(!leaked.iter().any(|leaked| is_alive(leaked.process)));
        assert_eq!(self.warnings, [""; 0]);
    }
}

fn job(id: &str, script: &str, dir: &Path) -> Value {
    json!({
        "jobId": id,
        "type": "WORKER_TASK",
        "priority": {"value": 1, "class": "INTERACTIVE"},
        "payload": {
            "workerTaskId": id,
            "workerKind": "CUSTOM",
            "workspaceRef": dir,
            "instructions": script,
            "capabilities": [],
            "outputMode": "STREAM",
            "budget": {"deadlineAt": 4_000_000_000_000_u64},
        },
        "limits": {"timeoutMs": 600_000, "maxAttempts": 1},
        "context": {"traceId": "t", "correlationId": "c"},
    })
}

/// The job is told by the session, the marker, the parent, the time.
async fn what_gets_away_is_ended_and_told() {
    let stage = Stage::new();
    for (script, left) in [
        ("true", &[] as &[&str]),
        (&format!("setsid {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}"), &["sleep 1000"]),
        (
            &format!("(setsid sh -c 'echo > up; sleep 1000 & exit' >&- 2>&- &); {UNTIL_IT_IS_UP}"),
            &["sleep 1000"],
        ),
        (&format!("setsid env -i {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}"), &["sleep 1000"]),
        (&format!("set -m; {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}"), &["sleep 1000"]),
        (
            &format!("setsid sh -c 'setsid env -i {SLEEPER2} & wait' >&- 2>&- & {UNTIL_IT_IS_UP}"),
            &["sh -c setsid env -i sh -c \"echo > up; exec sleep 1000\" & wait", "sleep 1000"],
        ),
    ] {
        stage.run("a", &format!("rm -f up; {script}; echo last")).await.left("a", left);
        assert_eq!(stage.log("a"), "last\n", "{script}");
        std::fs::remove_dir_all(stage.dir().join("steps")).expect("it is there");
    }
}

/// The same for use inside single quotes.
const SLEEPER2: &str = "sh -c \"echo > up; exec sleep 1000\"";

/// It reads what the worker writes, and ends at the end of that, which is the end of the worker.
async fn who_ends_with_its_worker_is_not_told() {
    let stage = Stage::new();
    let reader = "exec setsid sh -c 'echo > up; cat; /bin/true; /bin/true' >&- 2>&- 9>&-";
    let script = format!("rm -f up; exec 9> >({reader}); {UNTIL_IT_IS_UP}");
    let mut told = 0;
    for round in 0..30 {
        told += stage.run(&format!("j{round}"), &script).await.told.len();
    }
    // On a busy machine one may take its time, but not all of them.
    assert!(told < 10, "{told} of 30");
}

async fn the_outcome_of_the_worker_stands() {
    let stage = Stage::new();
    let ended = stage.run("a", &format!("setsid {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}; exit 3")).await;
    ended.left("a", &["sleep 1000"]);
    let result = &ended.outcome.result;
    assert_eq!((result.status, result.exit_code), (WorkerStatus::Failed, Some(3)));
}

async fn who_holds_the_pipe_delays_the_result_by_the_drain_time_alone() {
    let stage = Stage::new();
    let ended =
        stage.run("a", &format!("setsid {SLEEPER} & {UNTIL_IT_IS_UP}; echo last; echo err >&2")).await;
    ended.left("a", &["sleep 1000"]);
    assert_eq!(ended.outcome.result.status, WorkerStatus::Succeeded);
    assert!(["last\nerr\n", "err\nlast\n"].contains(&stage.log("a").as_str()));
}

async fn a_holder_that_stays_in_the_group_is_told() {
    let stage = Stage::new();
    let ended = stage.run("a", &format!("{SLEEPER} & {UNTIL_IT_IS_UP}; echo last")).await;
    ended.left("a", &["sleep 1000"]);
    assert_eq!(stage.log("a"), "last\n");
}

/// Here the one who holds it was started by this program, and got the pipe from the worker.
async fn a_pipe_held_by_somebody_out_of_reach_is_told() {
    let stage = Stage::new();
    // It opens the pipe of the worker by its name.
    let mut holder = Command::new("bash")
        .args([
            "-c",
            "until read -r fd 2> /dev/null < name; do :; done; exec 3> $fd; echo > up; exec sleep 1000",
        ])
        .current_dir(stage.dir())
        .spawn()
        .expect("bash is there");
    let ended = stage.run("a", &format!("echo /proc/$$/fd/1 > name; {UNTIL_IT_IS_UP}; echo last")).await;
    let lived = holder.try_wait().expect("it is ours").is_none();
    holder.kill().expect("it is ours");
    holder.wait().expect("it is ours");
    assert!(lived, "who is no orphan is not touched");
    assert_eq!((ended.leaked(), ended.told.len()), (Vec::new(), 0));
    assert_eq!(ended.warnings.len(), 1, "{:?}", ended.warnings);
    assert!(ended.warnings[0].contains("held open"));
    assert_eq!(stage.log("a"), "last\n");
}

async fn of_two_jobs_the_right_one_is_told() {
    let stage = Stage::new();
    let clean = stage.start("clean", "until [ -e done ]; do sleep 0.01; done");
    let left = stage.run("leaky", &format!("setsid {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}")).await;
    left.left("leaky", &["sleep 1000"]);
    stage.touch("done");
    ended(&clean).await.left("clean", &[]);
}

async fn what_may_belong_to_two_is_ended_with_the_last() {
    let stage = Stage::new();
    let other = stage.start("other", "echo > there; until [ -e done ]; do sleep 0.01; done");
    stage.file("there").await;
    let script = "sh -c 'echo $$ > up; exec sleep 1000'";
    let first = stage.run("first", &format!("setsid env -i {script} >&- 2>&- & {UNTIL_IT_IS_UP}")).await;
    first.left("first", &[]);
    let sleeper = identity(stage.file("up").await.parse().expect("a pid")).expect("it lives");
    stage.touch("done");
    let last = ended(&other).await;
    assert_eq!(last.leaked(), []);
    let leaked = Leaked::new(sleeper, "sleep 1000");
    assert_eq!(last.told, [(None, leaked)]);
    assert!(!is_alive(sleeper));
}

async fn a_running_job_keeps_what_it_has() {
    let stage = Stage::new();
    let script =
        "(setsid sh -c 'echo $$ > mine; exec sleep 1000' >&- 2>&- &); until [ -e done ]; do sleep 0.01; done";
    let keeper = stage.start("keeper", script);
    let mine = identity(stage.file("mine").await.parse().expect("a pid")).expect("it lives");
    for round in 0..3 {
        let leaky = format!("setsid {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}");
        stage.run(&format!("j{round}"), &leaky).await.left(&format!("j{round}"), &["sleep 1000"]);
        stage.clear("up");
        assert!(is_alive(mine));
    }
    stage.touch("done");
    ended(&keeper).await.left("keeper", &["sleep 1000"]);
    assert!(!is_alive(mine));
}

async fn a_dropped_worker_is_looked_after_with_the_next() {
    let stage = Stage::new();
    let dropped =
        stage.start("dropped", &format!("setsid {SLEEPER} >&- 2>&- & {UNTIL_IT_IS_UP}; sleep 1000"));
    stage.file("up").await;
    drop(dropped);
    tokio::task::yield_now().await;
    // Whatever the killed worker still is, its child comes to us when it is not any more.
    let is_ours = || descendants::adopted(&[]).iter().any(|orphan| orphan.command == "sleep 1000");
    while !is_ours() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let next = stage.run("next", "true").await;
    assert_eq!(next.leaked(), []);
    let told: Vec<_> = next.told.iter().map(|(job, leaked)| (job.clone(), leaked.command.as_str())).collect();
    assert_eq!(told, [(Some(JobId::new("dropped")), "sleep 1000")]);
}

/// A core over a pipe, as far as it is needed here: one job, and the end.
async fn serve_until(job: Option<&Value>, mut until: impl AsyncFnMut(&str) -> bool) -> Vec<Value> {
    let (near, far) = duplex(64 * 1024);
    let (reader, writer) = split(far);
    let (_stop, stops) = mpsc::channel(1);
    let serving =
        tokio::task::spawn_local(serve(reader, writer, CoreSettings::default(), Adapters::builtin(), stops));
    let (reader, mut writer) = split(near);
    let mut lines = BufReader::new(reader).lines();
    let hello = json!({"type": "hello", "protocol": {"min": 1, "max": 2}});
    writer.write_all(format!("{hello}\n").as_bytes()).await.expect("it reads");
    let mut said = Vec::new();
    if let Some(job) = job {
        let ask = json!({"type": "request_permit", "requestId": "r", "job": job, "attemptIndex": 0});
        writer.write_all(format!("{ask}\n").as_bytes()).await.expect("it reads");
        while let Some(line) = lines.next_line().await.expect("it can be read") {
            said.push(serde_json::from_str(&line).expect("a message"));
            if until(&line).await {
                break;
            }
        }
    }
    writer.shutdown().await.expect("it is open");
    while let Some(line) = lines.next_line().await.expect("it can be read") {
        said.push(serde_json::from_str(&line).expect("a message"));
    }
    serving.await.expect("it does not panic").expect("it is served");
    said
}

async fn orphans_that_end_by_themselves_are_reaped() {
    let stage = Stage::new();
    let script = "(setsid sh -c 'echo $$ > up' >&- 2>&- &); echo ready; sleep 1000";
    let mut brief = None;
    serve_until(Some(&job("a", script, stage.dir())), async |line: &str| {
        if !line.contains("ready") {
            return false;
        }
        let pid: u32 = stage.file("up").await.parse().expect("a pid");
        // Nothing is reaped by asking.
        while identity(pid).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        brief = Some(pid);
        true
    })
    .await;
    assert!(brief.is_some());
}

async fn nothing_is_left_when_a_core_returns() {
    let stage = Stage::new();
    // Not that of a worker: of a job this core does not know.
    let script = "setsid sh -c 'echo $$ > up; exec sleep 1000' >&- 2>&- &";
    let status = Command::new("bash").args(["-c", script]).current_dir(stage.dir()).status();
    assert!(status.expect("bash is there").success());
    let left: ProcessIdentity = identity(stage.file("up").await.parse().expect("a pid")).expect("it lives");
    let said = serve_until(None, async |_: &str| true).await;
    assert!(!is_alive(left));
    let told: Vec<_> = said.iter().filter(|message| message["event"]["type"] == "leaked").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["event"]["leaked"]["command"], "sleep 1000");
    assert_eq!(told[0]["event"]["leaked"]["process"]["pid"], json!(left.pid));
}
