//! The kit on the adapter for commands, and on an adapter as a third party would write it: against the
//! public API alone.

use std::sync::atomic::{AtomicU32, Ordering};

use roboppi_ipc::{
    AgentText, CancelReason, OutputStream, TaskBudget, ToolCall, ToolResult, Usage, UtcMillis, WorkerEvent,
    WorkerKind, WorkerResult, WorkerStatus, WorkerTask,
};
use roboppi_worker_adapters::conformance::{Transcript, Violation, check};
use roboppi_worker_adapters::{
    Adapters, CommandSpec, CustomAdapter, ExitKind, LineSession, LineTranslator, PlanError, SessionEffect,
    SessionInput, StreamPlan, WorkerAdapter, WorkerDescription, WorkerEnd, WorkerSession, verdict,
};

fn task(instructions: &str) -> WorkerTask {
    WorkerTask::new("t", WorkerKind::CUSTOM, "/work", instructions, TaskBudget::new(UtcMillis(0)))
}

const GREETER: WorkerKind = WorkerKind::from_static("GREETER");

/// `greeter NAME` prints `hello NAME` for each name, then `bye`. Only `bye` means success.
struct Greeter;

#[derive(Default)]
struct GreeterLines {
    said_bye: bool,
}

impl WorkerAdapter for Greeter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::command(GREETER, "Greeter").with_program("greeter")
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

/// The names are arguments of the program.
fn greeting(names: &str) -> Transcript {
    Transcript::new(task(names)).prompt_is_argument()
}

#[test]
fn a_third_party_adapter_keeps_its_promises() {
    let transcript = greeting("ada bob").stdout(b"hello ada\nhel").stderr(b"oh\n").stdout(b"lo bob\nbye");
    let outcome = check(&Greeter, &transcript).unwrap();
    insta::assert_debug_snapshot!((outcome.result.status, outcome.events), @r#"
    (
        Succeeded,
        [
            Text(
                AgentText {
                    id: None,
                    text: "ada",
                    parent: None,
                    blob: None,
                },
            ),
            Text(
                AgentText {
                    id: None,
                    text: "bob",
                    parent: None,
                    blob: None,
                },
            ),
        ],
    )
    "#);
    let cut = greeting("ada").stdout(b"hello ada\n").complete_after(2);
    assert_eq!(check(&Greeter, &cut).unwrap().result.status, WorkerStatus::Failed);
    assert!(matches!(check(&Greeter, &Transcript::new(task(""))), Err(Violation::Plan(_))));
    let mut adapters = Adapters::builtin();
    adapters.add(Greeter);
    assert_eq!(adapters.description(GREETER), Some(&Greeter.describe()));
    assert_eq!(adapters.descriptions().last().map(|known| known.kind), Some(GREETER));
}

#[test]
fn the_adapter_for_commands_keeps_its_promises() {
    let transcript = Transcript::new(task("make"))
        .stdout(b"cc a.c\n::progress percent=50 phase=cc::a.c\n")
        .stderr(b"warning: b.c\n::progress percent=1::not here\n")
        .stdout(b"ld\n::progress percent=100::done")
        .exit(ExitKind::Code(2))
        .complete_after(0)
        .prompt_is_argument();
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
                    level: None,
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
                    level: None,
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
                "--",
            ),
            Text(
                "echo \"$HOME\"\nexit 3",
            ),
        ],
        Null,
    )
    "#);
}

/// An honest agent, and one that breaks one promise. It prints `call`, `done`, `tokens 7` and `end`.
#[derive(Clone, Copy)]
enum Lie {
    None,
    NoResult,
    TwoResults,
    EventAfterResult,
    SuccessWhenCancelled,
    ShowsTwice,
    ForgetsItsEnd,
    TrustsTheExitCodeAlone,
    TrustsItsEndAlone,
    RemembersOtherRuns,
    StumblesOverOddLines,
    FailsForOddLines,
    TotalFalls,
    ResultForgetsTotals,
    ResultWithoutCall,
    SecretInArguments,
    PromptInArguments,
    PlansAnew,
    NoProgram,
    DescribesAnew,
    BadKind,
    BadWord,
}

