//! The kit on the adapter for commands, and on an adapter as a third party would write it: against the
//! public API alone.

use roboppi_ipc::{
    AgentText, CancelReason, OutputMode, OutputStream, TaskBudget, UtcMillis, WorkerEvent, WorkerKind,
    WorkerResult, WorkerStatus, WorkerTask,
};
use roboppi_worker_adapters::conformance::{Transcript, Violation, check};
use roboppi_worker_adapters::{
    Adapters, CommandSpec, CustomAdapter, ExitKind, LineSession, LineTranslator, PlanError, SessionEffect,
    SessionInput, StreamPlan, WorkerAdapter, WorkerEnd, WorkerSession, verdict,
};

fn task(instructions: &str) -> WorkerTask {
    WorkerTask {
        worker_task_id: "t".into(),
        worker_kind: WorkerKind::Custom,
        workspace_ref: "/work".into(),
        instructions: instructions.into(),
        default_args: Vec::new(),
        model: None,
        variant: None,
        capabilities: Vec::new(),
        output_mode: OutputMode::Stream,
        budget: TaskBudget { deadline_at: UtcMillis(0), max_steps: None, max_command_time_ms: None },
        env: Default::default(),
        roboppi: None,
    }
}

/// `greeter NAME` prints `hello NAME` for each name, then `bye`. Only `bye` means success.
struct Greeter;

#[derive(Default)]
struct GreeterLines {
    said_bye: bool,
}

impl WorkerAdapter for Greeter {
    fn kind(&self) -> WorkerKind {
        WorkerKind::OpenCode
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        if task.instructions.is_empty() {
            return Err(PlanError::new("nobody to greet"));
        }
        let mut spec = CommandSpec::new(["greeter"]).args(task.instructions.split(' '));
        spec.stdout = StreamPlan::FOR_SESSION;
        Ok(spec)
    }

    fn session(&self, _task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(LineSession::new(GreeterLines::default()))
    }
}

impl LineTranslator for GreeterLines {
    fn line(&mut self, _stream: OutputStream, line: &[u8], events: &mut Vec<WorkerEvent>) {
        let text = String::from_utf8_lossy(line);
        if text == "bye" {
            self.said_bye = true;
        } else if let Some(name) = text.strip_prefix("hello ") {
            events.push(WorkerEvent::Text(AgentText::new(name)));
        } else {
            events.push(WorkerEvent::Unknown { raw: text.into_owned() });
        }
    }

    fn result(&mut self, end: &WorkerEnd<'_>) -> WorkerResult {
        let mut result = verdict(end);
        if result.status == WorkerStatus::Succeeded && !self.said_bye {
            result.status = WorkerStatus::Failed;
        }
        result
    }
}

