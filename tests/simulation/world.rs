//! A world: a clock, what is to happen, and everything that takes part.

use std::collections::VecDeque;
use std::fmt::Write as _;

use roboppi_ipc::Mono;
use roboppi_run::StepPath;

use crate::agenda::{Agenda, Event};
use crate::child::Worker;
use crate::core::Core;
use crate::faults::{Bug, Fault, Weather};
use crate::plan::{self, Plan};
use crate::promise::{Promise, Violation};
use crate::rng::Rng;
use crate::story::{Seen, Story};
use crate::supervisor::{Attempt, Supervisor};

/// Things that may happen in one world. A world that needs more goes round in circles.
const LONGEST_STORY: u32 = 20_000;
/// Time after the last moment the workflow may last.
const PATIENCE: u64 = 400_000;
/// Lines of the trace that are kept.
const TRACE: usize = 80;
const INDENT: &str = "             ";

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) weather: Weather,
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) supervisor: Supervisor,
    pub(crate) attempts: Vec<Attempt>,
    /// One after the other.
    pub(crate) cores: Vec<Core>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) story: Story,
    agenda: Agenda,
    violation: Option<Violation>,
    trace: Option<VecDeque<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, allowed: Weather, bug: Option<Bug>) -> Self {
        let mut rng = Rng::new(seed);
        let drawn = Fault::ALL.into_iter().filter(|fault| rng.chance(fault.frequency()));
        let weather = drawn.fold(Weather::FAIR, Weather::with).only(allowed);
        let plan = Plan::draw(&mut rng, weather);
        let mut world = Self {
            now: 0,
            supervisor: Supervisor::new(&plan),
            rng,
            weather,
            plan,
            bug,
            attempts: Vec::new(),
            cores: Vec::new(),
            workers: Vec::new(),
            story: Story::default(),
            agenda: Agenda::default(),
            violation: None,
            trace: None,
        };
        world.begin_run();
        world.people_ask();
        world
    }

    /// Keeps the last of what happens in words.
    pub(crate) fn traced(mut self) -> Self {
        self.trace = Some(VecDeque::new());
        let head = format!("{:?}\n{}", self.weather, self.describe_plan());
        self.note(|| head);
        self
    }

    pub(crate) const fn weather(&self) -> Weather {
        self.weather
    }

    /// Lets everything happen.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        let latest = plan::whole(self.plan.workflow.timeout) + PATIENCE;
        let mut happened = 0;
        while !self.is_over() {
            happened += 1;
            let Some((at, event)) = self.agenda.next() else {
                self.broken(Promise::ComesToAnEnd, || "nothing can ever happen again".to_owned());
                break;
            };
            self.now = at;
            self.happen(event);
            self.must(at <= latest && happened <= LONGEST_STORY, Promise::ComesToAnEnd, || {
                format!("{happened} things happened and there is no end")
            });
            if self.violation.is_some() {
                break;
            }
        }
        if self.violation.is_none() {
            self.check_end();
            self.hear_the_rest();
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// What comes after the end changes nothing.
    fn hear_the_rest(&mut self) {
        while let Some((at, event)) = self.agenda.next() {
            self.now = at;
            match event {
                Event::ChildTold(worker, input) if self.workers[worker].finished.is_some() => {
                    self.tell_child(worker, input);
                }
                Event::RunTimer(timer) if !self.supervisor.left => self.run_timer(timer),
                _ => {}
            }
        }
        self.ask_after_the_end();
    }

    fn is_over(&self) -> bool {
        self.supervisor.is_over()
            && self.cores.iter().all(|core| core.gone)
            && self.workers.iter().all(|worker| !worker.process.lives())
    }

    fn happen(&mut self, event: Event) {
        let until = self.supervisor.stopped_until;
        if until > self.now && is_heard_by_supervisor(&event) {
            self.at(until, event);
            return;
        }
        if let Some(core) = self.owner(&event) {
            if self.cores[core].gone {
                return;
            }
            let until = self.cores[core].stopped_until;
            if until > self.now {
                self.at(until, event);
                return;
            }
        }
        match event {
            Event::Restart => self.restart(),
            Event::ToSupervisor(core) => self.supervisor_hears(core),
            Event::Beat(core) => self.beat(core),
            Event::LinkNews => self.link_news(),
            Event::LinkEnded(core) => self.link_ended(core),
            Event::InputsPlaced(attempt) => self.inputs_placed(attempt),
            Event::AttemptTimer(attempt, epoch) => self.attempt_timer(attempt, epoch),
            Event::OutputsCollected(attempt) => self.outputs_collected(attempt),
            Event::RunTimer(timer) => self.run_timer(timer),
            Event::ShutdownRequest(asked) => self.asked(asked),
            Event::CancelStep(step) => self.cancel_step(step),
            Event::RetryStep(step) => self.retry_step(step),
            Event::SkipStep(step) => self.skip_step(step),
            Event::Suspend { millis } => self.suspend(millis),
            Event::Continue => self.pause_all(false),
            Event::CoreUp(core) => self.core_up(core),
            Event::CoreTold(core) => self.core_told(core),
            Event::ToCore(core) => self.core_hears(core),
            Event::Says(core, message) => self.says_at_last(core, *message),
            Event::LeftoversEnded(core) => self.leftovers_ended(core),
            Event::CoreExits(core) => self.core_exits(core),
            Event::WorkerBegins(worker) => self.worker_begins(worker),
            Event::WorkerControl(worker) => self.worker_control(worker),
            Event::ChildTold(worker, input) => self.tell_child(worker, input),
            Event::CoreDies(core) => self.core_dies(core, true),
            Event::CoreStops { core, millis } => self.core_stops(core, millis),
            Event::Spawns(worker) => self.spawns(worker),
            Event::Ends(worker, cause) => self.process_ends(worker, cause),
            Event::PipesClose(worker) => self.pipes_close(worker),
            Event::GuardEnds(worker) => self.guard_ends(worker),
            Event::Due(due) => self.due(due),
        }
    }

    /// The core whose loop takes this: it does so later when it is stopped, and never when it is gone.
    fn owner(&self, event: &Event) -> Option<usize> {
        match event {
            Event::CoreUp(core)
            | Event::CoreTold(core)
            | Event::LeftoversEnded(core)
            | Event::CoreExits(core)
            | Event::ToCore(core)
            | Event::Says(core, _) => Some(*core),
            Event::WorkerBegins(worker)
            | Event::WorkerControl(worker)
            | Event::Spawns(worker)
            | Event::ChildTold(worker, _) => Some(self.workers[*worker].core),
            _ => None,
        }
    }

    pub(crate) const fn mono(&self) -> Mono {
        Mono::from_origin(plan::ms(self.now))
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        let lot = self.rng.up_to(u64::MAX - 1);
        self.agenda.add(at, lot, event);
    }

    pub(crate) fn in_ms(&mut self, after: u64, event: Event) {
        self.at(self.now.saturating_add(after), event);
    }

    /// After any time up to this.
    pub(crate) fn within(&mut self, longest: u64, event: Event) {
        let after = self.rng.up_to(longest);
        self.in_ms(after, event);
    }

    pub(crate) fn must(&mut self, holds: bool, promise: Promise, detail: impl FnOnce() -> String) {
        if !holds {
            self.broken(promise, detail);
        }
    }

    pub(crate) fn broken(&mut self, promise: Promise, detail: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let violation = Violation { promise, detail: detail() };
            self.note(|| format!("!! {violation}"));
            self.violation = Some(violation);
        }
    }

    pub(crate) fn saw(&mut self, seen: Seen) {
        self.story.saw(seen);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE {
                trace.remove(1);
            }
            trace.push_back(format!(
                "{:>9.3} s  {}",
                std::time::Duration::from_millis(self.now).as_secs_f64(),
                line()
            ));
        }
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.iter().flatten().fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        })
    }

    fn describe_plan(&self) -> String {
        let Plan { concurrency, permits, grace, drain, .. } = self.plan;
        let mut text = format!(
            "{INDENT}{concurrency} at a time, {permits} permits, grace {grace} ms, drain {drain} ms, run {:?}",
            self.plan.workflow.timeout
        );
        for (id, step) in &self.plan.workflow.steps {
            let after: Vec<_> = step.depends_on.iter().map(StepPath::as_str).collect();
            let _ = write!(
                text,
                "\n{INDENT}{id} after {after:?}: {:?}, {} attempts, excused {}, timeout {:?}, grace {:?}",
                step.on_failure,
                step.max_attempts(),
                step.continue_on_error,
                step.timeout,
                step.grace
            );
        }
        text
    }
}

/// Whether the loop of the supervisor takes this: it does so later when it is stopped.
const fn is_heard_by_supervisor(event: &Event) -> bool {
    matches!(
        event,
        Event::Restart
            | Event::ToSupervisor(_)
            | Event::Beat(_)
            | Event::LinkNews
            | Event::LinkEnded(_)
            | Event::InputsPlaced(_)
            | Event::AttemptTimer(..)
            | Event::OutputsCollected(_)
            | Event::RunTimer(_)
            | Event::ShutdownRequest(_)
            | Event::CancelStep(_)
            | Event::RetryStep(_)
            | Event::SkipStep(_)
            | Event::Suspend { .. }
    )
}