struct Liar(Lie, AtomicU32);

impl WorkerAdapter for Liar {
    fn describe(&self) -> WorkerDescription {
        match self.0 {
            Lie::DescribesAnew => {
                WorkerDescription::command(GREETER, self.1.fetch_add(1, Ordering::Relaxed).to_string())
            }
            Lie::BadKind => WorkerDescription::agent(WorkerKind::as_written("liar"), "Liar"),
            Lie::BadWord => WorkerDescription::agent(GREETER, "Liar").with_word("a liar"),
            _ => WorkerDescription::agent(GREETER, "Liar"),
        }
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        let mut spec = CommandSpec::new(["liar"]);
        spec.stdout = StreamPlan::FOR_SESSION;
        spec.stderr = StreamPlan::FOR_SESSION;
        match self.0 {
            Lie::ShowsTwice => spec.stderr.raw = true,
            Lie::SecretInArguments => {
                let key = task.env.get("API_KEY").map_or("", String::as_str);
                spec = spec.args([format!("--key={key}")]);
            }
            Lie::PromptInArguments => spec = spec.args(["-p", &task.instructions]),
            Lie::PlansAnew => spec = spec.args([self.1.fetch_add(1, Ordering::Relaxed).to_string()]),
            Lie::NoProgram => spec.programs.clear(),
            _ => {}
        }
        Ok(spec)
    }

    fn session(&self, _task: &WorkerTask) -> Box<dyn WorkerSession> {
        let run = self.1.fetch_add(1, Ordering::Relaxed);
        Box::new(LiarSession { lie: self.0, run, lines: 0, odd: 0, ended: false, tokens: 0 })
    }
}

struct LiarSession {
    lie: Lie,
    run: u32,
    lines: usize,
    odd: usize,
    ended: bool,
    tokens: u64,
}

impl LiarSession {
    fn line(&mut self, line: &[u8], out: &mut Vec<SessionEffect>) {
        let mut event = |event| out.push(SessionEffect::Event(event));
        let usage = |input_tokens| WorkerEvent::Usage(Usage::new(input_tokens, 0));
        let result = || ToolResult::new("a", true, String::new());
        self.lines += 1;
        match line {
            b"call" if matches!(self.lie, Lie::ResultWithoutCall) => {}
            b"call" => event(WorkerEvent::ToolCall(ToolCall::new("a", "sh", serde_json::Value::Null))),
            b"done" => event(WorkerEvent::ToolResult(result())),
            b"tokens" => {
                self.tokens = 7;
                event(usage(7));
                if matches!(self.lie, Lie::TotalFalls) {
                    event(usage(6));
                }
            }
            b"end" => self.ended = true,
            odd => {
                self.odd += 1;
                event(WorkerEvent::Unknown { raw: String::from_utf8_lossy(odd).into_owned() });
                if matches!(self.lie, Lie::StumblesOverOddLines) {
                    event(WorkerEvent::Text(AgentText::new("what?")));
                }
            }
        }
    }
}

