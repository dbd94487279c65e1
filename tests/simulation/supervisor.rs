//! The supervisor: its machine and those of its links are those of the program. What its driver does is played here, and what
//! it asks for is held against what happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use roboppi_ipc::{JobId, Mono, RequestId};
use roboppi_run::{AttemptRef, HostId, RunCommand, RunEvent, RunOutcome};
use roboppi_supervisor::machine::attempt::AttemptInput;
use roboppi_supervisor::machine::{
    Delay, RunFinish, SupervisorEffect, SupervisorInput, SupervisorMachine, SupervisorTimer,
};
use roboppi_supervisor::{ShutdownEffect, ShutdownMachine, ShutdownRequest};
use roboppi_workflow::{RunEffect, RunMachine, RunTimer, expand};

use crate::agenda::Event;
use crate::attempt::Asking;
use crate::core::{Core, attempt_of};
use crate::faults::{Bug, Fault};
use crate::plan::{COLLECTING, Plan, ms, step_name, whole};
use crate::promise::Promise;
use crate::run_book::RunBook;
use crate::story::Seen;
use crate::supervisor_link::Link;
use crate::world::World;

pub(crate) use crate::attempt::Attempt;

pub(crate) struct Supervisor {
    pub(crate) machine: SupervisorMachine,
    pub(crate) book: RunBook,
    /// Attempts under way, as its effects say.
    pub(crate) active: BTreeMap<AttemptRef, usize>,
    pub(crate) requests: BTreeMap<RequestId, (usize, Asking)>,
    pub(crate) last_request: u64,
    /// One for each core.
    pub(crate) links: Vec<Link>,
    /// What links have said and the loop has not taken, and of which core that is.
    pub(crate) news: VecDeque<(usize, roboppi_supervisor::LinkEvent)>,
    /// Completions that were heard, whoever still listened.
    pub(crate) completed: BTreeSet<JobId>,
    pub(crate) outcome: Option<RunOutcome>,
    /// Somebody did not want to wait for the end.
    pub(crate) left: bool,
    pub(crate) stopped_until: u64,
    stood_still: u64,
    terminated_at: Option<Mono>,
    severity: u8,
    exit_code: Option<u8>,
    successors: Vec<u64>,
    /// There was a core.
    pub(crate) begun: bool,
    /// The attempt whose timer goes off now.
    pub(crate) timed: Option<usize>,
}

impl Supervisor {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            machine: SupervisorMachine::new(RunMachine::new(&expand(&plan.workflow), plan.concurrency), true),
            book: RunBook::new(plan.workflow.steps.len()),
            active: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_request: 0,
            links: Vec::new(),
            news: VecDeque::new(),
            completed: BTreeSet::new(),
            outcome: None,
            left: false,
            stopped_until: 0,
            stood_still: 0,
            terminated_at: None,
            severity: 0,
            exit_code: None,
            successors: Vec::new(),
            begun: false,
            timed: None,
        }
    }

    /// Time without that in which it stood still.
    pub(crate) const fn clock(&self, now: u64) -> u64 {
        now - self.stood_still
    }

    /// How long it has stood still until now.
    pub(crate) const fn stood_still_by(&self, now: u64) -> u64 {
        self.stood_still - self.stopped_until.saturating_sub(now)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.outcome.is_some() || self.left
    }
}

impl World {
    pub(crate) fn begin_run(&mut self) {
        self.tell(SupervisorInput::Begin);
    }

    /// What people do, and when.
    pub(crate) fn people_ask(&mut self) {
        let asks = [
            ShutdownRequest::Interrupt,
            ShutdownRequest::Interrupt,
            ShutdownRequest::Terminate,
            ShutdownRequest::Hangup,
            ShutdownRequest::Command { force: false },
            ShutdownRequest::Command { force: true },
            ShutdownRequest::Leave,
        ];
        if self.weather.has(Fault::PeopleAsk) {
            for _ in 0..self.rng.between(1, 3) {
                let asked = self.rng.pick(&asks);
                self.within(4_000, Event::ShutdownRequest(asked));
            }
        }
        if self.weather.has(Fault::StepCancelled) {
            for _ in 0..self.rng.between(1, 2) {
                let step = self.rng.index(self.plan.workflow.steps.len());
                self.within(3_000, Event::CancelStep(step));
            }
        }
        if self.weather.has(Fault::StepsWished) {
            for _ in 0..self.rng.between(1, 6) {
                let step = self.rng.index(self.plan.workflow.steps.len());
                let wish = if self.rng.chance(70) { Event::RetryStep(step) } else { Event::SkipStep(step) };
                self.within(4_000, wish);
            }
        }
        if self.weather.has(Fault::Paused) {
            for _ in 0..self.rng.between(1, 3) {
                let longest = self.rng.pick(&[3_000, 3_000, 15_000]);
                let millis = self.rng.up_to(longest);
                self.within(2_500, Event::Suspend { millis });
            }
        }
    }

