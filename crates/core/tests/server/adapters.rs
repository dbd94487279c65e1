//! Adapters of any kind, as the core drives them.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use roboppi_core::worker::{WorkerHandle, WorkerHost, WorkerNotice, WorkerOptions, start_worker};
use roboppi_core::{Clock, CoreSettings, Variables};
use roboppi_ipc::{
    AgentText, CancelReason, Job, JobId, Mono, RecordLimits, RecordTarget, ToolResult, Waiting, WorkerEvent,
    WorkerKind, WorkerStatus, WorkerTask,
};
use roboppi_process::is_alive;
use roboppi_record::RunDir;
use roboppi_worker_adapters::{
    Arg, AskId, CommandSpec, HostAnswer, HostQuestion, HostRequest, PlanError, SessionEffect, SessionInput,
    StdinPlan, StreamPlan, TempFile, TimerId, WorkerAdapter, WorkerDescription, WorkerSession, verdict,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::client::{job, run};

type Handle = fn(SessionInput<'_>, &mut Vec<SessionEffect>);

const SCRIPTED: WorkerKind = WorkerKind::from_static("SCRIPTED");

/// An adapter whose session is one function. The instructions are a shell script.
struct Scripted {
    spec: fn(CommandSpec) -> CommandSpec,
    handle: Handle,
}

struct ScriptedSession(Handle);

impl WorkerAdapter for Scripted {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::command(SCRIPTED, "Scripted")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        let mut spec = CommandSpec::new(["no-such-shell", "bash"]).args(["-c", &task.instructions, "name"]);
        spec.stdout = StreamPlan::FOR_SESSION;
        Ok((self.spec)(spec))
    }

    fn session(&self, _task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(ScriptedSession(self.handle))
    }
}

impl WorkerSession for ScriptedSession {
    fn handle(&mut self, _now: Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        if let SessionInput::Exit(end) = &input {
            out.push(SessionEffect::Result(verdict(end)));
        }
        (self.0)(input, out);
    }
}

fn start(script: &str, spec: fn(CommandSpec) -> CommandSpec, handle: Handle) -> WorkerHandle {
    start_recorded(script, None, spec, handle)
}

fn start_recorded(
    script: &str,
    record: Option<RecordTarget>,
    spec: fn(CommandSpec) -> CommandSpec,
    handle: Handle,
) -> WorkerHandle {
    start_in(Path::new("/"), script, |options| WorkerOptions { record, ..options }, spec, handle)
}

fn start_in(
    workspace: &Path,
    script: &str,
    options: impl FnOnce(WorkerOptions) -> WorkerOptions,
    spec: fn(CommandSpec) -> CommandSpec,
    handle: Handle,
) -> WorkerHandle {
    let mut job = job("a", script);
    job["payload"]["workspaceRef"] = json!(workspace);
    let job: Job = serde_json::from_value(job).unwrap();
    let (task, clock) = (job.worker_task().unwrap(), Clock::start());
    let options = options(WorkerOptions::for_task(&task, &CoreSettings::default(), None, clock.utc()));
    let (host, adapter) =
        (WorkerHost::new(clock, Variables::of_this_process()), Arc::new(Scripted { spec, handle }));
    start_worker(&host, JobId::new("a"), Some(adapter), task, options, Rc::new(Notify::new()))
}

fn text(text: impl Into<String>) -> SessionEffect {
    SessionEffect::Event(WorkerEvent::Text(AgentText::new(text)))
}

#[expect(clippy::needless_pass_by_value, reason = "it is the whole function of a session")]
fn say_line(input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
    if let SessionInput::Line(_, line) = input {
        out.push(text(String::from_utf8_lossy(line)));
    }
}

async fn texts(handle: &WorkerHandle) -> Vec<String> {
    let text = |event: WorkerEvent| match event {
        WorkerEvent::Text(AgentText { text, .. }) => text,
        other => format!("{other:?}"),
    };
    handle.events().map(|event| text(event.event)).collect().await
}

#[test]
fn lines_become_events_and_are_not_shown_themselves() {
    run(|| async {
        let handle = start("echo one; printf two", |spec| spec, say_line);
        assert_eq!(texts(&handle).await, ["one", "two"]);
        assert_eq!(handle.result().await.result.status, WorkerStatus::Succeeded);
    });
}

#[test]
fn a_kind_without_an_adapter_is_said() {
    run(|| async {
        let task = serde_json::from_value::<Job>(job("a", "true")).unwrap().worker_task().unwrap();
        let clock = Clock::start();
        let options = WorkerOptions::for_task(&task, &CoreSettings::default(), None, clock.utc());
        let (host, news) = (WorkerHost::new(clock, Variables::of_this_process()), Rc::new(Notify::new()));
        let result = start_worker(&host, JobId::new("a"), None, task, options, news).result().await.result;
        let error = result.details.unwrap().error.unwrap();
        assert_eq!(error, "this core has no adapter for CUSTOM workers");
    });
}

const IDLE: Duration = Duration::from_millis(200);

#[test]
fn a_worker_that_does_nothing_is_ended_and_one_that_only_waits_too() {
    for script in ["sleep 1000", "exec 3<> <(:); while :; do echo wait; read -rt 0.05 -u 3; done"] {
        run(move || async move {
            let idle = |options| WorkerOptions { idle: Some(IDLE), ..options };
            // Nobody else writes there, which would count as work.
            let workspace = tempfile::tempdir().unwrap();
            let handle = start_in(
                workspace.path(),
                script,
                idle,
                |spec| spec,
                |input, out| {
                    if let SessionInput::Line(..) = input {
                        let (why, cause) = ("nobody answers".to_owned(), None);
                        let waiting = Waiting::new(why).with_cause(cause);
                        out.push(SessionEffect::Event(WorkerEvent::Waiting(waiting)));
                    }
                },
            );
            let result = handle.result().await.result;
            let details = result.details.unwrap();
            assert_eq!(result.status, WorkerStatus::Failed);
            assert_eq!(details.cancel_reason, Some(CancelReason::Timeout));
            assert_eq!(details.error_kind.as_deref(), Some("idle"));
            assert!(details.error.unwrap().starts_with("it did nothing for 200 ms"));
        });
    }
}

#[test]
fn a_worker_that_works_in_silence_is_not_ended() {
    run(|| async {
        // Some seconds of arithmetic without a word.
        let script = "i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done";
        let idle = |options| WorkerOptions { idle: Some(IDLE), ..options };
        let workspace = tempfile::tempdir().unwrap();
        let handle = start_in(workspace.path(), script, idle, |spec| spec, |_, _| {});
        let result = handle.result().await.result;
        assert_eq!(result.status, WorkerStatus::Succeeded);
        assert!(result.duration_ms > 400, "too quick to show anything: {} ms", result.duration_ms);
    });
}

#[test]
fn what_an_adapter_understood_differently_is_said() {
    run(|| async {
        let spec = |mut spec: CommandSpec| {
            spec.warnings.push("`--old` is left out".to_owned());
            spec
        };
        let handle = start("true", spec, |_, _| {});
        handle.result().await;
        let told = std::iter::from_fn(|| handle.take_notice());
        let warnings = told.filter(|notice| matches!(notice, WorkerNotice::Warning(_)));
        assert_eq!(warnings.collect::<Vec<_>>(), [WorkerNotice::Warning("`--old` is left out".to_owned())]);
    });
}

#[test]
fn what_is_too_long_for_an_event_is_recorded_before_it() {
    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let record = RecordTarget {
            dir: dir.path().to_str().unwrap().to_owned(),
            base: "steps/a/i1-a1".to_owned(),
            limits: Some(RecordLimits { min_free_bytes: 0, ..RecordLimits::default() }),
        };
        let handle = start_recorded(
            "echo",
            Some(record),
            |spec| spec,
            |input, out| {
                if let SessionInput::Line(..) = input {
                    let (id, preview) = ("t".to_owned(), "long ".repeat(1000));
                    let (ok, bytes, blob, duration_ms) = (true, 0, None, None);
                    let result = ToolResult::new(id, ok, preview)
                        .with_bytes(bytes)
                        .with_blob(blob)
                        .with_duration_ms(duration_ms);
                    out.push(SessionEffect::Event(WorkerEvent::ToolResult(result)));
                }
            },
        );
        let events: Vec<_> = handle.events().collect().await;
        let WorkerEvent::ToolResult(result) = &events[0].event else { panic!("{events:?}") };
        assert_eq!((result.preview.len(), result.bytes), (500, 5000));
        let blob = RunDir::at(dir.path().to_owned()).blob(result.blob.as_ref().unwrap()).unwrap();
        assert_eq!(blob.unwrap(), "long ".repeat(1000).into_bytes());
    });
}

