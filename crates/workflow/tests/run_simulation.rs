//! Random workflows with random fates, and what must hold in all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indexmap::IndexMap;
use proptest::prelude::*;
use roboppi_ipc::{Cancel, CancelReason, Capability, ErrorClass, Mono, VariablePolicy, WorkerKind};
use roboppi_run::{AttemptRef, Role, RunOutcome, StepPath, StepState};
use roboppi_workflow::{
    AgentOptions, AttemptEnd, Budget, Condition, IterationDecision, Node, OnExhausted, OnFailure, OutputSpec,
    Plan, Repeat, RunEffect, RunInput, RunMachine, RunTimer, RunTimerSubject, Step, StepControl, Workflow,
    expand, parse, retry_delay,
};

/// Conditions of steps, as a file has them.
static CONDITIONS: LazyLock<Vec<Arc<StepControl>>> = LazyLock::new(|| {
    let read = |condition: &str| {
        let file = format!(
            "name: n\nversion: \"1\"\ntimeout: 1m\nsteps:\n  s0: {{run: x}}\n  s: {{run: x, depends_on: [s0], if: \"{condition}\"}}\n"
        );
        parse(&file).workflow.map_or_else(|| panic!("{file}"), |read| Arc::clone(&read.steps[1].control))
    };
    ["always()", "failure()", "success()", "!failure()", "true", "false"].map(read).to_vec()
});

fn any_step(index: usize) -> impl Strategy<Value = Step> {
    let dependencies = proptest::collection::btree_set(0..index.max(1), 0..=index.min(3));
    let on_failure = prop_oneof![Just(OnFailure::Retry), Just(OnFailure::Continue), Just(OnFailure::Abort)];
    let makes = prop_oneof![Just(None), Just(Some(None)), Just(Some(Some(Duration::from_secs(2))))];
    let condition = proptest::option::weighted(0.25, 0..CONDITIONS.len());
    (dependencies, on_failure, 0..3_u32, proptest::bool::weighted(0.2), makes, condition).prop_map(
        move |(dependencies, on_failure, max_retries, continue_on_error, makes, condition)| Step {
            description: None,
            worker: WorkerKind::CUSTOM,
            instructions: "x".to_owned(),
            capabilities: [Capability::Read].into(),
            agent: AgentOptions::none(),
            workspace: None,
            host: None,
            depends_on: dependencies.into_iter().filter(|other| *other < index).map(name).collect(),
            inputs: Vec::new(),
            outputs: makes.iter().map(|_| output()).collect(),
            timeout: makes.flatten(),
            idle: None,
            file_changes: None,
            grace: None,
            max_retries,
            on_failure,
            on_limit: None,
            continue_on_error,
            secrets: Vec::new(),
            env: Arc::default(),
            control: condition.map_or_else(StepControl::none, |index| Arc::clone(&CONDITIONS[index])),
            check: None,
            call: None,
        },
    )
}

fn any_workflow() -> impl Strategy<Value = Workflow> {
    (1..9_usize).prop_flat_map(|count| (0..count).map(any_step).collect::<Vec<_>>()).prop_map(|steps| {
        Workflow {
            only: Vec::new(),
            name: "sample".to_owned(),
            description: None,
            timeout: Duration::from_secs(3600),
            concurrency: None,
            budget: Budget::default(),
            branch: roboppi_workflow::BranchKeys::default(),
            context_dir: None,
            secrets: Vec::new(),
            environment: VariablePolicy::default(),
            inputs: IndexMap::new(),
            hosts: IndexMap::new(),
            steps: steps.into_iter().enumerate().map(|(index, step)| (name(index), Arc::new(step))).collect(),
        }
    })
}

/// Which steps are done until they are complete.
fn any_repeats() -> impl Strategy<Value = Vec<Option<Repeat>>> {
    let most = prop_oneof![Just(None), (1..4_u32).prop_map(Some)];
    let exhausted = prop_oneof![Just(OnExhausted::Abort), Just(OnExhausted::Continue)];
    let repeat = (most, any::<bool>(), exhausted)
        .prop_map(|(max_iterations, checked, on_exhausted)| Repeat { max_iterations, checked, on_exhausted });
    proptest::collection::vec(proptest::option::weighted(0.3, repeat), 9)
}

fn output() -> OutputSpec {
    OutputSpec { name: "made".to_owned(), path: "out".to_owned(), kind: None }
}