#[test]
fn a_third_party_adapter_keeps_its_promises() {
    let transcript =
        Transcript::new(task("ada bob")).stdout(b"hello ada\nhel").stderr(b"oh\n").stdout(b"lo bob\nbye");
    let outcome = check(&Greeter, &transcript).unwrap();
    insta::assert_debug_snapshot!((outcome.result.status, outcome.events), @r#"
    (
        Succeeded,
        [
            Text {
                text: "ada",
                parent: None,
            },
            Text {
                text: "bob",
                parent: None,
            },
        ],
    )
    "#);
    let cut = Transcript::new(task("ada")).stdout(b"hello ada\n");
    assert_eq!(check(&Greeter, &cut).unwrap().result.status, WorkerStatus::Failed);
    assert!(matches!(check(&Greeter, &Transcript::new(task(""))), Err(Violation::Plan(_))));
    let mut adapters = Adapters::builtin();
    adapters.add(Greeter);
    assert_eq!(adapters.kinds().collect::<Vec<_>>(), [WorkerKind::OpenCode, WorkerKind::Custom]);
}

#[test]
fn the_adapter_for_commands_keeps_its_promises() {
    let transcript = Transcript::new(task("make"))
        .stdout(b"cc a.c\n::progress percent=50 phase=cc::a.c\n")
        .stderr(b"warning: b.c\n::progress percent=1::not here\n")
        .stdout(b"ld\n::progress percent=100::done")
        .exit(ExitKind::Code(2));
    let outcome = check(&CustomAdapter, &transcript).unwrap();
    let texts: Vec<_> = outcome.result.observations.iter().filter_map(|o| o.summary.as_deref()).collect();
    insta::assert_debug_snapshot!((outcome.events, outcome.result.exit_code, texts), @r#"
    (
        [
            Progress(
                Progress {
                    message: "a.c",
                    percent: Some(
                        50.0,
                    ),
                    phase: Some(
                        "cc",
                    ),
                    basis: None,
                },
            ),
            Progress(
                Progress {
                    message: "done",
                    percent: Some(
                        100.0,
                    ),
                    phase: None,
                    basis: None,
                },
            ),
        ],
        Some(
            2,
        ),
        [
            "cc a.c\n::progress percent=50 phase=cc::a.c\nld\n::progress percent=100::done",
            "[stderr]\nwarning: b.c\n::progress percent=1::not here",
        ],
    )
    "#);
}

#[test]
fn the_command_line_of_a_command() {
    let spec = CustomAdapter.plan(&task("echo \"$HOME\"\nexit 3")).unwrap();
    insta::assert_debug_snapshot!((spec.programs, spec.args, spec.stdin), @r#"
    (
        [
            "bash",
            "sh",
        ],
        [
            Text(
                "-e",
            ),
            Text(
                "-c",
            ),
            Text(
                "echo \"$HOME\"\nexit 3",
            ),
        ],
        Null,
    )
    "#);
}

/// Breaks one promise after the other.
struct Liar(Lie);

#[derive(Clone, Copy)]
enum Lie {
    NoResult,
    TwoResults,
    EventAfterResult,
    SuccessWhenCancelled,
    ShowsTwice,
}

impl WorkerAdapter for Liar {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Custom
    }

    fn plan(&self, _task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        let mut spec = CommandSpec::new(["liar"]);
        spec.stderr = StreamPlan::FOR_SESSION;
        Ok(spec)
    }

    fn session(&self, _task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(LiarSession(self.0))
    }
}

struct LiarSession(Lie);

impl WorkerSession for LiarSession {
    fn handle(&mut self, _now: roboppi_ipc::Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        let SessionInput::Exit(end) = input else { return };
        let mut result = verdict(&end);
        let text = |text: &str| SessionEffect::Event(WorkerEvent::Text(AgentText::new(text)));
        match self.0 {
            Lie::NoResult => {}
            Lie::TwoResults => {
                out.extend([SessionEffect::Result(result.clone()), SessionEffect::Result(result)]);
            }
            Lie::EventAfterResult => out.extend([SessionEffect::Result(result), text("late")]),
            Lie::SuccessWhenCancelled => {
                if end.cancelled == Some(CancelReason::Parent) {
                    result.status = WorkerStatus::Succeeded;
                }
                out.push(SessionEffect::Result(result));
            }
            Lie::ShowsTwice => {
                out.push(SessionEffect::Event(WorkerEvent::Stdout(Default::default())));
                out.push(SessionEffect::Result(result));
            }
        }
    }
}

#[test]
fn the_kit_notices_every_broken_promise() {
    let transcript = Transcript::new(task("x")).stdout(b"a\n").stderr(b"b\n");
    let of = |lie| check(&Liar(lie), &transcript).map(|_| ()).map_err(|violation| violation.to_string());
    insta::assert_debug_snapshot!(
        [
            of(Lie::NoResult),
            of(Lie::TwoResults),
            of(Lie::EventAfterResult),
            of(Lie::SuccessWhenCancelled),
            of(Lie::ShowsTwice),
        ],
        @r#"
    [
        Err(
            "as recorded: 0 results, expected one",
        ),
        Err(
            "as recorded: 2 results, expected one",
        ),
        Err(
            "as recorded: an event after the result: Text { text: \"late\", parent: None }",
        ),
        Err(
            "cancelled (parent) after chunk 0: a cancelled worker has succeeded",
        ),
        Err(
            "as recorded: a session never makes stdout events for a stream that is shown as it is",
        ),
    ]
    "#
    );
}