#[test]
fn a_worker_can_be_spoken_to() {
    run(|| async {
        let handle = start(
            "while read -r word; do echo \"you said $word\"; done; echo bye",
            |mut spec| {
                spec.stdin = StdinPlan::Piped;
                spec
            },
            |input, out| match input {
                SessionInput::Started => out.push(SessionEffect::Stdin(b"hello\n".to_vec())),
                SessionInput::Line(_, b"you said hello") => out.push(SessionEffect::Ask(HostRequest::new(
                    AskId(7),
                    HostQuestion::ReadFile { path: "/etc/passwd".into() },
                ))),
                SessionInput::Reply(reply) => {
                    assert_eq!(reply.id, AskId(7));
                    assert!(matches!(reply.answer, HostAnswer::Refused(_)));
                    out.push(SessionEffect::Stdin(b"thanks\n".to_vec()));
                }
                SessionInput::Line(_, b"you said thanks") => {
                    out.push(SessionEffect::SetTimer(TimerId(1), Duration::from_millis(20)));
                }
                SessionInput::Timer(TimerId(1)) => {
                    out.push(text("time is over"));
                    out.push(SessionEffect::CloseStdin);
                }
                other => say_line(other, out),
            },
        );
        assert_eq!(texts(&handle).await, ["time is over", "bye"]);
    });
}

