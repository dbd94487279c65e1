//! When the things of a run happened, as slices on tracks: what a tool for traces shows.
//!
//! Made of the same records as a view. A view says how a run is, this says how it came there.

use std::collections::HashMap;
use std::sync::Arc;

use roboppi_ipc::{UtcMillis, Waiting, WorkerEvent, WorkerStatus};

use crate::{
    AttemptPhase, AttemptRecord, AttemptRef, JournalRecord, RunEvent, RunRecord, StepPath, StepPlan,
    missing_words,
};

mod lanes;

use lanes::Lanes;

/// A run over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Name of the workflow.
    pub name: String,
    /// Where everything is: the run first, then its steps in the order of the file. A step whose worker does several
    /// things at a time has further tracks.
    pub tracks: Vec<Track>,
}

/// A line of slices and marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// What it is about, for people.
    pub name: String,
    /// By their start; one that lies within another one comes after it. Two of them lie within each other or do not
    /// meet.
    pub slices: Vec<Slice>,
    /// By their time.
    pub marks: Vec<Mark>,
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What, for people.
    pub name: String,
    /// Of what kind.
    pub kind: SliceKind,
    /// When it began.
    pub from: UtcMillis,
    /// When it was over, or the last moment that is known; not before `from`.
    pub to: UtcMillis,
    /// How it ended, for people; `None` when it has not.
    pub end: Option<String>,
    /// The attempt that it is, or is in; `None` of the run, and of the time between two attempts.
    pub of: Option<AttemptRef>,
}

/// A kind of slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceKind {
    /// `run`: the whole of it.
    Run,
    /// `attempt` of a step.
    Attempt,
    /// `tool`: a call by an agent.
    Tool,
    /// `wait`: for a permit, for a person, for another try.
    Wait,
    /// `ending`: the worker was being ended, or its pipes drained.
    Ending,
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What, for people.
    pub name: String,
    /// When.
    pub at: UtcMillis,
}

impl SliceKind {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Attempt => "attempt",
            Self::Tool => "tool",
            Self::Wait => "wait",
            Self::Ending => "ending",
        }
    }
}

/// Makes a timeline of records, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct TimelineBuilder {
    name: String,
    started: Option<UtcMillis>,
    ended: Option<(UtcMillis, String)>,
    last: UtcMillis,
    marks: Vec<Mark>,
    steps: Vec<Step>,
    index: HashMap<StepPath, usize>,
}

#[derive(Clone, Debug)]
struct Step {
    name: StepPath,
    attempts: Vec<Attempt>,
    marks: Vec<Mark>,
}

#[derive(Clone, Debug)]
struct Attempt {
    of: AttemptRef,
    from: UtcMillis,
    end: Option<(UtcMillis, String)>,
    /// What happened in it and is over.
    slices: Vec<Slice>,
    /// The stage it is in, when it is one to be shown.
    stage: Option<Slice>,
    /// What its worker waits for.
    waiting: Option<(Waiting, Slice)>,
    /// Tool calls without a result.
    calls: HashMap<String, Slice>,
}

impl TimelineBuilder {
    /// Takes one record in.
    pub fn record(&mut self, record: &RunRecord) {
        match record {
            RunRecord::Journal(record) => self.journal(record),
            RunRecord::Attempt(of, record) => self.worker(of, record),
        }
    }

