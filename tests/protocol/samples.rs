//! One of everything we write.

use std::collections::{BTreeMap, BTreeSet};

use roboppi_ipc::{
    Ack, AgentDelta, AgentSetup, AgentText, Artifact, CancelJob, CancelReason, Capability, ChangeKind,
    CircuitState, CoreEvent, CoreEventMessage, CoreLimits, Cost, EndingPhase, ErrorClass, ErrorReply,
    Escalation, EscalationAction, EscalationDetails, EscalationEvent, EscalationScope, EscalationSeverity,
    ExactValues, Gap, Heartbeat, Hello, HexBytes, Job, JobCancelled, JobCompleted, JobContext, JobEvent,
    JobLimits, JobOptions, JobOutcome, JobRequest, JobType, Leaked, LogGrew, Mask, Message, Observation,
    Patch, Permit, PermitGranted, PermitRejected, PermitRejection, PlanItem, PlanStatus, Priority,
    PriorityClass, ProcessIdentity, Progress, QueueMetrics, RecordLimits, RecordTarget, RejectionReason,
    RemarkLevel, RequestPermit, Resources, ResultDetails, SecretText, SessionInfo, SubAgent, SubAgentStatus,
    SubmitJob, TaskBudget, Tokens, ToolCall, ToolResult, Usage, UtcMillis, VariablePolicy, WaitCause,
    Waiting, WorkerEvent, WorkerFacts, WorkerKind, WorkerOutput, WorkerResult, WorkerStatus, WorkerTask,
    WorkspaceChanges, decode, error_code,
};
use serde_json::json;

const PROCESS: ProcessIdentity = ProcessIdentity { pid: 4711, start_time: 815_000 };

fn now() -> UtcMillis {
    UtcMillis(1_893_456_000_123)
}

fn task() -> WorkerTask {
    WorkerTask::new(
        "task-1",
        WorkerKind::CLAUDE_CODE,
        "/srv/demo",
        "make the tests pass",
        TaskBudget::new(now())
            .with_max_steps(Some(40.0))
            .with_max_command_time_ms(Some(60_000.0))
            .with_max_cost_usd(Some(0.5)),
    )
    .with_default_args(vec!["--verbose".into()])
    .with_model(Some("large".into()))
    .with_variant(Some("high".into()))
    .with_capabilities(Capability::ALL.to_vec())
    .with_env(BTreeMap::from([("LANG".into(), "C.UTF-8".into())]))
    .with_roboppi(Some(
        JobOptions::default()
            .with_record(Some(RecordTarget {
                dir: "/home/me/.local/state/roboppi/runs/r1".into(),
                base: "steps/test/i1-a2".into(),
                limits: Some(RecordLimits::default()),
            }))
            .with_stdio(Some(false))
            .with_timeout_ms(Some(600_000))
            .with_grace_ms(Some(5_000))
            .with_redact(vec![SecretText::new("correct horse battery")])
            .with_environment(Some(VariablePolicy {
                pass: Some(vec!["ANTHROPIC_*".into()]),
                block: vec!["AWS_*".into()],
            }))
            .with_resume(Some("session-1".into()))
            .with_idle_ms(Some(300_000))
            .with_file_changes(Some(true))
            .with_drain_ms(Some(2_000))
            .with_exact(Some(ExactValues {
                workspace_ref: HexBytes::unless_text(b"/srv/caf\xe9"),
                record_dir: HexBytes::unless_text(b"/st\xff/runs/r1"),
                env: HexBytes::unless_text(b"\xe9")
                    .map(|value| ("NAME".to_owned(), value))
                    .into_iter()
                    .collect(),
            }))
            .with_agent(Some(
                AgentSetup::default()
                    .with_program(Some("/opt/claude/bin/claude".into()))
                    .with_mcp_config(Some("/srv/demo/mcp.json".into()))
                    .with_add_dirs(vec!["/srv/lib".into()])
                    .with_append_system_prompt(Some("Be brief.".into())),
            )),
    ))
}

fn job() -> Job {
    Job {
        job_id: "job-1".into(),
        job_type: JobType::WorkerTask,
        priority: Priority { value: 1.0, class: PriorityClass::Interactive },
        key: Some("once".into()),
        payload: serde_json::to_value(task()).unwrap(),
        limits: JobLimits {
            timeout_ms: 600_000.0,
            max_attempts: 1.0,
            cost_hint: Some(0.5),
            retry_budget_ms: None,
        },
        context: JobContext {
            trace_id: "trace-1".into(),
            correlation_id: "run-1".into(),
            user_id: None,
            session_id: None,
        },
    }
}

