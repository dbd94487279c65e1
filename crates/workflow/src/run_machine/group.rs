//! Steps that run a workflow of their own. The steps of that workflow are members of the group: they wait until the group
//! has begun, and the work of the group is done when all of them are over.
//!
//! ```text
//!   start_attempt ──► Opening ── GroupOpened ──► Open ── all members over ──► attempt_finished
//!                     (inputs are placed)        (members run)                (collect, check, retry, next iteration)
//! ```
//!
//! * A group holds no slot while it is open: its members do, within the limit of the run and that of their workflow.
//! * A later attempt or iteration begins all members again, each with its next iteration.
//! * What a member means for the run, its group says.

use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono};
use roboppi_run::{AttemptRef, StepPath, StepState};

use super::outcome::listed;
use super::policy::LimitWaits;
use super::step::{StepPhase, VisiblePhase};
use super::{AttemptEnd, Phase, RunEffect, RunMachine, RunTimerSubject};

impl RunMachine {
    /// Makes a step that was added a member of the group above it.
    pub(super) fn join_group(&mut self, index: usize) {
        let Some(above) = self.steps[index].id.parent() else { return };
        let Some(above) = self.index.get(&above).copied() else { return };
        let Some(group) = &mut self.steps[above].group else { return };
        group.members.push(index);
        group.open_members += 1;
        self.has_limited_groups |= group.limit.is_some();
        self.steps[index].member_of = Some(above);
        // It waits for its group as for a step.
        self.steps[index].blockers += 1;
    }

    /// A member is over, or waits again.
    pub(super) fn count_member(&mut self, index: usize, is_over: bool) {
        let Some(above) = self.steps[index].member_of else { return };
        if let Some(group) = &mut self.steps[above].group {
            group.open_members =
                if is_over { group.open_members.saturating_sub(1) } else { group.open_members + 1 };
        }
    }

    /// Begins the work of a group, whose attempt has been counted already.
    pub(super) fn open_group(&mut self, index: usize, out: &mut Vec<RunEffect>) {
        self.hosting.insert(index);
        let limit = self.steps[index].timeout();
        let subject = RunTimerSubject::Group(self.steps[index].id.clone());
        let deadline = limit.map(|limit| self.set_timer(subject, limit, out));
        let of = self.steps[index].of();
        let Some(group) = &mut self.steps[index].group else { return };
        group.begun += 1;
        (group.is_opening, group.is_overdue, group.deadline) = (true, false, deadline);
        let is_first = group.begun == 1;
        self.begin_members_again(index, is_first, out);
        out.push(RunEffect::OpenGroup { of });
    }

    /// Lets members wait again that are over; those that were kept or that a person left out stay as they are the first time.
    fn begin_members_again(&mut self, index: usize, keeps: bool, out: &mut Vec<RunEffect>) {
        let members = self.steps[index].group.as_ref().map_or_else(Vec::new, |group| group.members.clone());
        let why = format!("`{}` runs its steps again", self.steps[index].id);
        let is_again = |machine: &Self, member: usize| match machine.steps[member].life {
            StepPhase::Over { satisfies, .. } => !(keeps && (satisfies || machine.kept.contains(&member))),
            _ => false,
        };
        let again: Vec<usize> = members.iter().copied().filter(|member| is_again(self, *member)).collect();
        for member in &again {
            self.kept.remove(member);
            let step = &mut self.steps[*member];
            let is_next = step.rounds.begin_round();
            step.limit_waits = LimitWaits::default();
            (step.ignores_limit, step.is_limited, step.is_fatal) = (false, false, false);
            (step.continues, step.ended_by_fail_fast) = (false, false);
            step.is_unstarted = true;
            step.life = StepPhase::Waiting;
            self.open += 1;
            self.count_member(*member, false);
            self.change(*member, StepState::Pending, Some(why.clone()), out);
            if is_next {
                let step = &self.steps[*member];
                out.push(RunEffect::IterationStarted {
                    step: step.id.clone(),
                    iteration: step.rounds.iteration(),
                    max_iterations: step.rounds.most(),
                    detail: Some(why.clone()),
                });
            }
            if self.steps[*member].group.is_some() {
                self.begin_members_again(*member, false, out);
            }
        }
        for member in members {
            if self.steps[member].life == StepPhase::Waiting {
                self.steps[member].blockers = self.unfinished_dependencies(member) + 1;
            }
        }
    }

