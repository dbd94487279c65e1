//! What a dashboard is drawn from.

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use roboppi_attach::Statistic;
use roboppi_board::{Board, Category, EventFilter};
use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;
use roboppi_stats::Recent;

use super::settings::{DashboardSettings, DashboardTab, FollowedFile};
use crate::filter::Filter;
use crate::theme::Theme;

/// A row that can be selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowKey {
    Run(RunId),
    /// The event of a number, of a run.
    Event(u64, RunId),
    Category(Category),
    Name(String),
}

/// What is selected in a tab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The row; `None`: the first one, whichever that is.
    pub(crate) at: Option<RowKey>,
    /// Where it was seen last, for when it is gone.
    pub(crate) index: usize,
}

/// Everything a frame is drawn from. Changed by [`update`](super::update::update) alone.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) board: Board,
    /// The board as it was when the view was paused.
    pub(crate) frozen: Option<Box<Board>>,
    pub(crate) settings: DashboardSettings,
    pub(crate) demo: bool,
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
    pub(crate) size: Size,
    pub(crate) now: UtcMillis,
    pub(crate) tab: DashboardTab,
    pub(crate) cursors: [Cursor; DashboardTab::ALL.len()],
    pub(crate) filter: Filter,
    pub(crate) category: Option<Category>,
    /// Only events of this run.
    pub(crate) only: Option<RunId>,
    pub(crate) newest_last: bool,
    pub(crate) statistic: Option<Box<Statistic>>,
    /// What runs did last that were over when it was counted first, the latest first, each with the short name of its run.
    pub(crate) earlier: Option<Vec<(String, Recent)>>,
    pub(crate) help: bool,
    /// Rows of the help above its first row.
    pub(crate) help_top: usize,
    pub(crate) notice: Option<String>,
    /// Files of other programs that are followed as long as this is shown.
    pub(crate) followed: Vec<FollowedFile>,
    /// A run is being opened.
    pub(crate) opening: bool,
    pub(crate) used: bool,
    pub(crate) dirty: bool,
}

impl Model {
    pub(crate) fn new(
        settings: DashboardSettings,
        demo: bool,
        zone: TimeZone,
        size: Size,
        now: UtcMillis,
    ) -> Self {
        Self {
            board: Board::default(),
            frozen: None,
            demo,
            theme: Theme::new(settings.colours),
            zone,
            size,
            now,
            tab: settings.tab,
            settings,
            cursors: Default::default(),
            filter: Filter::default(),
            category: None,
            only: None,
            newest_last: false,
            statistic: None,
            earlier: None,
            help: false,
            help_top: 0,
            notice: None,
            followed: Vec::new(),
            opening: false,
            used: false,
            dirty: true,
        }
    }

    /// The board that is shown.
    pub(crate) fn shown(&self) -> &Board {
        self.frozen.as_deref().unwrap_or(&self.board)
    }

    /// Whether anything changes with the time alone, each second.
    pub(crate) fn is_alive(&self) -> bool {
        self.demo || self.board.rows().any(|row| row.state.may_live())
    }

    /// The filter of events, at their source.
    pub(crate) fn event_filter(&self) -> EventFilter {
        let words = self.filter.text().split_whitespace().map(str::to_owned).collect();
        EventFilter { category: self.category, run: self.only.clone(), words }
    }

    /// Whether anything is left out by the choice of the person.
    pub(crate) fn is_filtered(&self) -> bool {
        self.filter.is_active() || self.category.is_some() || self.only.is_some()
    }

    /// Events that came while the view was paused.
    pub(crate) fn unseen(&self) -> u64 {
        self.frozen.as_ref().map_or(0, |frozen| self.board.events.total() - frozen.events.total())
    }

    /// The beginning of the day.
    pub(crate) fn midnight(&self) -> UtcMillis {
        let millis = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        let start = jiff::Timestamp::from_millisecond(millis)
            .ok()
            .and_then(|now| now.to_zoned(self.zone.clone()).start_of_day().ok())
            .and_then(|start| u64::try_from(start.timestamp().as_millisecond()).ok());
        UtcMillis(start.unwrap_or(self.now.0.saturating_sub(86_400_000)))
    }
}
