use std::sync::Arc;

use roboppi_ipc::{Gap, ToolCall, WorkerKind};
use roboppi_run::{Role, RunId, RunMode, RunOutcome, StepPath, StepPlan};

use super::*;
use crate::RunState;

/// A record that is made step by step.
#[derive(Default)]
pub(crate) struct Story {
    fold: RunFold,
    seq: u64,
    ts: u64,
}

impl Story {
    pub(crate) fn of(steps: &[(&str, WorkerKind)]) -> Self {
        let plan = |(step, worker): &(&str, WorkerKind)| {
            Arc::new(StepPlan {
                step: (*step).into(),
                worker: *worker,
                depends_on: Vec::new(),
                description: None,
                timeout_ms: None,
                max_attempts: 2,
                max_iterations: None,
                role: Role::Work,
                check: None,
                host: roboppi_run::HostId::here(),
            })
        };
        let mut story = Self { ts: 1_000, ..Self::default() };
        story.journal(RunEvent::RunStarted {
            run_id: RunId::parse("run-1").unwrap(),
            handle: None,
            name: "flow".into(),
            workflow: String::new(),
            workspace: "/w".into(),
            context_dir: "/w/c".into(),
            mode: RunMode::Direct,
            timeout_ms: 1,
            concurrency: 1,
            stream_stdio: false,
            steps: steps.iter().map(plan).collect(),
            only: Vec::new(),
            resumes: None,
        });
        story
    }

    pub(crate) fn journal(&mut self, event: RunEvent) {
        self.seq += 1;
        self.ts += 10;
        let record = JournalRecord { seq: self.seq, ts: UtcMillis(self.ts), event };
        self.fold.apply(&RunRecord::Journal(record));
    }

    pub(crate) fn state(&mut self, step: &str, state: StepState, duration_ms: Option<u64>) {
        self.journal(RunEvent::StepChanged {
            step: step.into(),
            state,
            detail: None,
            duration_ms,
            allowed_to_fail: false,
            limit_until: None,
        });
    }

    pub(crate) fn start(&mut self, step: &str) {
        self.state(step, StepState::Running, None);
        let of = AttemptRef::first(StepPath::new(step));
        let base = of.base();
        self.journal(RunEvent::AttemptStarted {
            of,
            job_id: step.into(),
            base,
            fingerprint: None,
            resumed_session: None,
        });
    }

    pub(crate) fn worker(&mut self, step: &str, event: WorkerEvent) {
        self.seq += 1;
        self.ts += 10;
        let record = AttemptRecord { seq: self.seq, ts: UtcMillis(self.ts), at: 0, event };
        self.fold.apply(&RunRecord::Attempt(AttemptRef::first(step.into()), record));
    }

    pub(crate) fn call(&mut self, step: &str, id: &str, tool: &str) {
        self.worker(step, WorkerEvent::ToolCall(ToolCall::new(id, tool, serde_json::Value::Null)));
    }

    pub(crate) fn outcome(&mut self, step: &str, id: &str, ok: bool) {
        self.worker(step, WorkerEvent::ToolResult(ToolResult::new(id, ok, "")));
    }