#[test]
fn a_session_that_is_done_ends_its_worker_and_that_is_no_cancellation() {
    run(|| async {
        let handle = start(
            "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done",
            |spec| spec,
            |input, out| {
                if let SessionInput::Line(..) = input {
                    out.push(SessionEffect::End(None));
                }
            },
        );
        let result = handle.result().await.result;
        assert_eq!(result.status, WorkerStatus::Succeeded);
        assert_eq!(result.details.unwrap().cancel_reason, None);
    });
}

#[test]
fn a_session_can_cut_its_worker_short() {
    run(|| async {
        let handle = start(
            "echo turn; exec sleep 1000",
            |spec| spec,
            |input, out| {
                if let SessionInput::Line(..) = input {
                    out.push(SessionEffect::End(Some(CancelReason::Budget)));
                }
            },
        );
        let result = handle.result().await.result;
        assert_eq!(result.status, WorkerStatus::Cancelled);
        assert_eq!(result.details.unwrap().cancel_reason, Some(CancelReason::Budget));
    });
}

#[test]
fn a_polite_session_may_ask_before_the_ladder() {
    run(|| async {
        let soft_stop = |mut spec: CommandSpec| {
            spec.stdin = StdinPlan::Piped;
            spec.soft_stop = Duration::from_secs(4);
            spec
        };
        let handle = start(
            "trap 'echo term' TERM; echo ready; read -r word; echo \"$word\"; exit 3",
            soft_stop,
            |input, out| match input {
                SessionInput::Cancel(reason) => {
                    out.push(SessionEffect::Stdin(format!("please {}\n", reason.name()).into_bytes()));
                }
                other => say_line(other, out),
            },
        );
        let mut events = handle.events();
        events.next().await;
        handle.cancel(CancelReason::User);
        let last = events.next().await.map(|event| event.event);
        assert_eq!(last, Some(WorkerEvent::Text(AgentText::new("please user"))));
        assert_eq!(handle.result().await.result.exit_code, Some(3), "it was never sent TERM");
    });
}