fn usage() -> Usage {
    Usage::new(1_200, 340)
        .with_cache_read_tokens(9_000)
        .with_cache_write_tokens(800)
        .with_cost_usd(Some(0.042))
        .with_turns(Some(3))
}

fn result() -> WorkerResult {
    WorkerResult::of_status(WorkerStatus::Failed)
        .with_artifacts(vec![Artifact::new("file_change", "src/a.c")])
        .with_observations(vec![
            Observation::text("two tests fail"),
            Observation::default()
                .with_command(Some("make test".into()))
                .with_files_changed(vec!["src/a.c".into()]),
        ])
        .with_cost(Cost::new(812).with_estimated_tokens(Some(1_540)).with_instruction_bytes(Some(19)))
        .with_duration_ms(812)
        .with_exit_code(Some(143))
        .with_error_class(Some(ErrorClass::RetryableTransient))
        .with_details(
            ResultDetails::default()
                .with_cancel_reason(Some(CancelReason::Timeout))
                .with_signal(Some(15))
                .with_killed(true)
                .with_error(Some("it ran out of time".into()))
                .with_leaked(vec![Leaked::new(PROCESS, "sleep 1000")])
                .with_log_bytes(4_096)
                .with_events_bytes(512)
                .with_last_seq(Some(17))
                .with_answer(Some("I am not done.".into()))
                .with_session_id(Some("session-1".into()))
                .with_model(Some("large".into()))
                .with_turns(Some(3))
                .with_usage(Some(usage()))
                .with_resources(Some(Resources::new(1_230, Some(52_428_800))))
                .with_denials(vec!["Bash: not allowed".into()])
                .with_error_kind(Some("overloaded".into()))
                .with_waited_for(Some("the request failed, try 2 of 5".into()))
                .with_retry_at(Some(UtcMillis(1_796_020_000_000)))
                .with_notes(vec!["left running and ended: npm run dev".into()]),
        )
}

fn worker_events() -> Vec<WorkerEvent> {
    let output = |data: &str| {
        WorkerOutput::new(data).with_range(100, data.len() as u64).with_partial(!data.ends_with('\n'))
    };
    let call = || Some("call-0".to_owned());
    vec![
        WorkerEvent::Stdout(output("linting 12 files\n")),
        WorkerEvent::Stderr(output("warning: x")),
        WorkerEvent::Progress(
            Progress::new("half way")
                .with_percent(Some(50.0))
                .with_phase(Some("lint".into()))
                .with_basis(Some("6 of 12 files".into())),
        ),
        WorkerEvent::Patch(Patch::new("src/a.c", "@@ -1 +1 @@\n-a\n+b").with_seen(true)),
        WorkerEvent::Text(
            AgentText::new("I will look at the tests.")
                .with_id(Some("part-1".into()))
                .with_parent(call())
                .with_blob(Some("2c26b46b".into())),
        ),
        WorkerEvent::TextDelta(
            AgentDelta::new("I will").with_id(Some("part-1".into())).with_parent(call()).with_restart(true),
        ),
        WorkerEvent::Thinking(AgentText::new("Which ones fail?")),
        WorkerEvent::ThinkingDelta(AgentDelta::new("Which")),
        WorkerEvent::Plan {
            items: vec![
                PlanItem::new("read the tests", PlanStatus::Completed),
                PlanItem::new("mend them", PlanStatus::InProgress),
                PlanItem::new("run them", PlanStatus::Pending),
            ],
        },
        WorkerEvent::ToolCall(
            ToolCall::new("call-1", "Bash", json!({"command": "make test"}))
                .with_blob(Some("ba7816bf".into()))
                .with_parent(call()),
        ),
        WorkerEvent::ToolCall(
            ToolCall::new("call-2", "Agent", json!({"description": "look around"})).with_agents(vec![
                SubAgent::new("call-2", SubAgentStatus::Running).with_name(Some("look around".into())),
            ]),
        ),
        WorkerEvent::ToolResult(
            ToolResult::new("call-2", false, "it was stopped").with_bytes(14).with_agents(vec![
                SubAgent::new("call-2", SubAgentStatus::Stopped).with_message(Some("it was stopped".into())),
            ]),
        ),
        WorkerEvent::Progress(
            Progress::new("the MCP server \"github\" could not be started")
                .with_level(Some(RemarkLevel::Warning)),
        ),
        WorkerEvent::ToolResult(
            ToolResult::new("call-1", false, "2 tests fail")
                .with_bytes(70_000)
                .with_blob(Some("9f86d081".into()))
                .with_duration_ms(Some(12_300)),
        ),
        WorkerEvent::FileChanged {
            path: "src/a.c".into(),
            action: ChangeKind::Modified,
            by: call(),
            seen: true,
        },
        WorkerEvent::WorkspaceChanges(
            WorkspaceChanges::default()
                .with_missed(Some("the workspace has more than 50000 files".into()))
                .with_changes(3)
                .with_shared(true)
                .with_list(Some("9f86d081".into()))
                .with_diffs(Some("60303ae2".into())),
        ),
        WorkerEvent::Usage(usage()),
        WorkerEvent::Session(
            SessionInfo::new("session-1").with_model(Some("large".into())).with_version(Some("2.0.1".into())),
        ),
        WorkerEvent::Waiting(
            Waiting::new("rate limit")
                .with_cause(Some(WaitCause::RateLimit))
                .with_delay_ms(Some(30_000))
                .with_until(Some(now())),
        ),
        WorkerEvent::Gap(Gap::new(18..25, 4_096..9_216).with_missing(7, 5_120)),
        WorkerEvent::Unknown { raw: "{\"type\":\"novelty\"}".into() },
        WorkerEvent::Gap(
            Gap::new(25..40, 9_216..9_216).with_missing(15, 0).with_recorded(15).with_at_least(true),
        ),
        WorkerEvent::LogGrew(LogGrew::new(112, 4_096).with_text_of(true, true)),
        WorkerEvent::Resources(
            Resources::new(12_340, Some(268_435_456))
                .with_cpu_percent(Some(98))
                .with_memory_bytes(Some(125_829_120)),
        ),
    ]
}

