//! The loop of the supervisor: the run, those who ask it to end, and the core it speaks with.

use std::collections::{BTreeMap, BTreeSet};

use roboppi_ipc::{Cancel, CancelReason, CoreEvent, EndingPhase, JobId, Message, Mono, RequestId};
use roboppi_run::{AttemptRef, RunOutcome};
use roboppi_supervisor::{Loss, Restart, RestartPolicy, ShutdownEffect, ShutdownMachine, ShutdownRequest};
use roboppi_workflow::{AttemptEnd, RunEffect, RunInput, RunMachine, RunTimer, RunTimerSubject, expand};

use crate::agenda::{Event, Owed};
use crate::attempt::Asking;
use crate::core::{Core, attempt_of, brief};
use crate::faults::{Bug, Fault};
use crate::link::Packet;
use crate::plan::{COLLECTING, Plan, ms, step_name, whole};
use crate::promise::Promise;
use crate::run_book::RunBook;
use crate::story::Seen;
use crate::world::World;

pub(crate) use crate::attempt::Attempt;

pub(crate) struct Supervisor {
    pub(crate) machine: RunMachine,
    pub(crate) book: RunBook,
    /// Attempts under way.
    pub(crate) active: BTreeMap<AttemptRef, usize>,
    pub(crate) core: CoreView,
    pub(crate) requests: BTreeMap<RequestId, (usize, Asking)>,
    pub(crate) last_request: u64,
    /// Completions that were heard, whoever still listened.
    pub(crate) completed: BTreeSet<JobId>,
    pub(crate) outcome: Option<RunOutcome>,
    /// Somebody did not want to wait for the end.
    pub(crate) left: bool,
    pub(crate) stopped_until: u64,
    suspended_for: u64,
    shutdown: ShutdownMachine,
    terminated_at: Option<Mono>,
    severity: u8,
    exit_code: Option<u8>,
    restart: RestartPolicy,
    successors: Vec<u64>,
    link: Option<usize>,
    pub(crate) begun: bool,
    /// There will be no other core.
    pub(crate) given_up: bool,
    told_lost: bool,
}

/// The core as attempts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreView {
    Awaited,
    Ready(usize),
    Lost,
}

impl Supervisor {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            machine: RunMachine::new(&expand(&plan.workflow), plan.concurrency),
            book: RunBook::new(plan.workflow.steps.len()),
            active: BTreeMap::new(),
            core: CoreView::Awaited,
            requests: BTreeMap::new(),
            last_request: 0,
            completed: BTreeSet::new(),
            outcome: None,
            left: false,
            stopped_until: 0,
            suspended_for: 0,
            shutdown: ShutdownMachine::default(),
            terminated_at: None,
            severity: 0,
            exit_code: None,
            restart: RestartPolicy::default(),
            successors: Vec::new(),
            link: None,
            begun: false,
            given_up: false,
            told_lost: false,
        }
    }

    /// Time without that in which it stood still.
    pub(crate) const fn clock(&self, now: u64) -> u64 {
        now - self.suspended_for
    }

    /// How long it has stood still until now.
    pub(crate) const fn stood_still_by(&self, now: u64) -> u64 {
        self.suspended_for - self.stopped_until.saturating_sub(now)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.outcome.is_some() || self.left
    }
}