    /// How many of the dependencies of a step have not released it.
    fn unfinished_dependencies(&self, index: usize) -> usize {
        let judges = self.steps[index].judges_outcomes();
        let has_released = |other: &usize| match self.steps[*other].life {
            StepPhase::Over { satisfies, .. } => satisfies || judges,
            _ => false,
        };
        self.steps[index].dependencies.iter().filter(|other| !has_released(other)).count()
    }

    /// The inputs of a group are placed, or it cannot have them.
    pub(super) fn group_opened(
        &mut self,
        now: Mono,
        of: &AttemptRef,
        result: Result<(), AttemptEnd>,
        out: &mut Vec<RunEffect>,
    ) {
        let Some(index) = self.current(of).filter(|index| self.hosting.contains(index)) else { return };
        let Some(group) = self.steps[index].group.as_mut().filter(|group| group.is_opening) else { return };
        group.is_opening = false;
        let members = group.members.clone();
        match result {
            Ok(()) => self.attempt_shown(now, of, StepState::Running, out),
            Err(end) => {
                self.leave_members(now, index, out);
                return self.close_group(now, index, end, out);
            }
        }
        let may_start = matches!(self.steps[index].life, StepPhase::Active { asked: None, .. });
        for member in members {
            if may_start && self.steps[member].life == StepPhase::Waiting {
                self.steps[member].blockers -= 1;
                self.make_ready_if_free(member);
            }
        }
    }

    pub(super) fn group_timer(&mut self, index: usize, epoch: u64) {
        let is_hosting = self.hosting.contains(&index);
        if let Some(group) = self.steps[index].group.as_mut().filter(|_| is_hosting)
            && group.deadline == Some(epoch)
        {
            group.is_overdue = true;
        }
    }

    /// Ends the members of groups that are to end, and groups all members of which are over. Whether one was.
    pub(super) fn settle_groups(&mut self, now: Mono, out: &mut Vec<RunEffect>) -> bool {
        let mut any = false;
        // Outer ones have lower numbers: whoever is to end asks those within it, before any of them closes or starts anything.
        for index in self.hosting.iter().copied().collect::<Vec<_>>() {
            if let Some(cancel) = self.end_of_group(index) {
                self.end_members(now, index, cancel, out);
            }
        }
        for index in self.hosting.iter().rev().copied().collect::<Vec<_>>() {
            if !self.hosting.contains(&index) {
                continue;
            }
            let group = self.steps[index].group.as_ref();
            let is_done = group.is_some_and(|group| !group.is_opening && group.open_members == 0);
            // It takes a slot from here on. One whose last member held none waits for one, before anything else starts.
            let has_slot = self.active < self.slots() || self.phase != Phase::Running;
            if is_done && has_slot {
                let end = self.end_by_members(index);
                self.close_group(now, index, end, out);
                any = true;
            }
        }
        any
    }

    /// The step above one whose time has run out.
    pub(super) fn overdue_group(&self, index: usize) -> Option<&StepPath> {
        let mut above = self.steps[index].member_of;
        while let Some(index) = above {
            let step = &self.steps[index];
            if step.group.as_ref().is_some_and(|group| group.is_overdue) {
                return Some(&step.id);
            }
            above = step.member_of;
        }
        None
    }

    /// Whether a step above one is to end.
    pub(super) fn is_above_ending(&self, index: usize) -> bool {
        let mut above = self.steps[index].member_of;
        while let Some(index) = above {
            if self.end_of_group(index).is_some() {
                return true;
            }
            above = self.steps[index].member_of;
        }
        false
    }

    /// How the members of a group are asked to end, if they are.
    fn end_of_group(&self, index: usize) -> Option<Cancel> {
        let step = &self.steps[index];
        let asked = match step.life {
            StepPhase::Active { asked, .. } => asked,
            _ => None,
        };
        let overdue = step.group.as_ref().is_some_and(|group| group.is_overdue && !group.is_opening);
        asked.or_else(|| overdue.then(|| Cancel::graceful(CancelReason::Timeout)))
    }

    fn end_members(&mut self, now: Mono, index: usize, cancel: Cancel, out: &mut Vec<RunEffect>) {
        let members = self.steps[index].group.as_ref().map_or_else(Vec::new, |group| group.members.clone());
        for member in members {
            match self.steps[member].life {
                StepPhase::Over { .. } => {}
                StepPhase::Active { .. } | StepPhase::Collecting { .. } => self.ask(member, cancel, out),
                _ => {
                    self.leave_queue(member);
                    self.leave_member(now, member, index, out);
                }
            }
        }
    }

