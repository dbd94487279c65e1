//! Follows a run and prints a block for each step.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_attach::{RunSource, Sharing};
use roboppi_ipc::UtcMillis;
use roboppi_record::RecordPart;
use roboppi_run::{RunEvent, RunHead, RunRecord, RunView, StepPath, StepView};

use super::CiSettings;
use super::budget::{ShownBudget, cut_activity};
use super::conclusion::{Conclusion, earlier_attempts, fails, note, times};
use super::excerpt::{Extent, excerpt};
use super::markup::{Markup, guarded};
use crate::clock;
use crate::follower::{Follower, Item};
use crate::plain::lines;
use crate::plain::log::SourceLogs;
use crate::plain::printer::PlainPrinter;
use crate::plain::{FailureOutput, PlainSettings};

/// What is shown of the output of a step that did not fail.
const FOLDED: Extent = Extent { first_lines: 50, last_lines: 200, bytes: 48 * 1024 };

/// Bytes of the activity of an agent that are kept until its step ends.
const LONGEST_ACTIVITY: usize = 48 * 1024;

pub(super) struct CiSink<'s, W> {
    source: Arc<dyn RunSource>,
    settings: &'s CiSettings,
    follower: Follower,
    printer: PlainPrinter,
    logs: SourceLogs,
    markup: Markup,
    budget: ShownBudget,
    out: W,
    wrote_at: Instant,
    /// What agents did in steps that are not over.
    activities: HashMap<StepPath, Vec<u8>>,
    /// Steps whose end was printed.
    ended: HashSet<StepPath>,
    sharing: Sharing,
}

impl<'s, W: Write> CiSink<'s, W> {
    pub(super) fn new(source: Arc<dyn RunSource>, settings: &'s CiSettings, out: W) -> io::Result<Self> {
        let location = source.record().location(RecordPart::Run);
        // Blocks have it.
        let lines = PlainSettings { failure_output: FailureOutput::Never, ..settings.lines.clone() };
        Ok(Self {
            follower: Follower::new(Arc::clone(&source))?,
            printer: PlainPrinter::new(lines, location, Box::new(SourceLogs(Arc::clone(&source)))),
            logs: SourceLogs(Arc::clone(&source)),
            markup: Markup::new(settings.vendor),
            budget: ShownBudget::new(settings.vendor.shown_bytes()),
            source,
            settings,
            out,
            wrote_at: Instant::now(),
            activities: HashMap::new(),
            ended: HashSet::new(),
            sharing: Sharing::default(),
        })
    }

    /// Prints everything up to the end of the run.
    pub(super) fn run(&mut self) -> io::Result<()> {
        loop {
            let item = match self.follower.try_next() {
                Some(item) => item,
                None => {
                    self.out.flush()?;
                    match self.follower.wait(self.patience()) {
                        Some(item) => item,
                        None => {
                            self.silent()?;
                            continue;
                        }
                    }
                }
            };
            match item {
                Item::Journal(record) => {
                    let ended = match &record.event {
                        RunEvent::StepChanged { step, state, .. } if state.is_final() => Some(step.clone()),
                        _ => None,
                    };
                    let record = RunRecord::Journal(record);
                    self.printer.record(&record);
                    self.sharing.count(&record);
                    self.printer.share(&*self.source, &mut self.sharing);
                    match ended {
                        Some(step) => self.step_ended(&step)?,
                        None => self.print_lines()?,
                    }
                }
                Item::Attempt(of, record) | Item::Recorded(of, record) => {
                    let step = of.step.clone();
                    self.printer.record(&RunRecord::Attempt(of, record));
                    self.keep_activity(step);
                }
                Item::CaughtUp(view) => self.caught_up(*view)?,
                Item::Ended | Item::Stopped => break,
            }
        }
        self.finish()
    }

    /// Time until the next heartbeat, or until a step is slow.
    fn patience(&self) -> Option<Duration> {
        let slow = self.printer.next_slow();
        let slow = slow.map(|due| Duration::from_millis(due.0.saturating_sub(clock::now().0)));
        self.until_heartbeat().into_iter().chain(slow).min()
    }

    fn until_heartbeat(&self) -> Option<Duration> {
        let heartbeat = self.settings.lines.heartbeat;
        (!heartbeat.is_zero()).then(|| heartbeat.saturating_sub(self.wrote_at.elapsed()))
    }

    /// Prints which steps are slow, or that the run is alive.
    fn silent(&mut self) -> io::Result<()> {
        self.printer.mark_slow(clock::now());
        if self.until_heartbeat().is_some_and(|left| left.is_zero()) {
            if self.printer.text().is_empty() {
                self.printer.heartbeat(clock::now());
            }
            self.wrote_at = Instant::now();
        }
        self.print_lines()
    }

    fn view(&self) -> &RunView {
        self.printer.view()
    }

    fn caught_up(&mut self, view: RunView) -> io::Result<()> {
        // The log of a step that an earlier run did is there.
        let ended = view.steps().filter(|step| step.state.is_final() && step.kept.is_none());
        let ended: Vec<_> = ended.map(|step| step.plan.step.clone()).collect();
        self.printer.catch_up(view);
        self.print_lines()?;
        for step in ended {
            if !self.ended.contains(&step) {
                self.step_ended(&step)?;
            }
        }
        Ok(())
    }