    fn journal(&mut self, JournalRecord { ts, event, .. }: &JournalRecord) {
        let ts = *ts;
        self.last = self.last.max(ts);
        match event {
            RunEvent::RunStarted { name, steps, .. } => {
                self.name.clone_from(name);
                self.started = Some(ts);
                self.plan(steps);
            }
            RunEvent::PlanExtended { nodes } => self.plan(nodes),
            RunEvent::IterationStarted { step, iteration, .. } => {
                self.mark(Some(step), format!("iteration {iteration}"), ts);
            }
            RunEvent::AttemptStarted { of, .. } => {
                if let Some(step) = self.step(&of.step) {
                    step.attempts.push(Attempt::new(of.clone(), ts));
                }
            }
            RunEvent::AttemptPhase { of, phase } => {
                if let Some(attempt) = self.attempt(of) {
                    attempt.enter(phase, ts);
                }
            }
            RunEvent::AttemptFinished { of, result, .. } => {
                let end = match (result.status, result.exit_words()) {
                    (WorkerStatus::Succeeded, _) => "succeeded".to_owned(),
                    (WorkerStatus::Failed, Some(exit)) => format!("failed: {exit}"),
                    (WorkerStatus::Failed, None) => "failed".to_owned(),
                    (WorkerStatus::Cancelled, _) => "cancelled".to_owned(),
                    (WorkerStatus::Unknown(word), _) => word.to_string(),
                };
                if let Some(attempt) = self.attempt(of) {
                    attempt.end = Some((ts, end));
                }
            }
            RunEvent::Warning { message, step } => self.mark(step.as_ref(), message.clone(), ts),
            RunEvent::CoreStarted { incarnation, .. } => self.mark(None, format!("core {incarnation}"), ts),
            RunEvent::CoreLost { incarnation, .. } => {
                self.mark(None, format!("core {incarnation} is lost"), ts);
            }
            RunEvent::RunEnding { reason, .. } => {
                self.mark(None, format!("being ended: {}", reason.name()), ts);
            }
            RunEvent::ArtifactCollected { step, name, .. } => {
                self.mark(Some(step), format!("artifact {name}"), ts);
            }
            RunEvent::RunFinished { outcome, .. } => self.ended = Some((ts, outcome.name().to_owned())),
            RunEvent::CoreReport { .. }
            | RunEvent::StepChanged { .. }
            | RunEvent::ValuesSet { .. }
            | RunEvent::Command { .. }
            | RunEvent::Unknown { .. } => {}
        }
    }

    fn plan(&mut self, steps: &[Arc<StepPlan>]) {
        for plan in steps {
            self.index.entry(plan.step.clone()).or_insert_with(|| {
                self.steps.push(Step { name: plan.step.clone(), attempts: Vec::new(), marks: Vec::new() });
                self.steps.len() - 1
            });
        }
    }

    fn worker(&mut self, of: &AttemptRef, record: &AttemptRecord) {
        if let WorkerEvent::Gap(gap) = &record.event
            && gap.recorded > 0
        {
            let words = missing_words(gap.recorded, gap.at_least);
            return self.mark(Some(&of.step), words, record.ts);
        }
        if !record.event.is_recorded() {
            return;
        }
        self.last = self.last.max(record.ts);
        if let Some(attempt) = self.attempt(of) {
            attempt.worker(record);
        }
    }

    fn mark(&mut self, step: Option<&StepPath>, name: String, at: UtcMillis) {
        let mark = Mark { name, at };
        match step.and_then(|step| self.step(step)) {
            Some(step) => step.marks.push(mark),
            None => self.marks.push(mark),
        }
    }

    fn step(&mut self, step: &StepPath) -> Option<&mut Step> {
        self.index.get(step).and_then(|index| self.steps.get_mut(*index))
    }

    fn attempt(&mut self, of: &AttemptRef) -> Option<&mut Attempt> {
        self.step(&of.step)?.attempts.iter_mut().rev().find(|attempt| attempt.of == *of)
    }

    /// The timeline so far. What goes on lasts until the last moment that is known.
    #[must_use]
    pub fn finish(self) -> Timeline {
        let from = self.started.unwrap_or(self.last);
        let (to, end) = match self.ended {
            Some((at, outcome)) => (at.max(from), Some(outcome)),
            None => (self.last.max(from), None),
        };
        let run = Slice { name: self.name.clone(), kind: SliceKind::Run, from, to, end, of: None };
        let mut tracks = vec![Track { name: "run".to_owned(), slices: vec![run], marks: self.marks }];
        for step in self.steps {
            tracks.extend(step.tracks(to));
        }
        for track in &mut tracks {
            track.marks.sort_by_key(|mark| mark.at);
        }
        Timeline { name: self.name, tracks }
    }
}