fn name(index: usize) -> StepPath {
    StepPath::new(format!("s{index}"))
}

/// What is known of one step from effects alone.
#[derive(Default)]
struct Seen {
    state: Option<StepState>,
    attempts: u32,
    allowed: bool,
    /// How its last attempt ended.
    fatal: bool,
    /// An attempt of it was asked to end.
    asked: bool,
    /// Attempts it had when a person last asks for it to be tried again.
    before: u32,
    /// That was requested, and it has not started since.
    again: bool,
    /// Iterations after the first one.
    more: u32,
    /// The work of its iteration is to be checked next.
    checks: bool,
    /// Iterations in a row of which nothing was decided.
    undecided: u32,
    /// Attempts by iteration and role.
    numbers: BTreeMap<(u32, Role), u32>,
    /// Attempts since its role or iteration began, or a person asked for more.
    since: u32,
    /// The timer it must wait for.
    waits_for: Option<u64>,
}

/// An attempt under way, as its driver knows it.
struct Job {
    of: AttemptRef,
    collecting: bool,
    deciding: bool,
    asked: Option<(CancelReason, bool)>,
}

impl Seen {
    /// Where its next or latest attempt belongs.
    fn place(&self) -> (u32, Role) {
        (1 + self.more, if self.checks { Role::Check } else { Role::Work })
    }

    /// The number of its latest attempt there.
    fn number(&self) -> u32 {
        self.numbers.get(&self.place()).copied().unwrap_or_default()
    }
}

struct World {
    /// What is known of steps, those included that came later.
    workflow: Workflow,
    repeats: BTreeMap<StepPath, Repeat>,
    extensions: u32,
    machine: RunMachine,
    concurrency: usize,
    now: Mono,
    seen: IndexMap<StepPath, Seen>,
    jobs: BTreeMap<AttemptRef, Job>,
    timers: Vec<(Mono, RunTimer)>,
    epochs: BTreeSet<u64>,
    history: Vec<RunInput>,
    ending: Option<(CancelReason, bool)>,
    outcome: Option<RunOutcome>,
    started: bool,
    /// Something was not a plain success.
    trouble: bool,
    core_lost: bool,
    step_cancelled: bool,
}

impl World {
    fn new(workflow: Workflow, repeats: Vec<Option<Repeat>>, concurrency: u32) -> Self {
        let once = expand(&workflow);
        let nodes = once.nodes().zip(repeats).map(|(node, repeat)| Node { repeat, ..Node::clone(node) });
        let plan = Plan::new(once.timeout, concurrency, nodes);
        let repeats = plan.nodes().filter_map(|node| Some((node.path.clone(), node.repeat?)));
        Self {
            repeats: repeats.collect(),
            extensions: 0,
            machine: RunMachine::new(&plan, concurrency),
            concurrency: concurrency as usize,
            now: Mono::ZERO,
            seen: workflow.steps.keys().map(|id| (id.clone(), Seen::default())).collect(),
            workflow,
            jobs: BTreeMap::new(),
            timers: Vec::new(),
            epochs: BTreeSet::new(),
            history: Vec::new(),
            ending: None,
            outcome: None,
            started: false,
            trouble: false,
            core_lost: false,
            step_cancelled: false,
        }
    }

    fn tell(&mut self, input: RunInput) {
        let mut out = Vec::new();
        self.started |= input == RunInput::Start;
        if let RunInput::Timer(RunTimer { epoch, subject: RunTimerSubject::Retry(step) }) = &input
            && self.seen[step].waits_for == Some(*epoch)
        {
            self.seen[step].waits_for = None;
        }
        self.machine.handle(self.now, input.clone(), &mut out);
        let answers = out.iter().filter(|effect| matches!(effect, RunEffect::Answered { .. })).count();
        let first = out.first().cloned();
        match &input {
            RunInput::CancelStep { .. } | RunInput::RetryStep { .. } | RunInput::SkipStep { .. } => {
                assert_eq!(answers, 1, "{input:?} is answered once");
                let Some(RunEffect::Answered { refused }) = &first else { panic!("first the answer") };
                assert!(refused.is_none() || out.len() == 1, "refused, and yet {out:?}");
                self.check_answer(&input, refused.as_deref());
            }
            _ => assert_eq!(answers, 0, "nobody requested anything"),
        }
        self.history.push(input);
        for effect in out {
            self.check(effect);
        }
        self.check_rest();
    }

