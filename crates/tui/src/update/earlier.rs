//! Going beyond the things of an agent that are kept.

use roboppi_run::Stretch;

use super::motion::Move;
use crate::activity_pane::{EarlierRead, Onward};
use crate::model::{Model, Scroll};
use crate::tab::Tab;

/// Goes to another stretch when scrolling is at the edge of the one that is shown. `at` is the first row shown, `most` the
/// last one that can be. `false` when rows are to be scrolled.
pub(super) fn turn_page(model: &mut Model, to: Move, at: usize, most: usize) -> bool {
    let (back, on) = match to {
        Move::Rows(by) | Move::Pages(by) | Move::HalfPages(by) => (by < 0 && at == 0, by > 0 && at >= most),
        Move::First | Move::Last => (false, false),
    };
    let mut earlier = std::mem::take(&mut model.activity.earlier);
    let onward = match (model.shown_attempt(), to) {
        (None, _) => Onward::Nowhere,
        (Some(attempt), Move::First) => earlier.first(attempt),
        (Some(_), Move::Last) if earlier.shown().is_some() || earlier.wanted().is_some() => {
            earlier.latest();
            Onward::Latest
        }
        (Some(attempt), _) if back => earlier.back(attempt),
        (Some(attempt), _) if on => earlier.on(attempt),
        (Some(_), _) => Onward::Nowhere,
    };
    model.activity.earlier = earlier;
    if onward == Onward::Latest {
        model.activity.turn();
        // Who goes on comes to what follows, who goes to the end stays there.
        model.scroll[Tab::Activity.index()] = Scroll { top: 0, stick: to == Move::Last };
    }
    onward != Onward::Nowhere
}

/// A stretch was read.
pub(super) fn arrived(model: &mut Model, read: EarlierRead) {
    match model.activity.earlier.ingest(read) {
        Some(Ok(stretch)) => {
            model.activity.turn();
            let top = match stretch {
                Stretch::UpTo(_) => usize::MAX,
                Stretch::Behind(_) => 0,
            };
            model.scroll[Tab::Activity.index()] = Scroll { top, stick: false };
        }
        Some(Err(why)) => model.notice = Some(why),
        None => {}
    }
}
