//! Random workflows that run workflows, with random fates, and what must hold in all of them.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono};
use roboppi_run::{AttemptRef, RunOutcome, StepPath, StepState};
use roboppi_workflow::{
    AttemptEnd, IterationDecision, Plan, RunEffect, RunInput, RunMachine, RunTimer, Sources, WorkerKinds,
    Workflow, expand, parse_sources,
};

/// Numbers from a seed.
struct Rng(u64);

impl Rng {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % (most + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }
}

/// A file of a few steps, some of which run the file below it.
fn file(rng: &mut Rng, level: usize) -> String {
    let mut text = format!("name: f{level}\nversion: \"1\"\ntimeout: {}s\n", 1 + rng.up_to(40));
    if rng.chance(40) {
        text += &format!("concurrency: {}\n", 1 + rng.up_to(2));
    }
    text += "steps:\n";
    for index in 0..=rng.up_to(3) {
        let before: Vec<String> =
            (0..index).filter(|_| rng.chance(35)).map(|other| format!("s{other}")).collect();
        let on_failure = ["retry", "continue", "abort"][rng.up_to(2) as usize];
        text +=
            &format!("  s{index}:\n    depends_on: [{}]\n    on_failure: {on_failure}\n", before.join(", "));
        if on_failure == "retry" {
            text += &format!("    max_retries: {}\n", rng.up_to(2));
        }
        if rng.chance(15) {
            text += "    continue_on_error: true\n";
        }
        text += if level < 2 && rng.chance(60) { "    workflow: next\n" } else { "    run: x\n" };
        if rng.chance(30) {
            text += "    max_iterations: 2\n    completion_check: {run: y}\n";
            text += ["", "    on_iterations_exhausted: continue\n"][rng.up_to(1) as usize];
        }
    }
    text
}