    /// A command is granted exactly when it can be.
    fn check_answer(&mut self, input: &RunInput, refused: Option<&str>) {
        let over = self.outcome.is_some();
        match input {
            RunInput::RetryStep { step } => {
                let seen = &self.seen[step];
                let failed =
                    seen.state.is_some_and(|state| state.is_final() && state != StepState::Succeeded);
                let blocked = self.workflow.steps[step]
                    .depends_on
                    .iter()
                    .any(|other| self.goes_on(other) == Some(false));
                let blocked = blocked && !self.judges(step);
                let possible = !over && self.ending.is_none() && failed && !blocked;
                assert_eq!(refused.is_none(), possible, "{step} is {:?}: {refused:?}", seen.state);
                if possible {
                    self.trouble = true;
                    let seen = &mut self.seen[step];
                    *seen = Seen {
                        state: seen.state,
                        attempts: seen.attempts,
                        before: seen.attempts,
                        again: true,
                        more: seen.more,
                        numbers: std::mem::take(&mut seen.numbers),
                        ..Seen::default()
                    };
                }
            }
            RunInput::SkipStep { step } => {
                let seen = &self.seen[step];
                let waits = matches!(seen.state, None | Some(StepState::Pending | StepState::Ready));
                let possible = !over && waits && seen.attempts == 0;
                assert_eq!(refused.is_none(), possible, "{step} is {:?}: {refused:?}", seen.state);
                self.trouble |= possible;
            }
            _ => assert!(!over || refused.is_some()),
        }
    }

    /// Whether a step waits for the end of its dependencies, whatever that is.
    fn judges(&self, step: &StepPath) -> bool {
        let condition = &self.workflow.steps[step].control.condition;
        condition.as_ref().is_some_and(Condition::judges_outcomes)
    }

    /// Whether the steps after one may start; `None` while that is not known.
    fn goes_on(&self, step: &StepPath) -> Option<bool> {
        let (seen, policy) = (&self.seen[step], &self.workflow.steps[step]);
        let state = seen.state.filter(|state| state.is_final())?;
        Some(match state {
            StepState::Succeeded | StepState::Incomplete => true,
            StepState::Failed | StepState::Lost => {
                seen.allowed || (policy.on_failure == OnFailure::Continue && !seen.fatal)
            }
            _ => seen.allowed,
        })
    }