fn core_events() -> Vec<CoreEvent> {
    let job_id = || "job-1".into();
    vec![
        CoreEvent::WorkerStarted { job_id: job_id(), process: PROCESS },
        CoreEvent::WorkerEnding {
            job_id: job_id(),
            phase: EndingPhase::Terminating,
            reason: Some(CancelReason::User),
            limit_ms: 5_000,
        },
        CoreEvent::Leaked { job_id: Some(job_id()), leaked: Leaked::new(PROCESS, "sleep 1000") },
        CoreEvent::Permits { active: 3, limit: 10 },
        CoreEvent::Warning { job_id: None, message: "the disk is nearly full".into() },
        CoreEvent::Warning { job_id: Some(job_id()), message: "it waits for room to start".into() },
        CoreEvent::Unknown { raw: "{\"type\":\"novelty\"}".into() },
    ]
}

/// One of every message, and of every kind of event in one.
pub(crate) fn samples() -> Vec<Message> {
    let request = || "request-1".into();
    let named = || JobRequest { request_id: request(), job_id: "job-1".into() };
    let mut hello = Hello::ours("0.1.0");
    hello.process = Some(PROCESS);
    hello.limits = Some(CoreLimits { concurrency: 10 });
    hello.workers = Some(vec![
        WorkerFacts::agent(WorkerKind::from_static("SCRIBE")),
        WorkerFacts::command(WorkerKind::CUSTOM),
    ]);
    let escalation = EscalationEvent::Described(Box::new(EscalationDetails {
        scope: EscalationScope::WorkerKind,
        action: EscalationAction::Isolate,
        target: "CODEX_CLI".into(),
        reason: "it fails all the time".into(),
        timestamp: now(),
        severity: EscalationSeverity::Error,
    }));
    let mut samples = vec![
        Message::Hello(hello),
        Message::SubmitJob(SubmitJob { request_id: request(), job: job() }),
        Message::Ack(Ack { request_id: request(), job_id: "job-1".into() }),
        Message::RequestPermit(RequestPermit { request_id: request(), job: job(), attempt_index: 0.0 }),
        Message::PermitGranted(PermitGranted {
            request_id: request(),
            permit: Permit {
                permit_id: "permit-1".into(),
                job_id: "job-1".into(),
                deadline_at: now(),
                attempt_index: 0.0,
                tokens_granted: Tokens { concurrency: 1, rps: 1, cost_budget: Some(0.5) },
                circuit_state_snapshot: BTreeMap::from([("CODEX_CLI".into(), CircuitState::HalfOpen)]),
            },
        }),
        Message::PermitRejected(PermitRejected {
            request_id: request(),
            rejection: PermitRejection {
                reason: RejectionReason::ConcurrencyLimit,
                detail: Some("Execution budget check failed".into()),
            },
        }),
        Message::CancelJob(CancelJob {
            request_id: request(),
            job_id: "job-1".into(),
            reason: "user".into(),
            force: true,
        }),
        Message::JobCancelled(JobCancelled {
            job_id: "job-1".into(),
            reason: "user".into(),
            request_id: Some(request()),
        }),
        Message::PauseJob(named()),
        Message::ResumeJob(named()),
        Message::JobCompleted(JobCompleted {
            job_id: "job-1".into(),
            outcome: JobOutcome::Failed,
            result: Some(result()),
            error_class: Some(ErrorClass::RetryableTransient),
        }),
        Message::Mask(Mask { value: SecretText::new("made at run time") }),
        Message::Escalation(Escalation { event: escalation }),
        Message::ReportQueueMetrics(QueueMetrics {
            request_id: request(),
            queue_depth: 4.0,
            oldest_job_age_ms: 900.5,
            backlog_count: 6.0,
        }),
        Message::Heartbeat(Heartbeat { timestamp: now() }),
        Message::HeartbeatAck(Heartbeat { timestamp: now() }),
        Message::Error(ErrorReply {
            code: error_code::JOB_NOT_FOUND.into(),
            message: "Job job-9 not found".into(),
            request_id: Some(request()),
        }),
    ];
    samples.extend(worker_events().into_iter().zip(0..).map(|(event, seq)| {
        Message::JobEvent(JobEvent { job_id: "job-1".into(), ts: now(), seq, at: Some(4_096), event })
    }));
    let of_the_core = |event| Message::CoreEvent(CoreEventMessage { ts: now(), event });
    samples.extend(core_events().into_iter().map(of_the_core));
    samples
}

