//! What a seed decides before anything happens: the workflow, the times, and how workers behave.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use roboppi_ipc::{Capability, Job, JobId, WorkerKind};
use roboppi_run::StepPath;
use roboppi_workflow::{OnFailure, Step, Workflow};
use serde_json::{Value, json};

use crate::faults::{Fault, Weather};
use crate::rng::Rng;

/// Times are milliseconds.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) workflow: Workflow,
    pub(crate) concurrency: u32,
    /// Permits of a core.
    pub(crate) permits: u32,
    pub(crate) grace: u64,
    pub(crate) drain: u64,
    pub(crate) longest: Longest,
}

/// The longest the world takes for something.
#[derive(Debug)]
pub(crate) struct Longest {
    /// A message on its way.
    pub(crate) message: u64,
    /// A start of a process.
    pub(crate) spawn: u64,
    /// A process that was sent KILL.
    pub(crate) death: u64,
    /// The grace time of any step.
    pub(crate) grace: u64,
}

/// Collecting the outputs of a step, at most.
pub(crate) const COLLECTING: u64 = 30;
/// Between the end of a job and the words for it, at most.
pub(crate) const OUTBOX: u64 = 40;
/// Everything that is small and was not counted.
pub(crate) const SLACK: u64 = 60;
/// Silence after which a core counts as hung, and when that is noticed at the latest.
pub(crate) const HUNG: (u64, u64) = (15_000, 25_000);
/// A guard has ended all its core started, at the latest.
pub(crate) const GUARD: u64 = 7_000;
/// What a core is given beyond grace and drain when it is to end.
pub(crate) const STOP_MARGIN: u64 = 5_000;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng, weather: Weather) -> Self {
        let grace = rng.up_to(3_000);
        let steps: Vec<_> =
            (0..rng.between(1, 5)).map(|index| Arc::new(any_step(rng, weather, index))).collect();
        let graces = steps.iter().filter_map(|step| step.grace).map(whole);
        let longest = Longest {
            message: if weather.has(Fault::LateMessages) { 600 } else { 3 },
            spawn: if weather.has(Fault::SlowSpawn) { 1_500 } else { 5 },
            death: if weather.has(Fault::SlowDeath) { 300 } else { 3 },
            grace: graces.max().unwrap_or(0).max(grace),
        };
        let timeout = if weather.has(Fault::RunTimeout) { rng.between(20, 6_000) } else { 600_000 };
        let workflow = Workflow {
            only: Vec::new(),
            budget: roboppi_workflow::Budget::default(),
            branch: roboppi_workflow::BranchKeys::default(),
            name: "sample".to_owned(),
            description: None,
            timeout: ms(timeout),
            concurrency: None,
            context_dir: None,
            secrets: Vec::new(),
            environment: roboppi_ipc::VariablePolicy::default(),
            inputs: Default::default(),
            hosts: Default::default(),
            steps: steps
                .into_iter()
                .enumerate()
                .map(|(index, step)| (step_name(index as u64), step))
                .collect(),
        };
        Self {
            workflow,
            concurrency: rng.pick(&[1, 2, 3, 10]),
            permits: rng.pick(&[1, 2, 3, 10]),
            grace,
            drain: rng.up_to(1_000),
            longest,
        }
    }

    pub(crate) fn step(&self, index: usize) -> &Step {
        &self.workflow.steps[index]
    }

    pub(crate) fn grace_of(&self, step: usize) -> u64 {
        self.step(step).grace.map_or(self.grace, whole)
    }

    /// The job an attempt of a step is handed over as.
    pub(crate) fn job(&self, id: &JobId, step: usize) -> Job {
        static SAMPLE: LazyLock<Job> = LazyLock::new(|| {
            serde_json::from_value(json!({
                "jobId": "",
                "type": "WORKER_TASK",
                "priority": {"value": 1, "class": "INTERACTIVE"},
                "payload": {
                    "workerTaskId": "t",
                    "workerKind": "CUSTOM",
                    "workspaceRef": "/",
                    "instructions": "true",
                    "capabilities": [],
                    "outputMode": "STREAM",
                    "budget": {"deadlineAt": 4_000_000_000_000_u64},
                },
                "limits": {"timeoutMs": 86_400_000, "maxAttempts": 1},
                "context": {"traceId": "t", "correlationId": "c"},
            }))
            .expect("the sample is a job")
        });
        let mut job = SAMPLE.clone();
        job.job_id = id.clone();
        let timeout = self.step(step).timeout.map_or(86_400_000, whole);
        if let Value::Object(payload) = &mut job.payload {
            let options =
                json!({"timeoutMs": timeout, "graceMs": self.grace_of(step), "drainMs": self.drain});
            payload.insert("roboppi".to_owned(), options);
        }
        job
    }
}