    fn check(&mut self, effect: RunEffect) {
        let late_answer =
            matches!(effect, RunEffect::Answered { refused: Some(_) } | RunEffect::ExtensionRefused { .. });
        assert!(self.outcome.is_none() || late_answer, "nothing after the end: {effect:?}");
        match effect {
            RunEffect::StartAttempt { of, .. } => self.check_start(of),
            RunEffect::CollectOutputs { of } => {
                let job = self.jobs.get_mut(&of).expect("only what ran is collected");
                assert!(!job.collecting, "collected once");
                job.collecting = true;
            }
            RunEffect::DecideIteration { of } => {
                assert!(self.repeats.contains_key(&of.step), "{of} is done once");
                assert_eq!(self.ending, None);
                assert!(!self.seen[&of.step].asked, "{of} was asked to end");
                let job = Job { of: of.clone(), collecting: false, deciding: true, asked: None };
                assert!(self.jobs.insert(of, job).is_none());
            }
            RunEffect::IterationStarted { step, iteration, max_iterations, .. } => {
                assert_eq!(max_iterations, self.repeats[&step].max_iterations);
                assert!(max_iterations.is_none_or(|most| iteration <= most), "{step} does too much");
                let seen = &mut self.seen[&step];
                seen.more += 1;
                assert_eq!(iteration, 1 + seen.more);
                (seen.checks, seen.since) = (false, 0);
            }
            RunEffect::PlanExtended { nodes } => {
                assert_eq!(self.ending, None);
                for node in nodes {
                    assert!(self.seen.insert(node.path.clone(), Seen::default()).is_none());
                    self.repeats.extend(node.repeat.map(|repeat| (node.path.clone(), repeat)));
                    self.workflow.steps.insert(node.path.clone(), node.step.clone());
                }
            }
            RunEffect::ExtensionRefused { .. } => {}
            RunEffect::CancelAttempt { of, cancel: Cancel { reason, force } } => {
                let job = self.jobs.get_mut(&of).expect("only what runs is cancelled");
                assert!(!job.deciding, "nothing of {of} runs");
                let collects = !self.workflow.steps[&of.step].outputs.is_empty();
                assert!(collects || !job.collecting, "nothing takes time that could be stopped");
                assert!(Some((reason, force)) > job.asked, "asked harder each time");
                job.asked = Some((reason, force));
                // Its own time is over: it may be tried again, unless somebody is in a hurry.
                let own_time = job.collecting && reason == CancelReason::Timeout && !force;
                self.seen[&of.step].asked |= !own_time || self.ending.is_some();
            }
            RunEffect::SetTimer { timer, after } => {
                assert!(self.epochs.insert(timer.epoch), "every timer has its own number");
                if let RunTimerSubject::Retry(step) = &timer.subject {
                    assert_eq!(after, retry_delay(self.seen[step].number()));
                    self.seen[step].waits_for = Some(timer.epoch);
                }
                self.timers.push((self.now + after, timer));
            }
            RunEffect::StepChanged { step, state, detail, allowed_to_fail, duration, .. } => {
                let policy = &self.workflow.steps[&step];
                let has_condition = policy.control.condition.is_some();
                let is_left_out = has_condition
                    && detail.as_ref().is_some_and(|detail| detail.contains("condition is false"));
                let seen = &mut self.seen[&step];
                let waits_again = state == StepState::Pending
                    && (seen.again
                        || (seen.state == Some(StepState::Skipped) && (!seen.allowed || has_condition)));
                assert!(waits_again || !seen.state.is_some_and(StepState::is_final), "{step} was over");
                assert_eq!(duration.is_some(), state.is_final() && seen.attempts > 0);
                assert!(state != StepState::Skipped || seen.attempts == 0, "{step} did start");
                assert!(state.is_final() || state == StepState::Retrying || seen.waits_for.is_none());
                assert!(
                    detail.is_none_or(|detail| !detail.contains("can never end")),
                    "{step} was forgotten"
                );
                assert!(
                    !allowed_to_fail
                        || policy.continue_on_error
                        || state == StepState::Skipped
                        || is_left_out
                );
                if state == StepState::Incomplete {
                    let repeat = self.repeats[&step];
                    assert_eq!(repeat.on_exhausted, OnExhausted::Continue);
                    assert_eq!(repeat.max_iterations, Some(1 + seen.more), "{step} had iterations left");
                    assert!(seen.undecided < 2, "{step} was not known to be incomplete");
                }
                seen.state = Some(state);
                seen.allowed = allowed_to_fail;
                if state.is_final() {
                    self.jobs.retain(|of, job| !job.deciding || of.step != step);
                }
            }
            RunEffect::Answered { .. } => {}
            RunEffect::OpenGroup { .. } | RunEffect::GroupClosed { .. } => panic!("there is no subworkflow"),
            RunEffect::BudgetSpent { .. } => panic!("no budget was given"),
            RunEffect::RunEnding(Cancel { reason, force }) => {
                assert!(Some((reason, force)) > self.ending, "an end only gets more severe");
                self.ending = Some((reason, force));
            }
            RunEffect::Finish { outcome, .. } => {
                assert!(self.jobs.is_empty(), "nothing is under way at the end");
                self.outcome = Some(outcome);
            }
        }
    }

    fn check_start(&mut self, of: AttemptRef) {
        assert_eq!(self.ending, None, "nothing new starts in a run that is being ended");
        let policy = &self.workflow.steps[&of.step];
        // Who has started on the strength of a dependency goes on while that is tried again.
        if self.seen[&of.step].attempts == self.seen[&of.step].before {
            let judges = self.judges(&of.step);
            for dependency in &policy.depends_on {
                let state = self.seen[dependency].state;
                let goes_on = self.goes_on(dependency);
                let may_start = goes_on == Some(true) || (judges && goes_on.is_some());
                assert!(may_start, "{} starts, {dependency} is {state:?}", of.step);
            }
        }
        let seen = &mut self.seen[&of.step];
        seen.attempts += 1;
        seen.again = false;
        assert_eq!(seen.state, Some(StepState::Starting));
        assert!(!seen.fatal && !seen.asked, "{} must not be tried again", of.step);
        seen.since += 1;
        assert!(seen.since <= policy.max_attempts());
        let number = seen.numbers.entry(seen.place()).or_default();
        *number += 1;
        assert_eq!(((of.iteration, of.role), of.attempt), (seen.place(), seen.number()));
        let job = Job { of: of.clone(), collecting: false, deciding: false, asked: None };
        assert!(self.jobs.insert(of, job).is_none());
        assert!(self.jobs.len() <= self.concurrency, "more at a time than allowed");
    }