    /// Gives one input to the machine of the program and performs what it asks for.
    pub(crate) fn tell(&mut self, input: SupervisorInput) {
        self.note(|| format!("run <- {input:?}"));
        let now = self.run_clock();
        let mut effects = Vec::new();
        self.supervisor.machine.handle(now, input, &mut effects);
        self.check_orders();
        for effect in effects {
            self.note(|| format!("run    {effect:?}"));
            let over = self.supervisor.is_over();
            let late = matches!(effect, SupervisorEffect::Answer { refused: Some(_) });
            self.must(!over || late, Promise::ExactlyOnce, || {
                format!("the run has finished, then {effect:?}")
            });
            self.check_effect(&effect);
            self.perform(effect);
        }
        let agree = self.supervisor.machine.run().is_finished() == self.supervisor.outcome.is_some();
        self.must(agree || self.supervisor.left, Promise::ExactlyOnce, || {
            "the run has finished and has not said so".to_owned()
        });
        self.check_progress();
    }

    fn perform(&mut self, effect: SupervisorEffect) {
        match effect {
            SupervisorEffect::Connect(core) => self.connect_core(core.incarnation),
            SupervisorEffect::Record(RunEvent::CoreStarted { .. }) => self.supervisor.begun = true,
            SupervisorEffect::Record(RunEvent::CoreLost { .. }) => {
                if self.supervisor.machine.has_given_up() {
                    self.saw(Seen::CoresGivenUp);
                }
            }
            SupervisorEffect::Prepare { of, .. } => self.prepare(of),
            SupervisorEffect::StopPreparing { of } => self.stop_preparing(&of),
            SupervisorEffect::HandOver { of, job_id, core, .. } => {
                self.handed_over(&of, &job_id, core.incarnation);
            }
            SupervisorEffect::Request { of, request, .. } => self.ask_core(&of, request),
            SupervisorEffect::AttemptFinished { of, done } => self.attempt_over(&of, &done.end),
            SupervisorEffect::Run(RunEffect::CollectOutputs { of }) => {
                if let Some(attempt) = self.attempts.iter().position(|attempt| attempt.of == of) {
                    self.within(COLLECTING, Event::OutputsCollected(attempt));
                }
            }
            SupervisorEffect::SetTimer { timer, after } => self.set_timer(timer, after),
            SupervisorEffect::Finish(finish) => self.finished(&finish),
            SupervisorEffect::CoreKeepsNoRecord => {
                self.broken(Promise::Truth, || "the core is taken for an old one".to_owned());
            }
            SupervisorEffect::Record(_)
            | SupervisorEffect::Run(_)
            | SupervisorEffect::Mask(_)
            | SupervisorEffect::StopCollecting { .. }
            | SupervisorEffect::Answer { .. } => {}
        }
    }

    fn connect_core(&mut self, incarnation: u32) {
        let core = self.cores.len();
        if core > 0 {
            self.saw(Seen::CoreReplaced);
        }
        self.must(incarnation as usize == core + 1, Promise::ExactlyOnce, || {
            format!("core {core} is started as number {incarnation}")
        });
        let swept = self.cores.iter().all(|core| core.gone && core.swept_at <= self.now);
        self.must(swept, Promise::NothingLeft, || {
            format!("core {core} starts before all that its predecessor had started is gone")
        });
        self.cores.push(Core::new(self.plan.permits));
        self.link_up(core);
        self.core_fate(core);
    }

    /// The loop takes what a link has said.
    pub(crate) fn link_news(&mut self) {
        let Some((core, event)) = self.supervisor.news.pop_front() else { return };
        if self.supervisor.is_over() {
            return;
        }
        self.note(|| format!("supervisor: core {core} has news"));
        self.tell(SupervisorInput::Link(HostId::here(), event));
    }

    /// Takes all of it: what links have said comes before timers.
    pub(crate) fn all_link_news(&mut self) {
        while !self.supervisor.news.is_empty() {
            self.link_news();
        }
    }

