//! What the screen is made from: the run, and what the person in front of it chose.

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use roboppi_attach::{History, Position};
use roboppi_ipc::UtcMillis;
use roboppi_run::{
    AttemptRef, AttemptStatus, AttemptView, Forecast, RunStatus, RunView, StepPath, StepState, StepView,
};

use crate::activity_pane::ActivityPane;
use crate::diff_pane::DiffPane;
use crate::filter::Filter;
use crate::keymap::Context;
use crate::layout::Focus;
use crate::log_pane::{CoreTail, LogPane};
use crate::mark::Mark;
use crate::mouse::Clicks;
use crate::step_list::{StepList, has_failed};
use crate::tab::{StepKind, Tab, TabChoice};
use crate::theme::Theme;
use crate::{Role, TuiSettings};

/// Everything a frame is drawn from. Changed by [`update`](crate::update::update) alone.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) view: RunView,
    /// No record will come any more.
    pub(crate) ended: bool,
    pub(crate) settings: TuiSettings,
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
    pub(crate) size: Size,
    pub(crate) now: UtcMillis,
    /// Frame of the spinner.
    pub(crate) frame: usize,
    pub(crate) selected: Option<StepPath>,
    pub(crate) list: StepList,
    /// Which keys the help shows.
    pub(crate) help_filter: Filter,
    /// The selection goes with the run until the person moves it.
    pub(crate) follow: bool,
    pub(crate) focus: Focus,
    /// The tab that is shown: the chosen one, or the first of the step.
    pub(crate) tab: Tab,
    /// The tabs the person chose.
    pub(crate) tab_choice: TabChoice,
    /// What the person looked at when they asked for help.
    pub(crate) before_help: Option<(TabChoice, Focus)>,
    /// Index of the attempt shown; `None` for the latest.
    pub(crate) attempt: Option<usize>,
    /// Where each tab is scrolled to; the log has its own.
    pub(crate) scroll: [Scroll; Tab::ALL.len()],
    pub(crate) log: LogPane,
    pub(crate) core_tail: CoreTail,
    pub(crate) diffs: DiffPane,
    pub(crate) activity: ActivityPane,
    /// What is marked with the mouse, be it of what is shown or not.
    pub(crate) mark: Option<Mark>,
    pub(crate) clicks: Clicks,
    /// What the mouse does is told to the screen, and not kept by the terminal.
    pub(crate) mouse: bool,
    pub(crate) question: Option<Question>,
    /// How far this person went with ending the run: 1 asked, 2 forced.
    pub(crate) asked: u8,
    /// What came of the last key, until the next one.
    pub(crate) notice: Option<String>,
    /// What earlier runs tell.
    pub(crate) history: History,
    /// What follows from it for this one; brought up to date before each frame.
    pub(crate) forecast: Forecast,
    /// Whether and until when the screen stays after the end.
    pub(crate) staying: Staying,
    /// The screen is put away, and the run is written as plain lines.
    pub(crate) put_away: bool,
    /// Path of the run directory, for people.
    pub(crate) run_dir: String,
    /// Where the replay is, when this is one.
    pub(crate) playback: Option<Position>,
    /// Something that may be on screen changed.
    pub(crate) dirty: bool,
}

/// Whether a person uses the screen, and until when it stays without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Staying {
    /// A key was pressed, or the mouse was used.
    pub(crate) used: bool,
    /// The keyboard has ended: no key will come.
    pub(crate) keys_ended: bool,
    /// When it leaves unless it is used.
    pub(crate) until: Option<UtcMillis>,
}

/// How far a pane is scrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scroll {
    /// First row shown.
    pub(crate) top: usize,
    /// Stay at the end when there is more.
    pub(crate) stick: bool,
}

/// What a person is asked before something is done that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    EndRun,
    /// The run is being ended already.
    KillRun,
    EndStep(StepPath),
    SkipStep(StepPath),
}

impl Model {
    /// Something else has the attention of the person now, so that keys are no text of a filter any more.
    pub(crate) const fn end_typing(&mut self) {
        self.help_filter.close();
        self.list.filter.close();
    }