impl World {
    pub(crate) fn begin_run(&mut self) {
        self.feed(RunInput::Begin);
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
                let command =
                    if self.rng.chance(70) { Event::RetryStep(step) } else { Event::SkipStep(step) };
                self.within(4_000, command);
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

    pub(crate) fn connect_core(&mut self) {
        if self.supervisor.is_over() {
            return;
        }
        let core = self.cores.len();
        if core > 0 {
            self.saw(Seen::CoreReplaced);
        }
        let swept = self.cores.iter().all(|core| core.gone && core.swept_at <= self.now);
        self.must(swept, Promise::NothingLeft, || {
            format!("core {core} starts before all that its predecessor had started is gone")
        });
        self.cores.push(Core::new(self.plan.permits));
        self.supervisor.link = Some(core);
        self.core_fate(core);
    }

    pub(crate) fn supervisor_hears(&mut self, core: usize) {
        match self.cores[core].to_supervisor.take() {
            None => {}
            Some(Packet::End) => self.wire_ended(core),
            // Who has left hears nothing, and a hung core is not listened to any more.
            Some(Packet::Message(_)) if self.supervisor.left || self.supervisor.link != Some(core) => {}
            Some(Packet::Message(message)) => {
                self.note(|| format!("supervisor <- {}", brief(&message)));
                self.hear(core, *message);
            }
        }
    }

    fn hear(&mut self, core: usize, message: Message) {
        if let Some(id) = message.request_id() {
            if let Some((attempt, asking)) = self.supervisor.requests.remove(&id.clone()) {
                self.answered(attempt, asking, &message);
            }
            return;
        }
        match message {
            Message::Hello(_) => self.core_ready(core),
            Message::JobCompleted(completed) => {
                let first = self.supervisor.completed.insert(completed.job_id.clone());
                self.must(first, Promise::ExactlyOnce, || {
                    format!("{} is said to have ended a second time", completed.job_id)
                });
                if let Some(attempt) = attempt_of(&completed.job_id) {
                    self.job_completed(attempt, &completed);
                }
            }
            Message::CoreEvent(report) => match report.event {
                CoreEvent::WorkerStarted { job_id, .. } => {
                    if let Some(of) = self.routed(&job_id) {
                        self.feed(RunInput::AttemptLive { of });
                    }
                }
                CoreEvent::WorkerEnding { job_id, phase, .. } if phase != EndingPhase::Draining => {
                    if let Some(of) = self.routed(&job_id) {
                        self.feed(RunInput::AttemptEnding { of });
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The attempt a job is, while its completion is waited for.
    fn routed(&self, job: &JobId) -> Option<AttemptRef> {
        let attempt = &self.attempts[attempt_of(job)?];
        attempt.is_routed().then(|| attempt.of.clone())
    }

    fn core_ready(&mut self, core: usize) {
        self.supervisor.core = CoreView::Ready(core);
        self.core_news();
        if !std::mem::replace(&mut self.supervisor.begun, true) {
            self.feed(RunInput::Start);
        }
    }

    /// The wire has closed. What the core had started is gone when its guard has ended.
    fn wire_ended(&mut self, core: usize) {
        if self.supervisor.link != Some(core) {
            return;
        }
        self.note(|| format!("supervisor: the wire of core {core} has closed"));
        let swept = self.cores[core].swept_at;
        if self.bug == Some(Bug::WireTakenForCore) {
            return self.link_lost(core);
        }
        if self.supervisor.core == CoreView::Ready(core) {
            self.supervisor.core = CoreView::Awaited;
        }
        let at = swept.max(self.now) + self.rng.up_to(5);
        self.at(at, Event::LinkLost(core));
    }

    /// It has not answered for too long: its wire is closed, and its guard ends it.
    pub(crate) fn hang_noticed(&mut self, core: usize) {
        if self.cores[core].gone || self.cores[core].stopped_until <= self.now || self.supervisor.is_over() {
            return;
        }
        self.saw(Seen::CoreHung);
        self.core_dies(core, false);
    }

    pub(crate) fn link_lost(&mut self, core: usize) {
        if self.supervisor.link != Some(core) || self.supervisor.is_over() {
            return;
        }
        self.note(|| format!("supervisor: core {core} is lost"));
        self.supervisor.link = None;
        let now = self.run_clock();
        let ending = self.supervisor.shutdown.exit_code().is_some();
        let restart = if ending { Restart::GiveUp } else { self.supervisor.restart.lost(now, Loss::Gone) };
        match restart {
            Restart::After(wait) => {
                self.supervisor.core = CoreView::Awaited;
                self.check_successor(whole(wait));
                self.in_ms(whole(wait), Event::ConnectCore);
            }
            Restart::GiveUp => {
                self.saw(Seen::CoresGivenUp);
                self.supervisor.core = CoreView::Lost;
                self.supervisor.given_up = true;
            }
        }
        self.attempts_lose(core);
        if self.supervisor.given_up {
            self.core_news();
        }
        self.tell_of_loss();
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
        self.supervisor.suspended_for += millis;
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

    /// The machine learns of a loss without a successor when nothing is under way any more.
    pub(crate) fn tell_of_loss(&mut self) {
        let supervisor = &mut self.supervisor;
        if supervisor.given_up
            && supervisor.active.is_empty()
            && !supervisor.told_lost
            && !supervisor.is_over()
        {
            supervisor.told_lost = true;
            self.feed(RunInput::CoreLost { detail: "gone".to_owned() });
        }
    }

    pub(crate) fn asked(&mut self, asked: ShutdownRequest) {
        if self.supervisor.is_over() {
            return;
        }
        self.note(|| format!("somebody: {asked:?}"));
        let now = self.run_clock();
        let effect = self.supervisor.shutdown.handle(now, asked);
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
        // A terminal hangs up once, however many notice it, a command goes as far as it says, and a signal may come by two ways.
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
        let code = self.supervisor.shutdown.exit_code();
        let kept = code.is_some() && self.supervisor.exit_code.is_none_or(|earlier| Some(earlier) == code);
        self.supervisor.exit_code = code;
        self.must(kept, Promise::Truth, || format!("{asked:?} leads to exit code {code:?}"));
        match effect {
            Some(ShutdownEffect::Cancel(cancel)) => self.feed(RunInput::Cancel(cancel)),
            Some(ShutdownEffect::Leave) => {
                self.saw(Seen::Left);
                self.supervisor.left = true;
                self.close_wire();
            }
            None => {}
        }
    }

    pub(crate) fn cancel_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.saw(Seen::StepCancelled);
            self.supervisor.book.step(step).cancelled = true;
            self.feed(RunInput::CancelStep { step: step_name(step as u64), force: false });
        }
    }

    pub(crate) fn retry_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.supervisor.book.requested = Some((step, true));
            self.feed(RunInput::RetryStep { step: step_name(step as u64) });
        }
    }

    pub(crate) fn skip_step(&mut self, step: usize) {
        if !self.supervisor.is_over() {
            self.supervisor.book.requested = Some((step, false));
            self.feed(RunInput::SkipStep { step: step_name(step as u64) });
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
        self.feed(RunInput::Timer(timer));
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
        self.feed(RunInput::OutputsCollected { of, result });
    }

    /// An attempt is over, as far as the supervisor knows.
    pub(crate) fn attempt_over(&mut self, attempt: usize, end: AttemptEnd) {
        self.check_attempt(attempt, &end);
        let of = self.attempts[attempt].of.clone();
        self.supervisor.active.remove(&of);
        // Without a successor the machine learns of all losses at once; of what is known it learns now.
        let forgotten = matches!(end, AttemptEnd::Lost { .. }) || self.bug == Some(Bug::KnownEndForgotten);
        if !self.supervisor.given_up || !forgotten {
            self.feed(RunInput::AttemptFinished { of, end });
        }
        self.tell_of_loss();
    }

    pub(crate) fn feed(&mut self, input: RunInput) {
        self.note(|| format!("run <- {input:?}"));
        let now = self.run_clock();
        let mut effects = Vec::new();
        self.supervisor.machine.handle(now, input, &mut effects);
        for effect in effects {
            self.note(|| format!("run    {effect:?}"));
            let over = self.supervisor.outcome.is_some();
            let late_answer = matches!(effect, RunEffect::Answered { refused: Some(_) });
            self.must(!over || late_answer, Promise::ExactlyOnce, || {
                format!("the run has finished, then {effect:?}")
            });
            self.check_run_effect(&effect);
            self.run_effect(effect);
        }
        let agree = self.supervisor.machine.is_finished() == self.supervisor.outcome.is_some();
        self.must(agree, Promise::ExactlyOnce, || "the run has finished and has not said so".to_owned());
        self.check_progress();
    }

    fn run_effect(&mut self, effect: RunEffect) {
        match effect {
            RunEffect::StartAttempt { of } => {
                let attempt = self.attempts.len();
                let step = self.plan.workflow.steps.get_index_of(&of.step).unwrap_or_default();
                self.attempts.push(Attempt::new(of.clone(), step));
                self.supervisor.active.insert(of, attempt);
                self.within(5, Event::InputsPlaced(attempt));
            }
            RunEffect::CancelAttempt { of, cancel } => {
                if let Some(attempt) = self.supervisor.active.get(&of).copied() {
                    if self.bug != Some(Bug::OrderForgotten) {
                        self.ordered(attempt, cancel);
                    }
                    self.attempt_owes(attempt, Owed::End, self.attempt_limit(attempt), false);
                }
            }
            RunEffect::CollectOutputs { of } => {
                if let Some(attempt) = self.attempts.iter().position(|attempt| attempt.of == of) {
                    self.within(COLLECTING, Event::OutputsCollected(attempt));
                }
            }
            RunEffect::SetTimer { timer, after } => {
                if self.weather.has(Fault::StaleTimers) {
                    for late in [300, 2_500] {
                        let again = whole(after) + self.rng.up_to(late);
                        self.in_ms(again, Event::RunTimer(timer.clone()));
                    }
                }
                let due = self.supervisor.clock(self.now) + whole(after);
                self.supervisor.book.set_timer(&timer, due);
                let late = self.rng.up_to(5);
                self.in_ms(whole(after) + late, Event::RunTimer(timer));
            }
            RunEffect::DecideIteration { .. }
            | RunEffect::IterationStarted { .. }
            | RunEffect::PlanExtended { .. }
            | RunEffect::ExtensionRefused { .. } => unreachable!("no workflow asks for that"),
            RunEffect::StepChanged { .. } | RunEffect::RunEnding(_) | RunEffect::Answered { .. } => {}
            RunEffect::Finish { outcome, duration, .. } => {
                // Whether it ever had a core or not.
                let took = self.run_clock().since_origin();
                let fine = duration == took;
                self.must(fine, Promise::Truth, || format!("the run took {took:?} and not {duration:?}"));
                self.supervisor.outcome = Some(outcome);
                self.saw(match outcome {
                    RunOutcome::Succeeded => Seen::RunSucceeded,
                    RunOutcome::Failed => Seen::RunFailed,
                    RunOutcome::Cancelled => Seen::RunCancelled,
                    RunOutcome::TimedOut => Seen::RunTimedOut,
                    RunOutcome::Lost => Seen::RunLost,
                    RunOutcome::Unknown(word) => panic!("a run of ours does not end `{word}`"),
                });
                self.close_wire();
            }
        }
    }

    /// Tells the core that nothing more will come. Its guard ends it when it does not listen.
    fn close_wire(&mut self) {
        if let Some(core) = self.supervisor.link
            && !self.cores[core].gone
        {
            self.send_to_core(core, Packet::End);
            let patience = self.plan.longest.grace + self.plan.drain + 2 * crate::plan::STOP_MARGIN;
            self.in_ms(patience, Event::CoreDies(core));
        }
    }

    /// After the end no machine has anything to say.
    pub(crate) fn ask_after_the_end(&mut self) {
        if self.supervisor.outcome.is_some() {
            self.feed(RunInput::Begin);
            self.feed(RunInput::Start);
            self.feed(RunInput::Cancel(Cancel::forced(CancelReason::Lost)));
            self.feed(RunInput::CoreLost { detail: String::new() });
            for step in 0..self.plan.workflow.steps.len() {
                self.feed(RunInput::CancelStep { step: step_name(step as u64), force: true });
                self.feed(RunInput::RetryStep { step: step_name(step as u64) });
                self.feed(RunInput::SkipStep { step: step_name(step as u64) });
            }
            for attempt in 0..self.attempts.len() {
                let of = self.attempts[attempt].of.clone();
                self.feed(RunInput::AttemptLive { of: of.clone() });
                self.feed(RunInput::AttemptFinished { of, end: AttemptEnd::Succeeded });
            }
            let deadline = RunTimer { epoch: 1, subject: RunTimerSubject::Deadline };
            self.feed(RunInput::Timer(deadline));
        }
        let now = self.run_clock();
        for _ in 0..3 {
            let _ = self.supervisor.shutdown.handle(now, ShutdownRequest::Interrupt);
        }
        let silent = self.supervisor.shutdown.handle(now, ShutdownRequest::Terminate).is_none();
        self.must(silent, Promise::ExactlyOnce, || "who has left is asked to leave again".to_owned());
    }
}