fn workflow(rng: &mut Rng) -> Workflow {
    let files: Vec<String> = (0..3).map(|level| file(rng, level)).collect();
    let mut sources = Sources::new("0", files[0].as_str());
    loop {
        let parsed = parse_sources(&sources, &WorkerKinds::builtin());
        if parsed.needs.is_empty() {
            return parsed.workflow.unwrap_or_else(|| panic!("{:?}\n{files:?}", parsed.diagnostics));
        }
        for need in parsed.needs {
            let next: usize = sources.file(need.span.file).name.parse::<usize>().unwrap() + 1;
            sources.add(need, next.to_string(), files[next].as_str());
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Job {
    Working,
    Collecting,
    Deciding,
    /// A group whose inputs are being placed.
    Opening,
}

struct World {
    plan: Plan,
    machine: RunMachine,
    concurrency: usize,
    now: Mono,
    jobs: BTreeMap<AttemptRef, Job>,
    asked: BTreeMap<AttemptRef, Cancel>,
    /// Groups that are open, with the attempt that they are.
    open: BTreeMap<StepPath, AttemptRef>,
    used: BTreeSet<AttemptRef>,
    timers: Vec<(Mono, RunTimer)>,
    states: BTreeMap<StepPath, (StepState, bool)>,
    ending: bool,
    outcome: Option<RunOutcome>,
}

impl World {
    fn new(plan: Plan, concurrency: u32) -> Self {
        Self {
            machine: RunMachine::new(&plan, concurrency),
            plan,
            concurrency: concurrency as usize,
            now: Mono::ZERO,
            jobs: BTreeMap::new(),
            asked: BTreeMap::new(),
            open: BTreeMap::new(),
            used: BTreeSet::new(),
            timers: Vec::new(),
            states: BTreeMap::new(),
            ending: false,
            outcome: None,
        }
    }

    fn tell(&mut self, input: RunInput) {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        for effect in out {
            assert!(self.outcome.is_none() || matches!(effect, RunEffect::Answered { .. }), "{effect:?}");
            self.check(effect);
        }
        let busy = self.jobs.iter().filter(|(of, _)| !self.is_group(of)).count();
        assert!(busy <= self.concurrency, "{busy} at a time");
        for (path, of) in &self.open {
            let limit = self.plan.node(path).unwrap().step.call.as_ref().and_then(|call| call.concurrency);
            let below = |job: &AttemptRef| job.step.parent().as_ref() == Some(path);
            let members = self.jobs.keys().filter(|job| below(job)).map(|job| &job.step);
            let groups = self.open.keys().filter(|open| open.parent().as_ref() == Some(path));
            let count = members.chain(groups).collect::<BTreeSet<_>>().len();
            assert!(limit.is_none_or(|limit| count <= limit as usize), "{of}: {count} of {limit:?}");
        }
    }

    /// Whether it is the work of a group, which holds no slot.
    fn is_group(&self, of: &AttemptRef) -> bool {
        of.role.is_work() && self.plan.node(&of.step).unwrap().step.call.is_some()
    }

    fn begins(&mut self, of: &AttemptRef) {
        assert!(!self.ending, "{of} begins although the run is being ended");
        assert!(self.used.insert(of.clone()), "{of} was there before");
        let above = of.step.parent().filter(|above| self.plan.node(above).is_some());
        if let Some(above) = above {
            let group = self.open.get(&above).unwrap_or_else(|| panic!("{of} begins, {above} is not open"));
            assert!(!self.asked.contains_key(group), "{of} begins although {group} is to end");
        }
    }

    fn check(&mut self, effect: RunEffect) {
        match effect {
            RunEffect::StartAttempt { of, .. } => {
                assert!(!self.is_group(&of));
                self.begins(&of);
                self.jobs.insert(of, Job::Working);
            }
            RunEffect::OpenGroup { of } => {
                assert!(self.is_group(&of));
                self.begins(&of);
                self.jobs.insert(of, Job::Opening);
            }
            RunEffect::GroupClosed { of, .. } => {
                self.jobs.remove(&of);
                self.open.remove(&of.step);
                let below = |job: &AttemptRef| job.step.as_str().starts_with(&format!("{}/", of.step));
                assert!(!self.jobs.keys().any(below), "{of} closes, and a step of it is under way");
            }
            RunEffect::CollectOutputs { of } => drop(self.jobs.insert(of, Job::Collecting)),
            RunEffect::DecideIteration { of } => drop(self.jobs.insert(of, Job::Deciding)),
            RunEffect::CancelAttempt { of, cancel } => drop(self.asked.insert(of, cancel)),
            RunEffect::SetTimer { timer, after } => self.timers.push((self.now + after, timer)),
            RunEffect::StepChanged { step, state, detail, allowed_to_fail, .. } => {
                assert!(detail.is_none_or(|why| !why.contains("can never end")), "{step} was forgotten");
                if state.is_final() {
                    self.jobs.retain(|of, job| of.step != step || *job != Job::Deciding);
                }
                self.states.insert(step, (state, allowed_to_fail));
            }
            RunEffect::RunEnding(_) => self.ending = true,
            RunEffect::Finish { outcome, .. } => {
                assert!(self.jobs.is_empty() && self.open.is_empty(), "something is under way at the end");
                self.outcome = Some(outcome);
            }
            _ => {}
        }
    }

    /// Lets something happen; `false` when nothing can.
    fn step(&mut self, rng: &mut Rng) -> bool {
        let jobs: Vec<(AttemptRef, Job)> = self
            .jobs
            .iter()
            .filter(|(of, _)| !self.open.contains_key(&of.step) || !self.is_group(of))
            .map(|(of, job)| (of.clone(), *job))
            .collect();
        let timers = self.timers.len() as u64;
        if jobs.is_empty() && timers == 0 {
            return false;
        }
        if timers > 0 && (jobs.is_empty() || rng.chance(15)) {
            self.timers.sort_by_key(|(due, timer)| (*due, timer.epoch));
            let (due, timer) = self.timers.remove(0);
            self.now = self.now.max(due);
            self.tell(RunInput::Timer(timer));
            return true;
        }
        let (of, job) = jobs[rng.up_to(jobs.len() as u64 - 1) as usize].clone();
        self.now = self.now + Duration::from_millis(rng.up_to(3_000));
        self.jobs.remove(&of);
        match job {
            Job::Opening if rng.chance(8) => {
                let end = AttemptEnd::Failed { class: None, detail: "no inputs".to_owned(), retry_at: None };
                self.tell(RunInput::GroupOpened { of, result: Err(end) });
            }
            Job::Opening => {
                self.open.insert(of.step.clone(), of.clone());
                self.jobs.insert(of.clone(), Job::Working);
                self.tell(RunInput::GroupOpened { of, result: Ok(()) });
            }
            Job::Working => {
                let end = match (self.asked.get(&of), rng.up_to(9)) {
                    (Some(asked), 0..8) => {
                        AttemptEnd::Cancelled { reason: asked.reason, detail: "ended".to_owned() }
                    }
                    (_, 0..5) => AttemptEnd::Succeeded,
                    (_, 5) => AttemptEnd::TimedOut { detail: "(`timeout`)".to_owned() },
                    (_, 6) => AttemptEnd::Lost { detail: "lost".to_owned() },
                    (_, 7) => failure(Some(ErrorClass::Fatal)),
                    _ => failure(Some(ErrorClass::NonRetryable)),
                };
                self.tell(RunInput::AttemptFinished { of, end });
            }
            Job::Collecting => self.tell(RunInput::OutputsCollected { of, result: Ok(()) }),
            Job::Deciding => {
                let decision = match rng.up_to(3) {
                    0 => IterationDecision::Incomplete { detail: None },
                    1 => IterationDecision::Unknown { detail: "?".to_owned() },
                    _ => IterationDecision::Complete,
                };
                self.tell(RunInput::IterationDecided { of, decision });
            }
        }
        true
    }
}

fn failure(class: Option<ErrorClass>) -> AttemptEnd {
    AttemptEnd::Failed { class, detail: "failed".to_owned(), retry_at: None }
}

/// One life.
fn live(seed: u64) {
    let mut rng = Rng(seed);
    let plan = expand(&workflow(&mut rng));
    let steps: Vec<StepPath> = plan.nodes().map(|node| node.path.clone()).collect();
    let concurrency = 1 + rng.up_to(3) as u32;
    let commands = rng.chance(50);
    let mut world = World::new(plan, concurrency);
    world.tell(RunInput::Start);
    let mut turns = 0;
    while world.outcome.is_none() {
        turns += 1;
        assert!(turns < 20_000, "it goes on for ever");
        if commands && rng.chance(6) {
            let step = steps[rng.up_to(steps.len() as u64 - 1) as usize].clone();
            let input = match rng.up_to(9) {
                0..4 => RunInput::CancelStep { step, force: rng.chance(30) },
                4..7 => RunInput::RetryStep { step },
                7 | 8 => RunInput::SkipStep { step },
                _ if rng.chance(20) => {
                    RunInput::Cancel(Cancel { reason: CancelReason::User, force: rng.chance(30) })
                }
                _ => continue,
            };
            world.tell(input);
        } else if !world.step(&mut rng) {
            panic!("nothing can happen any more: {:?}", world.states);
        }
    }
    for step in &steps {
        let state = world.states.get(step).map(|(state, _)| *state);
        assert!(state.is_some_and(StepState::is_final), "{step} is {state:?} at the end");
        let above = step.parent().and_then(|above| world.states.get(&above).copied());
        if let Some((StepState::Succeeded, _)) = above {
            let (state, allowed) = world.states[step];
            let fine = matches!(state, StepState::Succeeded | StepState::Incomplete) || allowed;
            assert!(fine, "{step} is {state:?}, and what runs it succeeded");
        }
    }
    if world.outcome == Some(RunOutcome::Succeeded) {
        let bad = steps.iter().filter(|step| step.parent().is_none()).find(|step| {
            let (state, allowed) = world.states[*step];
            !matches!(state, StepState::Succeeded | StepState::Incomplete) && !allowed
        });
        assert!(bad.is_none(), "{bad:?} did not succeed, and the run did");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn every_life_of_subworkflows_keeps_the_promises(seed in any::<u64>()) {
        live(seed);
    }
}