pub(crate) fn step_name(index: u64) -> StepPath {
    StepPath::new(format!("s{index}"))
}

fn any_step(rng: &mut Rng, weather: Weather, index: u64) -> Step {
    let depends_on = (0..index).filter(|_| rng.chance(30)).map(step_name).collect();
    let timeout = match rng.up_to(99) {
        _ if !weather.has(Fault::StepTimeout) => None,
        0..3 => Some(0),
        3..60 => Some(rng.up_to(2_500)),
        _ => None,
    };
    Step {
        description: None,
        worker: WorkerKind::CUSTOM,
        instructions: String::new(),
        capabilities: [Capability::Read].into(),
        agent: roboppi_workflow::AgentOptions::none(),
        workspace: None,
        host: None,
        depends_on,
        inputs: Vec::new(),
        outputs: Vec::new(),
        timeout: timeout.map(ms),
        idle: None,
        file_changes: None,
        grace: rng.chance(30).then(|| ms(rng.up_to(1_500))),
        max_retries: u32::try_from(rng.up_to(3)).expect("small"),
        on_failure: rng.pick(&[OnFailure::Retry, OnFailure::Retry, OnFailure::Continue, OnFailure::Abort]),
        on_limit: None,
        continue_on_error: rng.chance(20),
        secrets: Vec::new(),
        env: Arc::default(),
        control: Arc::default(),
        check: None,
        call: None,
    }
}

/// How one worker behaves. Times are milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    pub(crate) spawn_takes: u64,
    pub(crate) spawn_fails: bool,
    /// Ends by itself after this time, if ever.
    pub(crate) lives: Option<u64>,
    /// The code it then returns.
    pub(crate) code: i32,
    /// Ends this long after TERM, if it does not ignore it.
    pub(crate) heeds_term: Option<u64>,
    /// What it returns then; without one the signal ends it.
    pub(crate) trap: Option<i32>,
    pub(crate) heeds_kill: u64,
    /// Closes its own pipes this long after its start.
    pub(crate) closes_early: Option<u64>,
    /// Whether somebody else holds its pipes.
    pub(crate) leak: Leak,
    /// That one has left the group, so that no signal reaches it.
    pub(crate) escaped: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Leak {
    None,
    /// Until so long after the end of the leader.
    For(u64),
    ForEver,
}

impl Nature {
    pub(crate) fn draw(rng: &mut Rng, weather: Weather, longest: &Longest) -> Self {
        let might = |rng: &mut Rng, fault, percent| weather.has(fault) && rng.chance(percent);
        let lives = rng.up_to(1_500);
        let fails = might(rng, Fault::FailingWorkers, 40);
        let code = rng.pick(&[1, 2, 101, 137, 143]);
        let heeds = rng.up_to(300);
        Self {
            spawn_takes: rng.up_to(longest.spawn),
            spawn_fails: might(rng, Fault::SpawnFails, 15),
            lives: (!might(rng, Fault::NeverEnds, 50)).then_some(lives),
            code: if fails { code } else { 0 },
            heeds_term: (!might(rng, Fault::IgnoresTerm, 60)).then_some(heeds),
            trap: rng.pick(&[None, None, Some(0), Some(143)]),
            heeds_kill: rng.up_to(longest.death),
            closes_early: might(rng, Fault::ClosesEarly, 40).then(|| rng.up_to(1_000)),
            leak: match rng.up_to(2) {
                _ if !might(rng, Fault::LeakedPipe, 60) => Leak::None,
                0 => Leak::ForEver,
                _ => Leak::For(rng.up_to(2_000)),
            },
            escaped: might(rng, Fault::Escape, 40),
        }
    }
}