    fn set_timer(&mut self, timer: SupervisorTimer, after: Delay) {
        let after = match after {
            Delay::Exactly(time) => whole(time),
            Delay::UpTo(longest) => self.rng.up_to(whole(longest)),
        };
        match timer {
            SupervisorTimer::Run(timer) => {
                if self.weather.has(Fault::StaleTimers) {
                    for late in [300, 2_500] {
                        let again = after + self.rng.up_to(late);
                        self.in_ms(again, Event::RunTimer(timer.clone()));
                    }
                }
                let due = self.supervisor.clock(self.now) + after;
                self.supervisor.book.set_timer(&timer, due);
                let late = self.rng.up_to(5);
                self.in_ms(after + late, Event::RunTimer(timer));
            }
            SupervisorTimer::Attempt(of, epoch) => {
                if let Some(attempt) = self.supervisor.active.get(&of).copied() {
                    self.set_attempt_timer(attempt, epoch, after);
                }
            }
            SupervisorTimer::Restart(_) => {
                self.check_successor(after);
                self.in_ms(after, Event::Restart);
            }
        }
    }

    pub(crate) fn restart(&mut self) {
        if !self.supervisor.is_over() {
            self.tell(SupervisorInput::Timer(SupervisorTimer::Restart(HostId::here())));
        }
    }

    fn run_clock(&self) -> Mono {
        Mono::from_origin(ms(self.supervisor.clock(self.now)))
    }

    /// SIGTSTP: the workers stand still, then the supervisor and its timers, until all go on.
    pub(crate) fn suspend(&mut self, millis: u64) {
        if self.supervisor.is_over() {
            return;
        }
        self.note(|| format!("supervisor: stands still for {millis} ms"));
        self.saw(Seen::StoodStill);
        self.pause_all(true);
        self.supervisor.stopped_until = self.now + millis;
        self.supervisor.stood_still += millis;
        self.in_ms(millis, Event::Continue);
    }

    /// At most five in a minute, each after a longer wait.
    fn check_successor(&mut self, wait: u64) {
        let now = self.now;
        self.supervisor.successors.retain(|at| now - at < 60_000);
        let earlier = self.supervisor.successors.len();
        self.supervisor.successors.push(now);
        let fine = earlier < 5 && wait >= 100 << earlier;
        self.must(fine, Promise::StartsAllowed, || {
            format!("after {earlier} successors within a minute another one starts in {wait} ms")
        });
    }

    pub(crate) fn asked(&mut self, asked: ShutdownRequest) {
        if self.supervisor.is_over() {
            return;
        }
        self.note(|| format!("somebody: {asked:?}"));
        let now = self.run_clock();
        let mut expected = *self.supervisor.machine.shutdown();
        let effect = expected.handle(now, asked);
        let recent = |before: Mono| now.since(before) < ShutdownMachine::SAME_SIGNAL;
        let again = asked == ShutdownRequest::Terminate && self.supervisor.terminated_at.is_some_and(recent);
        if asked == ShutdownRequest::Terminate && !again {
            self.supervisor.terminated_at = Some(now);
        }
        let severity = match effect {
            None => 0,
            Some(ShutdownEffect::Cancel(cancel)) => 1 + u8::from(cancel.force),
            Some(ShutdownEffect::Leave) => 3,
        };
        let before = self.supervisor.severity;
        self.supervisor.severity = before.max(severity);
        // A terminal hangs up once, however many notice it, a wish goes as far as it says, and a signal may come by two ways.
        let silent = effect.is_none()
            && match asked {
                ShutdownRequest::Hangup => before > 0,
                ShutdownRequest::Command { force } => before > u8::from(force),
                ShutdownRequest::Terminate => again,
                _ => false,
            };
        self.must(severity > before || silent, Promise::OnlyMoreSevere, || {
            format!("{asked:?} leads to {effect:?}, after something as severe")
        });
        self.tell(SupervisorInput::Shutdown(asked));
        let code = self.supervisor.machine.shutdown().exit_code();
        let kept = code.is_some() && self.supervisor.exit_code.is_none_or(|earlier| Some(earlier) == code);
        self.supervisor.exit_code = code;
        self.must(kept, Promise::Truth, || format!("{asked:?} leads to exit code {code:?}"));
        let (expected, left) = (effect == Some(ShutdownEffect::Leave), self.supervisor.left);
        self.must(left == expected, Promise::Truth, || {
            format!("{asked:?} leads to {effect:?}, and whether it has left is {left}")
        });
    }

