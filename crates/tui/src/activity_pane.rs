//! What an agent does, as far as the person chose what to see of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ratatui::text::Line;
use roboppi_ipc::WorkerEvent;
use roboppi_run::{Act, Activity, ActivityItem, AttemptRef, PartialText, PartialTexts, RunView};

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
    /// The whole of what a chosen item shows the beginning of: its name in the record, and the text.
    whole: Option<(String, String)>,
}

/// Lines of one item, and what they were made from.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) item: Arc<ActivityItem>,
    pub(crate) columns: usize,
    pub(crate) folded: bool,
    pub(crate) lines: Vec<Line<'static>>,
}

impl ActivityPane {
    /// Another attempt is looked at.
    pub(crate) fn leave(&mut self) {
        self.toggled.clear();
        self.all_unfolded = false;
        self.current = None;
        self.rendered.clear();
        self.whole = None;
    }

    /// Takes an event in, and says whether what is being said has changed.
    pub(crate) fn take_in(&mut self, of: &AttemptRef, event: &WorkerEvent) -> bool {
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
        let current = self.rendered.iter().find(|one| Some(one.item.seq) == self.current && !one.folded)?;
        let name = match &current.item.what {
            Act::Text(text) | Act::Thought(text) => text.blob.as_deref(),
            Act::Tool(tool) => tool.result.as_ref()?.result.blob.as_deref(),
            Act::File(_) | Act::Wait(_) | Act::Unknown { .. } => None,
        }?;
        self.whole(Some(name)).is_none().then_some(name)
    }

    /// A value was read.
    pub(crate) fn read(&mut self, name: String, text: String) {
        self.whole = Some((name, text));
        self.rendered.retain(|one| Some(one.item.seq) != self.current);
    }

    /// The value of a name, when it is there.
    pub(crate) fn whole(&self, name: Option<&str>) -> Option<&str> {
        let (known, text) = self.whole.as_ref()?;
        (Some(known.as_str()) == name).then_some(text)
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
        draw: impl Fn(&ActivityItem, bool, &Self) -> Vec<Line<'static>>,
    ) {
        let mut known: HashMap<u64, Rendered> =
            std::mem::take(&mut self.rendered).into_iter().map(|one| (one.item.seq, one)).collect();
        for item in &activity.items {
            let folded = self.is_folded(item);
            let same = known.remove(&item.seq).filter(|one| {
                Arc::ptr_eq(&one.item, item)
                    && one.columns == columns
                    && one.folded == folded
                    // How long it takes changes by itself.
                    && !item.is_running()
            });
            let rendered = same.unwrap_or_else(|| Rendered {
                lines: draw(item, folded, self),
                item: Arc::clone(item),
                columns,
                folded,
            });
            self.rendered.push(rendered);
        }
    }

    /// Chooses the next item that can be folded, `by` steps on, and says which row it begins in.
    pub(crate) fn choose(&mut self, by: isize) -> Option<usize> {
        let mut row = 0;
        let mut places = Vec::new();
        for one in &self.rendered {
            if can_be_folded(&one.item) {
                places.push((one.item.seq, row));
            }
            row += one.lines.len();
        }
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

/// Whether there is more of an item than is shown at first.
fn can_be_folded(item: &ActivityItem) -> bool {
    match &item.what {
        Act::Thought(_) | Act::Unknown { .. } => true,
        Act::Tool(tool) => tool.result.is_some(),
        Act::File(change) => change.patch.is_some(),
        Act::Text(text) => text.text.lines().count() > super::view::TEXT_ROWS,
        Act::Wait(_) => false,
    }
}