impl WorkerSession for LiarSession {
    fn handle(&mut self, _now: roboppi_ipc::Mono, input: SessionInput<'_>, out: &mut Vec<SessionEffect>) {
        let end = match input {
            SessionInput::Line(OutputStream::Stdout, line) => return self.line(line, out),
            SessionInput::Exit(end) => end,
            _ => return,
        };
        let mut result = verdict(&end);
        if !self.ended && result.status == WorkerStatus::Succeeded {
            result.status = WorkerStatus::Failed;
        }
        let usage = Usage::new(self.tokens, 0);
        result.details.get_or_insert_default().usage = Some(usage);
        let text = |text: &str| SessionEffect::Event(WorkerEvent::Text(AgentText::new(text)));
        let last = SessionEffect::Result(result.clone());
        match self.lie {
            Lie::NoResult => return,
            Lie::TwoResults => out.push(last),
            Lie::EventAfterResult => return out.extend([last, text("late")]),
            Lie::SuccessWhenCancelled if end.cancelled == Some(CancelReason::Parent) => {
                result.status = WorkerStatus::Succeeded;
            }
            Lie::ShowsTwice => out.push(SessionEffect::Event(WorkerEvent::Stderr(Default::default()))),
            Lie::ForgetsItsEnd if end.exit == ExitKind::Code(0) && end.cancelled.is_none() => {
                result.status = WorkerStatus::Succeeded;
            }
            Lie::TrustsTheExitCodeAlone if end.exit.code() == 0 && self.lines > 2 => {
                result.status = WorkerStatus::Succeeded;
            }
            Lie::TrustsItsEndAlone if self.ended && end.cancelled.is_none() => {
                result.status = WorkerStatus::Succeeded;
            }
            Lie::RemembersOtherRuns => out.push(text(&format!("run {}", self.run))),
            Lie::FailsForOddLines if self.odd > 0 => result.status = WorkerStatus::Failed,
            Lie::ResultForgetsTotals => {
                result.details.get_or_insert_default().usage = Some(Usage::default());
            }
            _ => {}
        }
        out.push(SessionEffect::Result(result));
    }
}

#[test]
fn the_kit_notices_every_broken_promise() {
    let transcript =
        Transcript::new(task("x")).stdout(b"call\ndone\n").stderr(b"hm\n").stdout(b"tokens\nend\n");
    let of = |lie| match check(&Liar(lie, AtomicU32::new(0)), &transcript) {
        Ok(_) => "kept".to_owned(),
        Err(violation) => violation.to_string(),
    };
    let told: Vec<String> = [
        Lie::None,
        Lie::NoResult,
        Lie::TwoResults,
        Lie::EventAfterResult,
        Lie::SuccessWhenCancelled,
        Lie::ShowsTwice,
        Lie::ForgetsItsEnd,
        Lie::TrustsTheExitCodeAlone,
        Lie::TrustsItsEndAlone,
        Lie::RemembersOtherRuns,
        Lie::StumblesOverOddLines,
        Lie::FailsForOddLines,
        Lie::TotalFalls,
        Lie::ResultForgetsTotals,
        Lie::ResultWithoutCall,
        Lie::SecretInArguments,
        Lie::PromptInArguments,
        Lie::PlansAnew,
        Lie::NoProgram,
        Lie::DescribesAnew,
        Lie::BadKind,
        Lie::BadWord,
    ]
    .map(of)
    .into();
    insta::assert_snapshot!(told.join("\n"), @r#"
    kept
    as recorded: 0 results, expected one
    as recorded: 2 results, expected one
    as recorded: an event after the result: Text(AgentText { id: None, text: "late", parent: None, blob: None })
    cancelled (parent) after chunk 0: a cancelled worker has succeeded
    as recorded: a session never makes stderr events for a stream that is shown as it is
    cut off by Code(0) after 0 lines, at byte 0 of chunk 0: it has succeeded, though exit code and the worker's own end do not both report success
    cut off by Code(0) after 2 lines, at byte 1 of chunk 2: it has succeeded, though exit code and the worker's own end do not both report success
    cut off by Code(1) after 4 lines, at byte 10 of chunk 2: it has succeeded, though exit code and the worker's own end do not both report success
    pieces of 1 bytes: not the same events and result as in one piece
    with odd lines between the others: other events than without them
    with odd lines between the others: another result than without them
    as recorded: inputTokens fell from 7 to 6
    as recorded: inputTokens fell from 7 to 0
    as recorded: the tool result "a" belongs to no call that is open
    a secret of the task is in an argument, where every user of the machine sees it: --key=kit-secret-0b5e-1
    the instructions are in an argument, where every user of the machine sees them; give them on standard input or in a file, or state `prompt_is_argument`
    the same task was planned twice, and the two commands differ
    the command names no program
    it described itself twice, and the two descriptions differ
    `liar` is not the name of a worker kind, which has at most 40 capital letters, digits and `_` and begins with a letter
    `a liar` is no word for a command line: letters, digits and `-`, and no `-` at its beginning
    "#);
}