    pub(crate) fn cancel_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.saw(Seen::StepCancelled);
            self.supervisor.book.step(step).cancelled = true;
            self.tell(SupervisorInput::Command(RunCommand::CancelStep(step_name(step as u64))));
        }
    }

    pub(crate) fn retry_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.supervisor.book.requested = Some((step, true));
            self.tell(SupervisorInput::Command(RunCommand::RetryStep(step_name(step as u64))));
        }
    }

    pub(crate) fn skip_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.supervisor.book.requested = Some((step, false));
            self.tell(SupervisorInput::Command(RunCommand::SkipStep(step_name(step as u64))));
        }
    }

    pub(crate) fn run_timer(&mut self, mut timer: RunTimer) {
        if self.supervisor.left {
            return;
        }
        // The clock of the run stood still with the supervisor.
        let due = self.supervisor.book.timer_due(timer.epoch);
        if let Some(left) = due.checked_sub(self.supervisor.clock(self.now)).filter(|left| *left > 0) {
            return self.in_ms(left, Event::RunTimer(timer));
        }
        let latest = self.supervisor.book.latest_timer(&timer.subject);
        if latest != Some(timer.epoch) {
            self.saw(Seen::StaleRunTimer);
            if self.bug == Some(Bug::StaleRetryObeyed) {
                timer.epoch = latest.unwrap_or(timer.epoch);
            }
        }
        self.all_link_news();
        self.tell(SupervisorInput::Timer(SupervisorTimer::Run(timer)));
    }

    pub(crate) fn outputs_collected(&mut self, attempt: usize) {
        if self.supervisor.is_over() {
            return;
        }
        let failed = self.weather.has(Fault::OutputsFail) && self.rng.chance(20);
        let of = self.attempts[attempt].of.clone();
        self.supervisor.book.step(self.attempts[attempt].step).uncollected = failed;
        if failed {
            self.saw(Seen::OutputsFailed);
        }
        let result = if failed { Err("no space".to_owned()) } else { Ok(()) };
        self.tell(SupervisorInput::OutputsCollected { of, result });
    }

    fn finished(&mut self, finish: &RunFinish) {
        // Whether it ever had a core or not.
        let took = self.run_clock().since_origin();
        let duration = finish.duration;
        self.must(duration == took, Promise::Truth, || format!("the run took {took:?} and not {duration:?}"));
        if finish.left {
            self.saw(Seen::Left);
            self.supervisor.left = true;
        } else {
            self.supervisor.outcome = Some(finish.outcome);
            self.saw(match finish.outcome {
                RunOutcome::Succeeded => Seen::RunSucceeded,
                RunOutcome::Failed => Seen::RunFailed,
                RunOutcome::Cancelled => Seen::RunCancelled,
                RunOutcome::TimedOut => Seen::RunTimedOut,
                RunOutcome::Lost => Seen::RunLost,
                RunOutcome::Unknown(word) => panic!("a run of ours does not end `{word}`"),
            });
        }
        self.stop_link();
    }

    /// After the end no machine has anything to say.
    pub(crate) fn ask_after_the_end(&mut self) {
        self.tell(SupervisorInput::Begin);
        for step in 0..self.plan.workflow.steps.len() {
            let step = step_name(step as u64);
            for command in [
                RunCommand::CancelStep(step.clone()),
                RunCommand::RetryStep(step.clone()),
                RunCommand::SkipStep(step.clone()),
            ] {
                self.tell(SupervisorInput::Command(command));
            }
        }
        for attempt in 0..self.attempts.len() {
            let of = self.attempts[attempt].of.clone();
            self.tell(SupervisorInput::AttemptPrepared { of: of.clone(), result: Ok(self.task_of(attempt)) });
            self.tell(SupervisorInput::Attempt { of: of.clone(), input: AttemptInput::CancelAnswered });
            self.tell(SupervisorInput::OutputsCollected { of, result: Ok(()) });
        }
        let deadline = RunTimer { epoch: 1, subject: roboppi_workflow::RunTimerSubject::Deadline };
        self.tell(SupervisorInput::Timer(SupervisorTimer::Run(deadline)));
        for _ in 0..3 {
            self.tell(SupervisorInput::Shutdown(ShutdownRequest::Interrupt));
        }
        self.tell(SupervisorInput::Shutdown(ShutdownRequest::Terminate));
    }

    /// A job is heard to have ended.
    pub(crate) fn job_completed(&mut self, completed: &roboppi_ipc::JobCompleted) {
        let first = self.supervisor.completed.insert(completed.job_id.clone());
        self.must(first, Promise::ExactlyOnce, || {
            format!("{} is said to have ended a second time", completed.job_id)
        });
        if let Some(attempt) = attempt_of(&completed.job_id) {
            self.check_completion(attempt, completed);
        }
    }
}
