//! A run that is told what happens, and tells what the machine asks for.

use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono};
use roboppi_run::{AttemptRef, Role, StepPath};
use roboppi_workflow::{
    AttemptEnd, IterationDecision, Node, Plan, Repeat, RunEffect, RunInput, RunMachine, RunTimer,
    RunTimerSubject, Workflow, expand, parse,
};

/// A workflow of `(step, its other keys)`.
pub(crate) fn workflow(steps: &[(&str, &str)]) -> Workflow {
    let mut text = "name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n".to_owned();
    for (id, more) in steps {
        text += &format!("  {id}: {{ worker: CUSTOM, instructions: x, capabilities: [READ], {more} }}\n");
    }
    parse(&text).workflow.unwrap_or_else(|| panic!("{}", parse(&text).render("flow.yaml", &text, false)))
}

/// A run, one second between inputs, and what was said about it.
pub(crate) struct Bench {
    pub(crate) machine: RunMachine,
    pub(crate) now: Mono,
    pub(crate) told: Vec<String>,
    pub(crate) timers: Vec<RunTimer>,
    /// Attempts that continue a session.
    pub(crate) continued: Vec<String>,
}

pub(crate) fn bench(steps: &[(&str, &str)], concurrency: u32) -> Bench {
    bench_of(&expand(&workflow(steps)), concurrency)
}

/// The steps of [`workflow`] as nodes below `parent`, what they depend on included.
pub(crate) fn below(parent: &str, steps: &[(&str, &str)]) -> Vec<Arc<Node>> {
    let parent = StepPath::from(parent);
    let nodes = expand(&workflow(steps));
    let nodes = nodes.nodes().map(|node| {
        let mut node = Node::clone(node);
        node.path = parent.join(&node.path);
        for before in &mut Arc::make_mut(&mut node.step).depends_on {
            *before = parent.join(before);
        }
        Arc::new(node)
    });
    nodes.collect()
}

/// A step whose work is done until it is complete.
pub(crate) fn loops(step: &str, more: &str, repeat: Repeat) -> Plan {
    let once = expand(&workflow(&[(step, more)]));
    let nodes = once.nodes().map(|node| Node { repeat: Some(repeat), ..Node::clone(node) });
    Plan::new(once.timeout, once.concurrency, nodes)
}

pub(crate) fn bench_of(plan: &Plan, concurrency: u32) -> Bench {
    Bench {
        machine: RunMachine::new(plan, concurrency),
        now: Mono::ZERO,
        told: Vec::new(),
        timers: Vec::new(),
        continued: Vec::new(),
    }
}

pub(crate) fn attempt(step: &str, attempt: u32) -> AttemptRef {
    AttemptRef { attempt, ..AttemptRef::first(step.into()) }
}

pub(crate) fn check(step: &str, iteration: u32, attempt: u32) -> AttemptRef {
    AttemptRef { iteration, role: Role::Check, attempt, ..AttemptRef::first(step.into()) }
}

pub(crate) fn incomplete(why: &str) -> IterationDecision {
    IterationDecision::Incomplete { detail: Some(why.to_owned()) }
}

pub(crate) fn fails(class: Option<ErrorClass>) -> AttemptEnd {
    AttemptEnd::Failed { class, detail: "exit code 1".to_owned(), retry_at: None }
}

impl Bench {
    pub(crate) fn tell(&mut self, input: RunInput) -> &mut Self {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        self.now = self.now + Duration::from_secs(1);
        for effect in out {
            if let RunEffect::StartAttempt { of, continues: true } = &effect {
                self.continued.push(of.to_string());
            }
            if let RunEffect::SetTimer { timer, .. } = &effect {
                self.timers.push(timer.clone());
            }
            self.told.push(line(&effect));
        }
        self
    }

    pub(crate) fn note(&mut self, text: &str) -> &mut Self {
        self.told.push(format!("-- {text}"));
        self
    }

    pub(crate) fn start(&mut self) -> &mut Self {
        self.tell(RunInput::Start)
    }

    pub(crate) fn live(&mut self, step: &str, n: u32) -> &mut Self {
        self.tell(RunInput::AttemptLive { of: attempt(step, n) })
    }

    pub(crate) fn ends(&mut self, step: &str, n: u32, end: AttemptEnd) -> &mut Self {
        self.tell(RunInput::AttemptFinished { of: attempt(step, n), end })
    }

    pub(crate) fn collected(&mut self, step: &str, n: u32) -> &mut Self {
        self.tell(RunInput::OutputsCollected { of: attempt(step, n), result: Ok(()) })
    }