    fn check_rest(&self) {
        assert_eq!(self.machine.active(), self.jobs.len());
        assert_eq!(self.machine.is_finished(), self.outcome.is_some());
        for (id, seen) in &self.seen {
            assert_eq!(self.machine.state(id), Some(seen.state.unwrap_or(StepState::Pending)));
        }
        if !self.started {
            assert!(self.jobs.is_empty(), "nothing starts before the run does");
            return;
        }
        let waits = |state| self.seen.values().any(|seen| seen.state == Some(state));
        if self.ending.is_none() && self.jobs.len() < self.concurrency {
            assert!(!waits(StepState::Ready), "a slot is free and a step waits for one");
        }
        if let Some((reason, force)) = self.ending {
            assert!(self.jobs.values().all(|job| !job.deciding), "nothing is decided any more");
            for job in self.jobs.values().filter(|job| !job.collecting) {
                let asked = job.asked.expect("whatever is under way was asked to end");
                assert!(asked.0 >= reason && asked.1 >= force, "{} was not asked hard enough", job.of);
            }
        }
        if self.ending.is_none() && self.outcome.is_none() {
            for (id, seen) in &self.seen {
                let judges = self.judges(id);
                let verdicts = self.workflow.steps[id].depends_on.iter().map(|other| self.goes_on(other));
                let verdicts = verdicts.map(|verdict| if judges { verdict.map(|_| true) } else { verdict });
                let (mut blocked, mut free) = (false, true);
                verdicts.for_each(|verdict| {
                    blocked |= verdict == Some(false);
                    free &= verdict == Some(true);
                });
                match seen.state {
                    Some(StepState::Skipped) if !seen.allowed => {
                        assert!(blocked, "{id} is skipped for nothing");
                    }
                    None | Some(StepState::Pending) => assert!(!blocked && !free, "{id} waits for nothing"),
                    _ => {}
                }
            }
        }
        if self.outcome.is_none() {
            assert!(!self.jobs.is_empty() || waits(StepState::Retrying), "nothing can ever happen again");
        }
    }

    /// One thing happens, chosen by a number. 0 is the fate that leads to success soonest.
    fn happen(&mut self, choice: u32) {
        let (kind, which) = (choice % 37, (choice / 37) as usize);
        self.now = self.now + Duration::from_millis(u64::from(choice % 997));
        let steps = &self.workflow.steps;
        let step =
            steps.get_index(which % steps.len()).map(|(step, _)| step.clone()).expect("there is a step");
        let job = self.jobs.keys().nth(which % self.jobs.len().max(1)).cloned();
        match (kind, job) {
            (24, _) => {
                self.trouble = true;
                let reason =
                    [CancelReason::User, CancelReason::Timeout, CancelReason::Budget, CancelReason::Parent];
                self.tell(RunInput::Cancel(Cancel {
                    reason: reason[which % 4],
                    force: which.is_multiple_of(3),
                }));
            }
            (25, _) => {
                self.trouble = true;
                self.step_cancelled = true;
                self.tell(RunInput::CancelStep { step, force: which % 2 == 0 });
            }
            (26, _) if which % 4 == 0 => self.lose_core(),
            // Late, doubled and senseless inputs.
            (27, _) => {
                self.tell(RunInput::Begin);
                self.tell(RunInput::Start);
            }
            (28, _) => {
                let of = AttemptRef {
                    iteration: 1 + choice / 64 % 2,
                    attempt: 1 + choice / 128 % 3,
                    ..AttemptRef::first(step)
                };
                if !self.jobs.contains_key(&of) {
                    self.tell(RunInput::AttemptFinished { of, end: AttemptEnd::Succeeded });
                }
            }
            (29, _) => self.tell(RunInput::Timer(RunTimer {
                epoch: 1000 + u64::from(choice),
                subject: if which % 2 == 0 {
                    RunTimerSubject::Deadline
                } else {
                    RunTimerSubject::Retry(step)
                },
            })),
            (30, _) => {
                let done = |input: &RunInput| match input {
                    RunInput::AttemptFinished { of, .. }
                    | RunInput::OutputsCollected { of, .. }
                    | RunInput::IterationDecided { of, .. } => !self.jobs.contains_key(of),
                    RunInput::Timer(_) => true,
                    _ => false,
                };
                let old: Vec<_> = self.history.iter().filter(|input| done(input)).cloned().collect();
                if let Some(input) = old.get(which % old.len().max(1)) {
                    self.tell(input.clone());
                }
            }
            (31, Some(of)) => self.tell(RunInput::AttemptEnding { of }),
            (32..=34, _) => self.tell(RunInput::RetryStep { step }),
            (35, _) => self.tell(RunInput::SkipStep { step }),
            (36, _) => self.extend(step, which),
            (20..=23, _) | (_, None) => self.next_timer(kind == 23),
            (kind, Some(of)) => self.job_goes_on(kind, of),
        }
    }

