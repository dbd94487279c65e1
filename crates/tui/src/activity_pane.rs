//! What an agent does, as far as the person chose what to see of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ratatui::text::Line;
use roboppi_ipc::WorkerEvent;
use roboppi_run::{Act, Activity, ActivityItem, AttemptRef, PartialText, PartialTexts, RunView};

mod earlier;
mod tree;

pub(crate) use earlier::{EarlierRead, EarlierRequest, HistoryPane, Onward};

/// Rows of a text that are shown of a folded one.
pub(crate) const TEXT_ROWS: usize = 24;

/// The state of the tab.
#[derive(Debug, Default)]
pub(crate) struct ActivityPane {
    /// What is being said right now.
    partial: HashMap<AttemptRef, PartialTexts>,
    /// Items that are unfolded although all are folded, or the other way round.
    toggled: HashSet<u64>,
    all_unfolded: bool,
    /// Number of the item that is chosen.
    current: Option<u64>,
    rendered: Vec<Rendered>,
    /// The whole of what the chosen item shows the beginning of: names in the record, and the texts. At most two.
    whole: Vec<(String, String)>,
    /// Where it is among all things, of which only the latest are kept.
    pub(crate) earlier: HistoryPane,
}

/// Lines of one item, and what they were made from.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) item: Arc<ActivityItem>,
    pub(crate) columns: usize,
    pub(crate) layout: ItemLayout,
    pub(crate) lines: Vec<Line<'static>>,
    /// There is more to show than there was.
    is_stale: bool,
}

/// What decides, beside the item, how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemLayout {
    pub(crate) folded: bool,
    /// The item before it is something that was said, which ends with an empty line.
    pub(crate) after_text: bool,
    /// How many sub-agents it is in.
    pub(crate) depth: usize,
    /// The call that started its sub-agent is not above it.
    pub(crate) is_apart: bool,
    /// Its call started a sub-agent, of which nothing is shown.
    pub(crate) hides: bool,
}

impl ActivityPane {
    /// Another attempt is looked at.
    pub(crate) fn leave(&mut self) {
        self.toggled.clear();
        self.all_unfolded = false;
        self.current = None;
        self.rendered.clear();
        self.whole.clear();
        self.earlier.latest();
    }

    /// Other things are shown than before.
    pub(crate) fn turn(&mut self) {
        self.current = None;
        self.rendered.clear();
        self.whole.clear();
    }

    /// Takes an event in, and says whether what is being said has changed.
    pub(crate) fn ingest(&mut self, of: &AttemptRef, event: &WorkerEvent) -> bool {
        match event {
            WorkerEvent::TextDelta(_) | WorkerEvent::ThinkingDelta(_) => {
                self.partial.entry(of.clone()).or_default().apply(event)
            }
            _ => self.partial.get_mut(of).is_some_and(|partial| partial.apply(event)),
        }
    }

    /// An attempt is over: nothing is being said any more.
    pub(crate) fn over(&mut self, of: &AttemptRef) {
        self.partial.remove(of);
    }

    /// The run was read anew: what was said meanwhile is missing.
    pub(crate) fn read_anew(&mut self, view: &RunView) {
        self.partial.retain(|of, _| view.attempt(of).is_some_and(|attempt| attempt.finished_at.is_none()));
        self.partial.values_mut().for_each(PartialTexts::miss);
    }

    pub(crate) fn partial(&self, of: &AttemptRef) -> impl Iterator<Item = &PartialText> {
        self.partial.get(of).into_iter().flat_map(PartialTexts::iter)
    }

    pub(crate) fn is_folded(&self, item: &ActivityItem) -> bool {
        self.toggled.contains(&item.seq) == self.all_unfolded
    }

    /// The name of a recorded value that is to be shown and not there yet.
    pub(crate) fn wanted(&self) -> Option<&str> {
        let current =
            self.rendered.iter().find(|one| Some(one.item.seq) == self.current && !one.layout.folded)?;
        wholes(&current.item).into_iter().flatten().find(|name| self.whole(Some(name)).is_none())
    }

    /// A value was read.
    pub(crate) fn read(&mut self, name: String, text: String) {
        let current = self.rendered.iter().find(|one| Some(one.item.seq) == self.current);
        let names = current.map(|one| wholes(&one.item)).unwrap_or_default();
        self.whole.retain(|(known, _)| names.contains(&Some(known.as_str())) && *known != name);
        self.whole.push((name, text));
        if let Some(current) = self.rendered.iter_mut().find(|one| Some(one.item.seq) == self.current) {
            current.is_stale = true;
        }
    }

    /// The value of a name, when it is there.
    pub(crate) fn whole(&self, name: Option<&str>) -> Option<&str> {
        let known = self.whole.iter().find(|(known, _)| Some(known.as_str()) == name);
        known.map(|(_, text)| text.as_str())
    }

    pub(crate) const fn current(&self) -> Option<u64> {
        self.current
    }

    pub(crate) fn rendered(&self) -> &[Rendered] {
        &self.rendered
    }

