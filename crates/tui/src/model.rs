//! What the screen is made from: the run, and what the person in front of it chose.

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use roboppi_attach::{History, Position};
use roboppi_ipc::UtcMillis;
use roboppi_run::{
    AttemptRef, AttemptStatus, AttemptView, RunStatus, RunView, StepPath, StepState, StepView,
};

use crate::activity_pane::ActivityPane;
use crate::diff_pane::DiffPane;
use crate::forecast::Forecast;
use crate::keymap::Context;
use crate::layout::Focus;
use crate::log_pane::{CoreTail, LogPane};
use crate::mark::Mark;
use crate::mouse::Clicks;
use crate::tab::Tab;
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
    /// First row of the list that is shown.
    pub(crate) list_top: usize,
    /// The selection goes with the run until the person moves it.
    pub(crate) follow: bool,
    pub(crate) focus: Focus,
    /// The tab that is shown: the chosen one, or the first of the step.
    pub(crate) tab: Tab,
    /// The tab the person chose.
    pub(crate) wanted_tab: Option<Tab>,
    /// What the person looked at when they asked for help.
    pub(crate) before_help: Option<(Option<Tab>, Focus)>,
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
    /// The screen is put away, and the run is written as plain lines.
    pub(crate) put_away: bool,
    /// Path of the run directory, for people.
    pub(crate) run_dir: String,
    /// Where the replay is, when this is one.
    pub(crate) playback: Option<Position>,
    /// Something that may be on screen changed.
    pub(crate) dirty: bool,
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
            list_top: 0,
            follow: true,
            focus: Focus::default(),
            tab: Tab::default(),
            wanted_tab: None,
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
            role: self.settings.role,
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

    /// The tabs of what is shown, in the order of their numbers.
    pub(crate) fn tabs(&self) -> &'static [Tab] {
        let is_agent = self.shown_step().is_some_and(StepView::is_agent);
        if is_agent { &Tab::ALL } else { &Tab::OF_SCRIPTS }
    }

    /// Shows the chosen tab where the step has it, else its first one.
    pub(crate) fn fit_tab(&mut self) {
        let tabs = self.tabs();
        self.tab = self.wanted_tab.filter(|wanted| tabs.contains(wanted)).unwrap_or(tabs[0]);
    }

    /// The tab of a number, which is from 1.
    pub(crate) fn tab_of_number(&self, number: usize) -> Option<Tab> {
        self.tabs().get(number.checked_sub(1)?).copied()
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
        !self.is_over()
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