    pub(crate) fn new(settings: TuiSettings, zone: TimeZone, size: Size, now: UtcMillis) -> Self {
        let mut scroll = [Scroll::default(); Tab::ALL.len()];
        scroll[Tab::Core.index()].stick = true;
        scroll[Tab::Activity.index()].stick = true;
        let mouse = settings.mouse;
        Self {
            view: RunView::default(),
            ended: false,
            theme: Theme::new(settings.colours),
            settings,
            zone,
            size,
            now,
            frame: 0,
            selected: None,
            list: StepList::default(),
            help_filter: Filter::default(),
            follow: true,
            focus: Focus::default(),
            tab: Tab::default(),
            tab_choice: TabChoice::default(),
            before_help: None,
            attempt: None,
            scroll,
            log: LogPane::default(),
            core_tail: CoreTail::default(),
            diffs: DiffPane::default(),
            activity: ActivityPane::default(),
            mark: None,
            clicks: Clicks::default(),
            mouse,
            question: None,
            asked: 0,
            notice: None,
            history: History::default(),
            forecast: Forecast::default(),
            staying: Staying::default(),
            put_away: false,
            run_dir: String::new(),
            playback: None,
            dirty: true,
        }
    }

    /// Whether the run is over, or its end will never be known.
    pub(crate) const fn is_over(&self) -> bool {
        self.view.is_finished() || self.ended
    }

    /// How far the ending of the run is: 0 not asked, 1 asked, 2 forced.
    pub(crate) fn stage(&self) -> u8 {
        let status = match self.view.status {
            RunStatus::Unknown | RunStatus::Running | RunStatus::Finished { .. } => 0,
            RunStatus::Ending { force: false, .. } => 1,
            RunStatus::Ending { force: true, .. } => 2,
        };
        status.max(self.asked)
    }

    pub(crate) fn context(&self) -> Context {
        let patches = self.shown_attempt().map_or(0, |attempt| attempt.activity.patches.len());
        let heard = self.settings.role != Role::Replay;
        let asks = heard && !self.is_over();
        Context {
            put_away: self.put_away,
            asking: self.question.is_some(),
            over: self.is_over(),
            stage: self.stage(),
            in_pane: self.focus == Focus::Pane,
            step_active: asks && self.shown_step().is_some_and(can_be_ended),
            step_waits: asks && self.shown_step().is_some_and(can_be_skipped),
            step_unsuccessful: heard && self.shown_step().is_some_and(can_be_retried),
            attempts: self.shown_step().is_some_and(|step| step.attempts.len() > 1),
            patches: match self.tab {
                Tab::Diffs => patches > 0,
                Tab::Activity => self.shown_attempt().is_some_and(|shown| !shown.activity.items.is_empty()),
                _ => false,
            },
            log_closed: self.tab == Tab::Logs && self.log_is_closed(),
            marked: self.mark().is_some(),
            log: self.log_is_shown(),
            log_query: self.log_is_shown() && self.log.query.is_some(),
            log_wide: self.log_is_shown() && !self.log.wrap && self.focus == Focus::Pane,
            log_aside: self.log_is_shown() && !self.log.wrap && self.log.left > 0,
            failed: self.view.steps().any(has_failed),
            filtered: self.filter_in_focus().is_some_and(Filter::is_active),
            help: self.tab == Tab::Help,
            role: self.settings.role,
        }
    }

    /// The filter of what the arrow keys move in.
    pub(crate) fn filter_in_focus(&self) -> Option<&Filter> {
        match (self.focus, self.tab) {
            (Focus::Steps, _) => Some(&self.list.filter),
            (Focus::Pane, Tab::Help) => Some(&self.help_filter),
            (Focus::Pane, _) => None,
        }
    }

    /// What the text in the pane is of.
    pub(crate) fn shown_text(&self) -> (Tab, Option<AttemptRef>) {
        (self.tab, self.shown_attempt().map(|attempt| attempt.of.clone()))
    }