    pub(crate) fn succeeds(&mut self, step: &str, n: u32) -> &mut Self {
        self.live(step, n).ends(step, n, AttemptEnd::Succeeded).collected(step, n)
    }

    /// The work of an iteration succeeds, and so does its check, if it has one.
    pub(crate) fn works(&mut self, of: &AttemptRef) -> &mut Self {
        self.tell(RunInput::AttemptLive { of: of.clone() });
        self.tell(RunInput::AttemptFinished { of: of.clone(), end: AttemptEnd::Succeeded });
        if of.role == Role::Work {
            self.tell(RunInput::OutputsCollected { of: of.clone(), result: Ok(()) });
        }
        self
    }

    pub(crate) fn decides(&mut self, of: &AttemptRef, decision: IterationDecision) -> &mut Self {
        self.tell(RunInput::IterationDecided { of: of.clone(), decision })
    }

    pub(crate) fn cancelled(&mut self, step: &str, n: u32, reason: CancelReason) -> &mut Self {
        self.ends(step, n, AttemptEnd::Cancelled { reason, detail: "signal 15".to_owned() })
    }

    pub(crate) fn cancel(&mut self, reason: CancelReason, force: bool) -> &mut Self {
        self.tell(RunInput::Cancel(Cancel { reason, force }))
    }

    /// Lets the newest timer run out.
    pub(crate) fn timer(&mut self) -> &mut Self {
        let timer = self.timers.last().cloned().expect("a timer was set");
        self.tell(RunInput::Timer(timer))
    }

    pub(crate) fn deadline(&mut self) -> &mut Self {
        let timer = self.timers.iter().find(|timer| timer.subject == RunTimerSubject::Deadline).cloned();
        self.tell(RunInput::Timer(timer.expect("the deadline is set at the start")))
    }

    pub(crate) fn story(&self) -> String {
        self.told.join("\n")
    }
}

fn line(effect: &RunEffect) -> String {
    match effect {
        RunEffect::StartAttempt { of, .. } => format!("start {of}"),
        RunEffect::CollectOutputs { of } => format!("collect {of}"),
        RunEffect::DecideIteration { of } => format!("decide {of}"),
        RunEffect::OpenGroup { of } => format!("open {of}"),
        RunEffect::GroupClosed { of, end } => format!("close {of}: {end:?}"),
        RunEffect::IterationStarted { step, iteration, max_iterations, detail } => {
            let most = max_iterations.map_or_else(String::new, |most| format!(" of {most}"));
            format!("{step} begins iteration {iteration}{most}: {}", detail.as_deref().unwrap_or("?"))
        }
        RunEffect::PlanExtended { nodes } => {
            let paths: Vec<_> = nodes.iter().map(|node| node.path.as_str()).collect();
            format!("the plan has {}", paths.join(", "))
        }
        RunEffect::ExtensionRefused { why } => format!("the plan stays: {why}"),
        RunEffect::CancelAttempt { of, cancel: Cancel { reason, force } } => {
            format!("{} {of} ({})", if *force { "kill" } else { "cancel" }, reason.name())
        }
        RunEffect::SetTimer { timer, after } => match &timer.subject {
            RunTimerSubject::Deadline => format!("timer {after:?} for the run"),
            RunTimerSubject::Retry(step) => format!("timer {after:?} for {step}"),
            RunTimerSubject::Limit(account) => format!("timer {after:?} for the limit of {account}"),
            RunTimerSubject::Collecting(step) => format!("timer {after:?} for what {step} made"),
            RunTimerSubject::Group(step) => format!("timer {after:?} for the steps of {step}"),
        },
        RunEffect::StepChanged { step, state, detail, allowed_to_fail, duration, limit_until } => {
            let mut told = format!("{step} is {}", state.name());
            if *allowed_to_fail {
                told += ", which is allowed";
            }
            if let Some(duration) = duration {
                told += &format!(" after {duration:?}");
            }
            if let Some(until) = limit_until {
                told += &format!(", limit until {until}");
            }
            if let Some(detail) = detail {
                told += &format!(": {detail}");
            }
            told
        }
        RunEffect::BudgetSpent { detail } => format!("no more agents: {detail}"),
        RunEffect::Answered { refused: None } => "granted".to_owned(),
        RunEffect::Answered { refused: Some(why) } => format!("refused: {why}"),
        RunEffect::RunEnding(Cancel { reason, force }) => {
            format!("the run ends: {}{}", reason.name(), if *force { ", by force" } else { "" })
        }
        RunEffect::Finish { outcome, detail, duration, is_limited: _ } => {
            let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("finished {} after {duration:?}{detail}", outcome.name())
        }
    }
}