    /// Renders what has changed since the last time.
    pub(crate) fn render(
        &mut self,
        activity: &Activity,
        columns: usize,
        draw: impl Fn(&ActivityItem, ItemLayout, &Self) -> Vec<Line<'static>>,
    ) {
        let mut known: HashMap<u64, Rendered> =
            std::mem::take(&mut self.rendered).into_iter().map(|one| (one.item.seq, one)).collect();
        let mut after_text = false;
        for tree::ShownRow { row, is_header, hides } in tree::shown(activity, |item| self.is_folded(item)) {
            let item = &activity.items[row.item];
            let is_apart = row.within.is_none() && row.depth > 0;
            let layout =
                ItemLayout { folded: self.is_folded(item), after_text, depth: row.depth, is_apart, hides };
            after_text = matches!(item.what, Act::Text(_));
            let same = known.remove(&item.seq).filter(|one| {
                Arc::ptr_eq(&one.item, item)
                    && one.columns == columns
                    && one.layout == layout
                    && !one.is_stale
                    // How long it takes changes by itself, and how a sub-agent stands by what that does.
                    && !item.is_running()
                    && !is_header
            });
            let rendered = same.unwrap_or_else(|| Rendered {
                lines: draw(item, layout, self),
                item: Arc::clone(item),
                columns,
                layout,
                is_stale: false,
            });
            self.rendered.push(rendered);
        }
    }

    /// The item a row belongs to, by its number, and which of its rows that is.
    pub(crate) fn place_of(&self, row: usize) -> Option<(u64, usize)> {
        let mut left = row;
        for one in &self.rendered {
            match left.checked_sub(one.lines.len()) {
                Some(rest) => left = rest,
                None => return Some((one.item.seq, left)),
            }
        }
        None
    }

    /// Where a place is now; where the next item begins when the one it was in is shown no more.
    pub(crate) fn row_of(&self, (seq, within): (u64, usize)) -> usize {
        let place = |is: &dyn Fn(u64) -> bool| self.rendered.iter().position(|one| is(one.item.seq));
        let before = place(&|one| one == seq).or_else(|| place(&|one| one > seq));
        let before = before.unwrap_or(self.rendered.len());
        let row: usize = self.rendered[..before].iter().map(|one| one.lines.len()).sum();
        let same = self.rendered.get(before).filter(|one| one.item.seq == seq);
        row + same.map_or(0, |one| within.min(one.lines.len().saturating_sub(1)))
    }

    /// Numbers and first rows of the items that can be folded.
    fn places(&self) -> Vec<(u64, usize)> {
        let mut row = 0;
        let mut places = Vec::new();
        for one in &self.rendered {
            if can_be_folded(&one.item) {
                places.push((one.item.seq, row));
            }
            row += one.lines.len();
        }
        places
    }

    /// Whether no item can be chosen that way, because the one that is chosen is the last one.
    pub(crate) fn is_at_edge(&self, by: isize) -> bool {
        let places = self.places();
        let edge = if by < 0 { places.first() } else { places.last() };
        self.current.is_some() && edge.is_none_or(|(seq, _)| Some(*seq) == self.current)
    }

    /// Chooses the next item that can be folded, `by` steps on, and says which row it begins in.
    pub(crate) fn choose(&mut self, by: isize) -> Option<usize> {
        let places = self.places();
        let last = places.len().checked_sub(1)?;
        let at = self.current.and_then(|current| places.iter().position(|(seq, _)| *seq == current));
        let next = match at {
            Some(at) => at.saturating_add_signed(by).min(last),
            None if by < 0 => last,
            None => 0,
        };
        self.current = Some(places[next].0);
        Some(places[next].1)
    }

    /// Folds or unfolds the chosen item; the latest one when none is chosen.
    pub(crate) fn fold(&mut self) {
        if self.current.is_none() {
            self.choose(-1);
        }
        if let Some(current) = self.current
            && !self.toggled.remove(&current)
        {
            self.toggled.insert(current);
        }
    }

    /// Unfolds everything, or folds it again.
    pub(crate) fn fold_all(&mut self) {
        self.toggled.clear();
        self.all_unfolded = !self.all_unfolded;
    }
}

/// The names of what is recorded of an item because it is too long for it.
fn wholes(item: &ActivityItem) -> [Option<&str>; 2] {
    match &item.what {
        Act::Text(text) | Act::Thought(text) => [text.blob.as_deref(), None],
        Act::Tool(tool) => {
            [tool.blob.as_deref(), tool.result.as_ref().and_then(|outcome| outcome.result.blob.as_deref())]
        }
        Act::File(_) | Act::Wait(_) | Act::Remark(_) | Act::Unknown { .. } | Act::Missing { .. } => {
            [None, None]
        }
    }
}

/// Whether there is more of an item than is shown at first.
fn can_be_folded(item: &ActivityItem) -> bool {
    match &item.what {
        Act::Thought(_) | Act::Unknown { .. } | Act::Tool(_) => true,
        Act::File(change) => change.patch.is_some(),
        Act::Text(text) => text.blob.is_some() || text.text.lines().count() > TEXT_ROWS,
        Act::Wait(_) | Act::Remark(_) | Act::Missing { .. } => false,
    }
}