    /// What is marked of the text in the pane.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref().filter(|mark| mark.of == self.shown_text())
    }

    fn log_is_shown(&self) -> bool {
        self.tab == Tab::Logs && !self.log_is_closed()
    }

    /// Whether an agent or a command does the step that is shown.
    pub(crate) fn step_kind(&self) -> StepKind {
        if self.shown_step().is_some_and(StepView::is_agent) { StepKind::Agent } else { StepKind::Command }
    }

    /// Shows the tab that was chosen for steps as the one that is shown.
    pub(crate) fn fit_tab(&mut self) {
        self.tab = self.tab_choice.of(self.step_kind());
    }

    /// Places of the steps that are listed. The selected one always is.
    pub(crate) fn listed(&self) -> Vec<usize> {
        let steps = self.view.steps.iter().enumerate();
        if !self.list.is_limited() {
            return steps.map(|(at, _)| at).collect();
        }
        let selected = self.selected_index();
        steps.filter(|(at, step)| Some(*at) == selected || self.list.lists(step)).map(|(at, _)| at).collect()
    }

    /// The first step that is listed for what it is, and not because it is selected.
    pub(crate) fn first_listed(&self) -> Option<usize> {
        self.view.steps.iter().position(|step| self.list.lists(step))
    }

    /// Whether the selected step is listed for what it is.
    pub(crate) fn lists_selected(&self) -> bool {
        self.shown_step().is_some_and(|step| self.list.lists(step))
    }

    pub(crate) fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.view.steps.iter().position(|step| step.plan.step == *selected)
    }

    pub(crate) fn shown_step(&self) -> Option<&StepView> {
        self.view.step(self.selected.as_ref()?)
    }

    /// Index of the attempt shown.
    pub(crate) fn attempt_index(&self) -> Option<usize> {
        let last = self.shown_step()?.attempts.len().checked_sub(1)?;
        Some(self.attempt.map_or(last, |chosen| chosen.min(last)))
    }

    pub(crate) fn shown_attempt(&self) -> Option<&AttemptView> {
        self.shown_step()?.attempts.get(self.attempt_index()?)
    }

    /// Whether the log is kept from the screen because the workflow was told not to stream.
    pub(crate) fn log_is_closed(&self) -> bool {
        !self.log.opened && self.view.head.as_ref().is_some_and(|head| !head.stream_stdio)
    }

    /// Milliseconds the run has taken, or took.
    pub(crate) fn elapsed_ms(&self) -> Option<u64> {
        match &self.view.status {
            RunStatus::Finished { duration_ms, .. } => Some(*duration_ms),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => {
                self.view.head.as_ref().map(|head| self.since(head.started_at))
            }
        }
    }

    pub(crate) fn since(&self, then: UtcMillis) -> u64 {
        self.now.0.saturating_sub(then.0)
    }

    /// Milliseconds a step has taken, or took; `None` when it never started.
    pub(crate) fn step_ms(&self, step: &StepView) -> Option<u64> {
        if step.state.is_final() { step.duration_ms } else { step.started_at.map(|then| self.since(then)) }
    }

    /// Milliseconds an attempt has taken, or took.
    pub(crate) fn attempt_ms(&self, attempt: &AttemptView) -> u64 {
        match &attempt.status {
            AttemptStatus::Finished { result, .. } => result.duration_ms,
            AttemptStatus::Started | AttemptStatus::Phase(_) => self.since(attempt.started_at),
        }
    }

    /// Path of the log of an attempt, for people.
    pub(crate) fn log_path(&self, attempt: &AttemptView) -> String {
        let base = attempt.base();
        if self.run_dir.is_empty() { format!("{base}.log") } else { format!("{}/{base}.log", self.run_dir) }
    }

    /// Whether the screen changes by time alone.
    pub(crate) const fn is_alive(&self) -> bool {
        !self.is_over() || self.staying.until.is_some()
    }
}

/// Whether there is something of a step that could be ended.
pub(crate) const fn can_be_ended(step: &StepView) -> bool {
    step.state.is_active() || matches!(step.state, StepState::Retrying)
}

/// Whether a step could be left out.
pub(crate) fn can_be_skipped(step: &StepView) -> bool {
    matches!(step.state, StepState::Pending | StepState::Ready) && step.attempts.is_empty()
}

/// Whether there is a reason to try a step again.
pub(crate) const fn can_be_retried(step: &StepView) -> bool {
    step.state.is_final() && !matches!(step.state, StepState::Succeeded)
}

/// Time between two ticks while the run goes on.
pub(crate) const TICK: Duration = Duration::from_secs(1);