    /// Prints the lines that were made, which belong to no step.
    fn print_lines(&mut self) -> io::Result<()> {
        if self.printer.text().is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        self.markup.outside(&mut out);
        guarded(&mut out, self.printer.text());
        self.printer.clear();
        self.write(&out)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.wrote_at = Instant::now();
        self.out.write_all(text)
    }

    /// Keeps what an agent did until its step ends.
    fn keep_activity(&mut self, step: StepPath) {
        if self.printer.text().is_empty() {
            return;
        }
        // The lines about a script are made of its log, which its block has.
        if !self.printer.view().step(&step).is_some_and(StepView::is_agent) {
            return self.printer.clear();
        }
        let kept = self.activities.entry(step).or_default();
        guarded(kept, self.printer.text());
        self.printer.clear();
        if kept.len() > 2 * LONGEST_ACTIVITY {
            cut_activity(kept, LONGEST_ACTIVITY);
        }
    }

    /// Prints the lines about the end of a step, the last of which is the title of its block.
    fn step_ended(&mut self, path: &StepPath) -> io::Result<()> {
        let view = self.printer.view();
        self.markup.name_run(&view.head.as_ref().map_or_else(String::new, RunHead::short_name));
        self.ended.insert(path.clone());
        let Some(step) = view.step(path) else { return self.print_lines() };
        let fails = fails(view, step);
        let activity = if fails { None } else { self.activities.remove(path) };
        let is_silent = activity.is_none() && step.is_agent_last();
        let body = match activity {
            Some(activity) => folded_activity(activity, &self.budget),
            // It comes last.
            None if self.settings.lines.quiet
                || fails
                || step.is_agent_last()
                || step.attempts.is_empty() =>
            {
                Vec::new()
            }
            None => {
                let colour = self.settings.lines.colour;
                output_of(&*self.source, &mut self.logs, (view, step), &self.budget, colour)
            }
        };
        let (from, to) = times(step);
        let has_output = step.attempts.last().is_some_and(|attempt| attempt.log_bytes() > 0);
        if body.is_empty() {
            if has_output && !self.settings.lines.quiet && !fails && !is_silent {
                self.budget.leave_out();
            }
            return self.print_lines();
        }
        self.budget.take_folded(body.len());
        let text = self.printer.text().trim_ascii_end();
        let title_at = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
        let title = lines::step(self.view(), step, false, false).unwrap_or_else(|| path.to_string());
        let mut out = Vec::new();
        if title_at > 0 {
            self.markup.outside(&mut out);
            guarded(&mut out, &text[..title_at]);
        }
        self.printer.clear();
        let group = self.markup.begin(&mut out, &title, true, from);
        out.extend_from_slice(&body);
        self.markup.end(&mut out, &group, to);
        self.write(&out)
    }

    /// Prints what failed, and how the run ended.
    fn finish(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        let mut left: Vec<_> = self.activities.drain().collect();
        left.sort();
        let mut failed = HashMap::new();
        for (step, activity) in left {
            let view = self.printer.view();
            if view.step(&step).is_some_and(|step| fails(view, step)) {
                failed.insert(step, activity);
                continue;
            }
            let activity = folded_activity(activity, &self.budget);
            if activity.is_empty() {
                self.budget.leave_out();
                continue;
            }
            self.budget.take_folded(activity.len());
            let at = view.step(&step).map_or(UtcMillis(0), |step| step.changed_at);
            let group = self.markup.begin(&mut out, step.as_str(), true, at);
            out.extend_from_slice(&activity);
            self.markup.end(&mut out, &group, at);
        }
        self.write(&out)?;
        let mut end = Conclusion {
            source: &*self.source,
            logs: &mut self.logs,
            settings: self.settings,
            markup: &mut self.markup,
            budget: &mut self.budget,
            activities: failed,
        };
        end.write(self.printer.view(), &mut self.out)?;
        self.printer.finish();
        let mut out = Vec::new();
        self.markup.conclusion(&mut out);
        self.markup.outside(&mut out);
        guarded(&mut out, self.printer.text());
        self.printer.clear();
        self.write(&out)?;
        self.out.flush()
    }
}

/// Bytes that the output of a step is worth showing.
const FEWEST: usize = 1024;

/// What fits of the activity of an agent that did not fail; empty when there is no room.
fn folded_activity(mut activity: Vec<u8>, budget: &ShownBudget) -> Vec<u8> {
    let most = budget.folded(FOLDED.bytes);
    if most < FEWEST {
        return Vec::new();
    }
    cut_activity(&mut activity, most);
    activity
}

fn output_of(
    source: &dyn RunSource,
    logs: &mut SourceLogs,
    (view, step): (&RunView, &StepView),
    budget: &ShownBudget,
    colour: bool,
) -> Vec<u8> {
    let Some(attempt) = step.attempts.last() else { return Vec::new() };
    let extent = Extent { bytes: budget.folded(FOLDED.bytes), ..FOLDED };
    if extent.bytes < FEWEST {
        return Vec::new();
    }
    let mut out = match excerpt(source, logs, (step, &attempt.of), extent, colour) {
        Ok(excerpt) => excerpt.text.into_bytes(),
        Err(error) => {
            format!("  its output cannot be read: {}\n", roboppi_untrusted::words(&error.to_string()))
                .into_bytes()
        }
    };
    if let Some(text) = earlier_attempts(view, step) {
        note(&mut out, &text);
    }
    out
}