    /// Ends members that have not started, because their group never will.
    pub(super) fn leave_members(&mut self, now: Mono, index: usize, out: &mut Vec<RunEffect>) {
        let members = self.steps[index].group.as_ref().map_or_else(Vec::new, |group| group.members.clone());
        for member in members {
            if self.steps[member].life == StepPhase::Waiting {
                self.leave_member(now, member, index, out);
            }
        }
    }

    fn leave_member(&mut self, now: Mono, member: usize, index: usize, out: &mut Vec<RunEffect>) {
        let state = self.steps[member].state_without_a_start();
        let excused = matches!(self.steps[index].life, StepPhase::Over { excused: true, .. });
        let detail = format!("`{}` was ended before it started", self.steps[index].id);
        self.over(now, member, state, excused, Some(detail), out);
    }

    fn close_group(&mut self, now: Mono, index: usize, end: AttemptEnd, out: &mut Vec<RunEffect>) {
        self.hosting.remove(&index);
        let of = self.steps[index].of();
        out.push(RunEffect::GroupClosed { of: of.clone(), end: end.clone() });
        self.attempt_finished(now, &of, end, out);
    }

    /// What the ends of its members mean for a group.
    fn end_by_members(&self, index: usize) -> AttemptEnd {
        let step = &self.steps[index];
        let Some(group) = &step.group else { return AttemptEnd::Succeeded };
        let names = |is_it: &dyn Fn(StepState) -> bool| -> Vec<usize> {
            let members = group.members.iter().copied();
            let counts = |member: &usize| match self.steps[*member].life {
                StepPhase::Over { state, excused, .. } => !excused && is_it(state),
                _ => false,
            };
            members.filter(counts).collect()
        };
        let words = |what: &str, members: &[usize]| {
            listed(what, &members.iter().map(|member| self.steps[*member].id.as_str()).collect::<Vec<_>>())
        };
        let lost = names(&|state| state == StepState::Lost);
        if !lost.is_empty() {
            return AttemptEnd::Lost { detail: words("lost", &lost) };
        }
        let failed = names(&|state| matches!(state, StepState::Failed | StepState::Cancelled));
        let left_out = names(&|state| state == StepState::Skipped);
        if failed.is_empty() && left_out.is_empty() {
            return AttemptEnd::Succeeded;
        }
        if group.is_overdue {
            return AttemptEnd::TimedOut { detail: "(`timeout`)".to_owned() };
        }
        if let StepPhase::Active { asked: Some(asked), .. } = step.life {
            return AttemptEnd::Cancelled { reason: asked.reason, detail: String::new() };
        }
        let is_fatal = failed.iter().any(|member| self.steps[*member].is_fatal);
        let class = if is_fatal { ErrorClass::Fatal } else { ErrorClass::NonRetryable };
        let detail = if failed.is_empty() { words("skipped", &left_out) } else { words("failed", &failed) };
        AttemptEnd::Failed { class: Some(class), detail, retry_at: None }
    }

    /// The next step to start: the first one that is ready and whose group lets another member start.
    pub(super) fn next_ready(&mut self) -> Option<usize> {
        if !self.has_limited_groups {
            return self.ready.pop_first();
        }
        let next = self.ready.iter().copied().find(|index| self.group_has_room(*index))?;
        self.ready.remove(&next);
        Some(next)
    }

    /// Whether the group of a step lets another member start. A group that is a member has its place in the one above already.
    fn group_has_room(&self, index: usize) -> bool {
        let group = self.steps[index].member_of.and_then(|above| self.steps[above].group.as_ref());
        let Some((group, limit)) = group.and_then(|group| Some((group, group.limit?))) else { return true };
        group.members.iter().filter(|member| self.steps[**member].holds_slot()).count() < limit
    }

    /// Slots of the run, those of open groups included.
    pub(super) fn slots(&self) -> usize {
        self.concurrency.saturating_add(self.hosting.len())
    }

    /// Why a member cannot be tried again by itself.
    pub(super) fn member_refusal(&self, index: usize) -> Option<String> {
        let step = &self.steps[index];
        let above = step.member_of?;
        let group = &self.steps[above];
        let is_open = self.hosting.contains(&above)
            && self.phase == Phase::Running
            && matches!(group.life, StepPhase::Active { shown: VisiblePhase::Running, asked: None });
        (!is_open).then(|| {
            format!("`{}` is a step of `{}`, which is not under way: retry `{}`", step.id, group.id, group.id)
        })
    }

    /// Steps that are shown but hold no slot.
    pub(super) fn open_groups(&self) -> usize {
        self.hosting.len()
    }
}