    /// Two more steps, the first of which depends on one there is; or one that is there already.
    fn extend(&mut self, after: StepPath, which: usize) {
        self.extensions += 1;
        let parent = StepPath::new(format!("x{}", self.extensions));
        let paths = ["a", "b"].map(|name| parent.join(&name.into()));
        let depends_on = [vec![after.clone()], vec![paths[0].clone()]];
        let mut nodes: Vec<_> = paths
            .into_iter()
            .zip(depends_on)
            .map(|(path, depends_on)| {
                let step = Arc::new(Step { depends_on, ..Step::clone(&self.workflow.steps[0]) });
                let repeat = (which.is_multiple_of(3)).then_some(Repeat {
                    max_iterations: Some(2),
                    checked: true,
                    on_exhausted: OnExhausted::Abort,
                });
                Arc::new(Node { path, role: Role::Work, step, repeat })
            })
            .collect();
        let fits = !which.is_multiple_of(5);
        if !fits {
            Arc::make_mut(&mut nodes[1]).path = after;
        }
        // What comes when something has failed already is skipped.
        let (before, possible) = (self.seen.len(), fits && self.ending.is_none() && self.outcome.is_none());
        self.tell(RunInput::ExtendPlan { nodes });
        assert_eq!(self.seen.len() - before, if possible { 2 } else { 0 });
    }

    fn decide(&mut self, kind: u32, of: AttemptRef) {
        let detail = None;
        let decision = match kind {
            0..=9 => IterationDecision::Complete,
            10..=18 => IterationDecision::Incomplete { detail },
            _ => IterationDecision::Unknown { detail: String::new() },
        };
        self.trouble |= decision != IterationDecision::Complete;
        let seen = &mut self.seen[&of.step];
        seen.fatal = false;
        let is_undecided = matches!(decision, IterationDecision::Unknown { .. });
        seen.undecided = if is_undecided { seen.undecided + 1 } else { 0 };
        let (undecided, iterations) = (seen.undecided, seen.more);
        self.jobs.remove(&of);
        let (step, is_complete) = (of.step.clone(), decision == IterationDecision::Complete);
        self.tell(RunInput::IterationDecided { of, decision });
        let seen = &self.seen[&step];
        let goes_on = seen.more > iterations;
        let has_more = self.repeats[&step].max_iterations.is_none_or(|most| iterations + 1 < most);
        assert_eq!(goes_on, !is_complete && undecided < 2 && has_more, "{step}");
        assert!(undecided < 2 || seen.state == Some(StepState::Failed), "{step} goes on undecided");
    }

    fn job_goes_on(&mut self, kind: u32, of: AttemptRef) {
        let job = &self.jobs[&of];
        if job.deciding {
            return self.decide(kind, of);
        }
        if job.collecting {
            // What was stopped may have been done before it could be.
            let stopped = job.asked.is_some() && kind % 2 == 1;
            let result = if kind == 19 || stopped { Err("disk full".to_owned()) } else { Ok(()) };
            self.trouble |= result.is_err();
            self.seen[&of.step].fatal = false;
            self.jobs.remove(&of);
            if result.is_ok() && self.repeats.get(&of.step).is_some_and(|repeat| repeat.checked) {
                let seen = &mut self.seen[&of.step];
                (seen.checks, seen.since) = (true, 0);
            }
            return self.tell(RunInput::OutputsCollected { of, result });
        }
        let detail = String::new();
        let failed = |class| AttemptEnd::Failed { class, detail: String::new(), retry_at: None };
        let end = match kind {
            0..=7 => AttemptEnd::Succeeded,
            8..=10 => return self.tell(RunInput::AttemptLive { of }),
            11 => failed(Some(ErrorClass::Fatal)),
            12 => failed(Some(ErrorClass::NonRetryable)),
            13 | 14 => failed(None),
            15 => AttemptEnd::TimedOut { detail },
            16 => AttemptEnd::Lost { detail },
            17 => AttemptEnd::Cancelled { reason: CancelReason::User, detail },
            18 => AttemptEnd::Cancelled { reason: CancelReason::Budget, detail },
            _ => AttemptEnd::Cancelled { reason: CancelReason::Timeout, detail },
        };
        self.trouble |= end != AttemptEnd::Succeeded;
        self.seen[&of.step].fatal = end == failed(Some(ErrorClass::Fatal));
        // Nothing is collected of what was asked to end.
        let collects = !self.workflow.steps[&of.step].outputs.is_empty();
        let stopped = collects && self.jobs[&of].asked.is_some();
        self.trouble |= stopped;
        if end != AttemptEnd::Succeeded || stopped || of.role == Role::Check {
            self.jobs.remove(&of);
        }
        self.tell(RunInput::AttemptFinished { of, end });
    }