#[test]
fn private_files_are_there_while_the_worker_runs() {
    run(|| async {
        let with_file = |spec: CommandSpec| {
            let mut spec = spec.args([Arg::File("config.json".into())]);
            spec.files.push(TempFile::new("config.json", b"{}".to_vec()));
            spec
        };
        let handle = start("echo \"$1\"; cat \"$1\"; stat -c ' %a' \"$1\"", with_file, say_line);
        let said = texts(&handle).await;
        assert_eq!(said[1..], ["{} 600"]);
        assert!(!std::path::Path::new(&said[0]).exists(), "and gone after it");
    });
}

#[test]
fn events_nobody_reads_are_all_there_in_the_end() {
    run(|| async {
        let count = 100_000;
        let handle = start(&format!("seq {count}"), |spec| spec, say_line);
        handle.result().await;
        let said = texts(&handle).await;
        assert!(
            said.iter().map(String::as_str).eq((1..=count).map(|n| n.to_string()).collect::<Vec<_>>().iter())
        );
    });
}

#[test]
fn a_worker_whose_session_panics_takes_nobody_with_it() {
    run(|| async {
        let handle = start(
            "echo ready; exec sleep 1000",
            |spec| spec,
            |input, _| {
                assert!(!matches!(input, SessionInput::Line(..)), "a session must not panic");
            },
        );
        let process = loop {
            match handle.take_notice() {
                Some(roboppi_core::worker::WorkerNotice::Started(process)) => break process,
                _ => tokio::task::yield_now().await,
            }
        };
        let outcome = handle.result().await;
        assert_eq!(outcome.result.status, WorkerStatus::Failed);
        // It was sent KILL by then, and dies of it soon.
        while is_alive(process) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn more_events_than_the_record_has_room_for_are_counted_everywhere() {
    const EVENTS: u64 = 100_000;

    run(|| async {
        let dir = tempfile::tempdir().unwrap();
        let base = "steps/a/i1-a1";
        let record = RecordTarget {
            dir: dir.path().to_str().unwrap().to_owned(),
            base: base.to_owned(),
            limits: Some(RecordLimits { log_bytes: 1024 * 1024, ..RecordLimits::default() }),
        };
        let script = format!("yes \"$(printf 'x%.0s' {{1..100}})\" | head -n {EVENTS}");
        let handle = start_recorded(&script, Some(record), |spec| spec, say_line);
        // Nobody reads until it has ended.
        let end = handle.result().await.result;
        assert_eq!(end.status, WorkerStatus::Succeeded);
        let details = end.details.unwrap();
        assert_eq!(details.last_seq, Some(EVENTS - 1));
        let mut warnings = Vec::new();
        while let Some(notice) = handle.take_notice() {
            if let WorkerNotice::Warning(warning) = notice {
                warnings.push(warning);
            }
        }
        assert_eq!(
            warnings.iter().filter(|said| said.contains("its events have reached")).count(),
            1,
            "{warnings:?}"
        );

        let run = RunDir::at(dir.path().to_owned());
        let recorded: Vec<_> = run.events(base).unwrap().map(Result::unwrap).collect();
        let file = std::fs::metadata(run.events_path(base).unwrap()).unwrap();
        let taken = file.blocks() * 512;
        assert!(taken <= 192 * 1024 && details.events_bytes == file.len(), "{taken} {details:?}");
        assert_eq!(recorded.last().unwrap().seq, EVENTS - 1, "the last one is there");
        let live: Vec<_> = handle.events().map(|event| event.event).collect().await;
        for (events, name) in
            [(recorded.into_iter().map(|record| record.event).collect(), "recorded"), (live, "live")]
        {
            let events: Vec<WorkerEvent> = events;
            let texts = events.iter().filter(|event| matches!(event, WorkerEvent::Text(_))).count() as u64;
            let missing: u64 = events
                .iter()
                .map(|event| if let WorkerEvent::Gap(gap) = event { gap.recorded } else { 0 })
                .sum();
            assert_eq!(texts + missing, EVENTS, "{name}");
        }
    });
}