impl Step {
    fn tracks(self, last: UtcMillis) -> Vec<Track> {
        let mut lanes = Lanes::default();
        let mut before: Option<UtcMillis> = None;
        for attempt in self.attempts {
            let (slice, inner) = attempt.slices(last);
            if let Some(before) = before.filter(|before| *before < slice.from) {
                let name = "waits for a retry".to_owned();
                let end = Some("over".to_owned());
                lanes.add(Slice { name, kind: SliceKind::Wait, from: before, to: slice.from, end, of: None });
            }
            before = Some(slice.to);
            lanes.add(slice);
            for slice in inner {
                lanes.add(slice);
            }
        }
        let mut tracks = lanes.into_tracks(self.name.as_str());
        if let Some(first) = tracks.first_mut() {
            first.marks = self.marks;
        }
        tracks
    }
}

impl Attempt {
    fn new(of: AttemptRef, from: UtcMillis) -> Self {
        Self { of, from, end: None, slices: Vec::new(), stage: None, waiting: None, calls: HashMap::new() }
    }

    fn enter(&mut self, phase: &AttemptPhase, ts: UtcMillis) {
        if let Some(stage) = self.stage.take() {
            self.slices.push(stage.ended(ts, "over"));
        }
        let stage = |name: &str, kind| Some(Slice::open(name.to_owned(), kind, ts));
        self.stage = match phase {
            AttemptPhase::WaitingPermit { .. } => stage("waits for a permit", SliceKind::Wait),
            AttemptPhase::Running { .. } => None,
            AttemptPhase::Terminating { .. } => stage("asked to end", SliceKind::Ending),
            AttemptPhase::Killing { .. } => stage("killed", SliceKind::Ending),
            AttemptPhase::Draining { .. } => stage("pipes are held open", SliceKind::Ending),
            AttemptPhase::Unknown(other) => stage(other.tag.as_str(), SliceKind::Wait),
        };
    }

    fn worker(&mut self, record: &AttemptRecord) {
        let ts = record.ts;
        if let Some((_, slice)) = self.waiting.take_if(|(waiting, _)| record.event.ends_wait(waiting)) {
            self.slices.push(slice.ended(ts, "over"));
        }
        match &record.event {
            WorkerEvent::Waiting(waiting) => {
                let slice = Slice::open(waiting.why.clone(), SliceKind::Wait, ts);
                self.waiting = Some((waiting.clone(), slice));
            }
            WorkerEvent::ToolCall(call) => {
                let slice = Slice::open(call.name.clone(), SliceKind::Tool, ts);
                if let Some(same_id) = self.calls.insert(call.id.clone(), slice) {
                    self.slices.push(same_id);
                }
            }
            WorkerEvent::ToolResult(result) => {
                if let Some(call) = self.calls.remove(&result.id) {
                    let end = if result.ok { "succeeded" } else { "failed" };
                    self.slices.push(call.ended(ts, end));
                }
            }
            _ => {}
        }
    }

    /// The attempt, and what lies within it.
    fn slices(mut self, last: UtcMillis) -> (Slice, Vec<Slice>) {
        let (to, end) = match self.end {
            Some((at, end)) => (at, Some(end)),
            None => (last, None),
        };
        let to = to.max(self.from);
        let waiting = self.waiting.map(|(_, slice)| slice);
        let open = self.stage.into_iter().chain(waiting).chain(self.calls.into_values());
        self.slices.extend(open.map(|slice| Slice { to, ..slice }));
        for slice in &mut self.slices {
            // The clocks of core and supervisor, or of one of them before and after it was set, may differ.
            slice.from = slice.from.clamp(self.from, to);
            slice.to = slice.to.clamp(slice.from, to);
            slice.of = Some(self.of.clone());
        }
        let order = |slice: &Slice| (slice.from, std::cmp::Reverse(slice.to), slice.name.clone());
        self.slices.sort_by_key(order);
        let name = match self.of.attempt {
            1 => self.of.to_string(),
            number => format!("{}, attempt {number}", self.of.step),
        };
        let (kind, from) = (SliceKind::Attempt, self.from);
        (Slice { name, kind, from, to, end, of: Some(self.of) }, self.slices)
    }
}

impl Slice {
    /// One that has begun.
    const fn open(name: String, kind: SliceKind, from: UtcMillis) -> Self {
        Self { name, kind, from, to: from, end: None, of: None }
    }

    fn ended(self, to: UtcMillis, end: &str) -> Self {
        Self { to, end: Some(end.to_owned()), ..self }
    }
}

#[cfg(test)]
mod tests;