/// Every type on the wire. A new variant does not compile until it is here.
pub(crate) fn kinds() -> BTreeSet<&'static str> {
    let known = |message: &Message| match message {
        Message::Hello(_)
        | Message::SubmitJob(_)
        | Message::Ack(_)
        | Message::RequestPermit(_)
        | Message::PermitGranted(_)
        | Message::PermitRejected(_)
        | Message::CancelJob(_)
        | Message::JobCancelled(_)
        | Message::PauseJob(_)
        | Message::ResumeJob(_)
        | Message::JobEvent(_)
        | Message::JobCompleted(_)
        | Message::CoreEvent(_)
        | Message::Mask(_)
        | Message::Escalation(_)
        | Message::ReportQueueMetrics(_)
        | Message::Heartbeat(_)
        | Message::HeartbeatAck(_)
        | Message::Error(_)
        | Message::Unknown { .. } => 19,
    };
    let samples = samples();
    let kinds: BTreeSet<String> = samples.iter().map(|message| message.kind().to_owned()).collect();
    assert_eq!(kinds.len(), known(&samples[0]), "every type has a sample");
    kinds.into_iter().map(|kind| &*kind.leak()).collect()
}

pub(crate) fn line(message: &Message) -> String {
    let mut line = Vec::new();
    message.encode(&mut line);
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[test]
fn this_is_how_we_write_every_message() {
    let lines: Vec<_> = samples().iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_we_write_we_read_back() {
    for message in samples() {
        let line = line(&message);
        assert!(!line.contains("null"), "what is absent is left out: {line}");
        assert_eq!(decode(line.as_bytes()).unwrap().unwrap(), message);
    }
}

/// A new variant does not compile until it is here.
fn count_of_events(event: &WorkerEvent, core_event: &CoreEvent) -> [(&'static str, usize); 2] {
    let of_workers = match event {
        WorkerEvent::Stdout(_)
        | WorkerEvent::Stderr(_)
        | WorkerEvent::Progress(_)
        | WorkerEvent::Patch(_)
        | WorkerEvent::Text(_)
        | WorkerEvent::TextDelta(_)
        | WorkerEvent::Thinking(_)
        | WorkerEvent::ThinkingDelta(_)
        | WorkerEvent::Plan { .. }
        | WorkerEvent::ToolCall(_)
        | WorkerEvent::ToolResult(_)
        | WorkerEvent::FileChanged { .. }
        | WorkerEvent::WorkspaceChanges(_)
        | WorkerEvent::Usage(_)
        | WorkerEvent::Session(_)
        | WorkerEvent::Waiting(_)
        | WorkerEvent::LogGrew(_)
        | WorkerEvent::Resources(_)
        | WorkerEvent::Gap(_)
        | WorkerEvent::Unknown { .. } => 20,
    };
    let of_cores = match core_event {
        CoreEvent::WorkerStarted { .. }
        | CoreEvent::WorkerEnding { .. }
        | CoreEvent::Leaked { .. }
        | CoreEvent::Permits { .. }
        | CoreEvent::Warning { .. }
        | CoreEvent::Unknown { .. } => 6,
    };
    [("job_event", of_workers), ("core_event", of_cores)]
}

#[test]
fn every_kind_of_event_has_a_sample() {
    for (sample, kinds) in count_of_events(&worker_events()[0], &core_events()[0]) {
        let lines: Vec<_> = samples().iter().filter(|message| message.kind() == sample).map(line).collect();
        let distinct: BTreeSet<String> = lines
            .iter()
            .map(|line| {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                message["event"]["type"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(distinct.len(), kinds, "{distinct:?}");
    }
}