    pub(crate) fn finish(&mut self, step: &str, result: &str) {
        let text = format!(r#"{{"cost":{{"wallTimeMs":1}},"durationMs":70,{result}}}"#);
        let result: WorkerResult = serde_json::from_str(&text).unwrap();
        let of = AttemptRef::first(step.into());
        self.journal(RunEvent::AttemptFinished {
            of,
            result: result.into(),
            last_seq: None,
            log_bytes: 0,
            events_bytes: 0,
        });
    }

    pub(crate) fn end(&mut self, outcome: RunOutcome) {
        self.journal(RunEvent::RunFinished {
            outcome,
            exit_code: 0,
            duration_ms: 500,
            detail: None,
            flaky: Vec::new(),
        });
    }

    pub(crate) fn figures(&self) -> RunFigures {
        self.fold.figures().unwrap()
    }
}

const AGENT: WorkerKind = WorkerKind::CLAUDE_CODE;

#[test]
fn calls_are_paired_with_their_results() {
    let mut story = Story::of(&[("fix", AGENT)]);
    story.start("fix");
    for (id, tool, ok) in [("1", "Bash", Some(true)), ("2", "Bash", Some(false)), ("3", "Read", None)] {
        story.call("fix", id, tool);
        if let Some(ok) = ok {
            story.outcome("fix", id, ok);
        }
    }
    let live = story.figures();
    assert_eq!(live.tools["Read"].counts.of(Outcome::Running), 1);
    assert_eq!(live.outcome(RunState::Live), Outcome::Running);

    // A second call with the number of one that is under way takes its place; a result without a call is counted.
    story.call("fix", "3", "Edit");
    story.outcome("fix", "gone", true);
    let gap = Gap::new(1..9, 0..0).with_missing(8, 0).with_recorded(8);
    story.worker("fix", WorkerEvent::Gap(gap));
    story.finish("fix", r#""status":"SUCCEEDED""#);
    let figures = story.figures();
    let counts = |tool: &str| {
        let of = figures.tools[tool].counts;
        (of.of(Outcome::Succeeded), of.errors(), of.of(Outcome::Lost), of.total())
    };
    assert_eq!(counts("Bash"), (1, 1, 0, 2));
    assert_eq!(counts("Read"), (0, 0, 1, 1));
    assert_eq!(counts("Edit"), (0, 0, 1, 1), "its attempt ended without a result");
    assert_eq!(counts(UNKNOWN), (1, 0, 0, 1));
    assert_eq!((figures.tools["Bash"].succeeded.sum(), figures.events_missing), (10, 8));
    assert_eq!(figures.recent[0].kind, RecentKind::Tool(UNKNOWN.into()), "the latest first");
}

#[test]
fn attempts_of_agents_are_counted_with_what_they_used() {
    let mut story = Story::of(&[("fix", AGENT), ("test", WorkerKind::CUSTOM), ("ask", AGENT)]);
    story.start("fix");
    let usage = Usage::new(10, 5).with_cost_usd(Some(0.1));
    story.worker("fix", WorkerEvent::Usage(usage));
    story.finish("fix", r#""status":"FAILED","details":{"cancelReason":"timeout"}"#);
    story.state("fix", StepState::Failed, Some(80));
    story.start("test");
    story.finish("test", r#""status":"SUCCEEDED""#);
    story.start("ask");
    let figures = story.figures();
    let agents = &figures.agents[AGENT.name()];
    assert_eq!((agents.attempts.counts.of(Outcome::TimedOut), agents.attempts.counts.total()), (1, 2));
    assert_eq!((agents.input_tokens, agents.output_tokens, agents.cost_micros), (10, 5, 100_000));
    assert_eq!((agents.without_cost, figures.agents.len()), (1, 1));
    let outcomes: Vec<_> = figures.steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::TimedOut, Outcome::Running, Outcome::Running]);
}

#[test]
fn figures_are_bounded_and_can_be_kept() {
    let names: Vec<_> = (0..400).map(|number| format!("step{number}")).collect();
    let steps: Vec<_> = names.iter().map(|name| (name.as_str(), WorkerKind::CUSTOM)).collect();
    let mut story = Story::of(&steps);
    story.start("step0");
    for (number, name) in names.iter().enumerate() {
        let id = number.to_string();
        story.call("step0", &id, &format!("tool {id} {}", "x".repeat(1_000)));
        story.outcome("step0", &id, true);
        story.state(name, StepState::Succeeded, Some(3));
    }
    for number in 0..OPEN_CALLS + 5 {
        story.call("step0", &format!("open {number}"), "Bash");
    }
    story.end(RunOutcome::Succeeded);
    let figures = story.figures();
    assert_eq!(figures.steps.len(), RunFigures::STEPS);
    assert_eq!(figures.more_steps.counts.of(Outcome::Succeeded), 144);
    assert_eq!((figures.tools.len(), figures.recent.len()), (RunFigures::TOOLS + 1, RECENT));
    let calls: u64 = figures.tools.values().map(|tool| tool.counts.total()).sum();
    assert_eq!(calls, 400 + OPEN_CALLS as u64 + 5);
    assert_eq!(figures.outcome(RunState::Finished), Outcome::Succeeded);
    let text = serde_json::to_string(&figures).unwrap();
    assert!(text.len() < 250_000, "{}", text.len());
    assert_eq!(serde_json::from_str::<RunFigures>(&text).unwrap(), figures);
}