    fn lose_core(&mut self) {
        self.trouble = true;
        self.core_lost = true;
        self.jobs.retain(|_, job| job.collecting);
        self.tell(RunInput::CoreLost { detail: "gone".to_owned() });
    }

    /// The earliest timer runs out; `deadline`: that of the run, however far away.
    fn next_timer(&mut self, deadline: bool) {
        let wanted = |timer: &RunTimer| deadline || timer.subject != RunTimerSubject::Deadline;
        let next = self.timers.iter().enumerate().filter(|(_, (_, timer))| wanted(timer));
        if let Some((index, _)) = next.min_by_key(|(_, (at, _))| *at) {
            let (at, timer) = self.timers.remove(index);
            self.now = self.now.max(at);
            self.trouble |= !matches!(timer.subject, RunTimerSubject::Retry(_));
            self.tell(RunInput::Timer(timer));
        }
    }

    fn check_end(&self) {
        let outcome = self.outcome.expect("it finished");
        let states =
            || self.seen.values().map(|seen| (seen.state.expect("every step was told of"), seen.allowed));
        assert!(states().all(|(state, _)| state.is_final()));
        let counts = |wanted| states().any(|(state, allowed)| state == wanted && !allowed);
        let expected = match self.ending {
            _ if self.core_lost || counts(StepState::Lost) => RunOutcome::Lost,
            Some((CancelReason::Timeout, _)) => RunOutcome::TimedOut,
            Some((CancelReason::Budget, _)) => RunOutcome::Failed,
            Some(_) => RunOutcome::Cancelled,
            None if counts(StepState::Failed) || counts(StepState::Cancelled) => RunOutcome::Failed,
            None => RunOutcome::Succeeded,
        };
        assert_eq!(outcome, expected);
        if !self.trouble {
            assert_eq!(outcome, RunOutcome::Succeeded);
            let is_fine =
                |(state, allowed)| state == StepState::Succeeded || (state == StepState::Skipped && allowed);
            assert!(states().all(is_fine), "nothing was incomplete");
        }
        let skipped = counts(StepState::Skipped);
        assert!(!skipped || outcome != RunOutcome::Succeeded, "a run with skipped steps has not succeeded");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_happens_the_promises_hold(
        workflow in any_workflow(),
        repeats in any_repeats(),
        concurrency in 1..5_u32,
        fate in proptest::collection::vec(any::<u32>(), 0..60),
        begins: bool,
    ) {
        let mut world = World::new(workflow, repeats, concurrency);
        if begins {
            world.tell(RunInput::Begin);
        }
        world.tell(RunInput::Start);
        let mut fate = fate.into_iter();
        for round in 0.. {
            prop_assert!(round < 1000, "a run that meets no more trouble comes to its end");
            if world.outcome.is_some() {
                break;
            }
            world.happen(fate.next().unwrap_or(0));
        }
        world.check_end();
        // Inputs after the end change nothing; `check` would object to any effect.
        for input in world.history.clone() {
            world.tell(input);
        }
        for step in world.workflow.steps.keys().cloned().collect::<Vec<_>>() {
            world.tell(RunInput::RetryStep { step: step.clone() });
            world.tell(RunInput::SkipStep { step });
        }
        world.tell(RunInput::Cancel(Cancel::forced(CancelReason::User)));
        world.tell(RunInput::CoreLost { detail: String::new() });
    }
}
