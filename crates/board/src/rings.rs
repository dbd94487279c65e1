//! The latest events, in bounded memory.
//!
//! Each category has its own bound, so that many events of one do not displace the few of another. A filter has a list of its own
//! while it is set: what it takes is kept from its arrival on, and what it does not take displaces nothing there.

use std::collections::VecDeque;

use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;

use crate::{Category, EventRow};

/// Events kept of each category.
const EACH: usize = 1_000;

/// Events kept of those that a filter takes.
const FILTERED: usize = 5_000;

/// Marks kept.
const MARKS: usize = 100;

/// Which events are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those of this category.
    pub category: Option<Category>,
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Only those whose run, step, kind or text has every one of these words. Words in lower case match upper case as well.
    pub words: Vec<String>,
}

impl EventFilter {
    /// Whether it leaves anything out.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.category.is_some() || self.run.is_some() || !self.words.is_empty()
    }

    /// Whether it takes an event.
    #[must_use]
    pub fn takes(&self, event: &EventRow) -> bool {
        self.category.is_none_or(|category| category == event.category)
            && self.run.as_ref().is_none_or(|run| *run == event.run)
            && self.words.iter().all(|word| has(event, word))
    }
}

fn has(event: &EventRow, word: &str) -> bool {
    let exact = word.chars().any(char::is_uppercase);
    let step = event.step.as_deref().unwrap_or_default();
    [&*event.run_name, step, event.kind, &event.text]
        .into_iter()
        .any(|text| if exact { text.contains(word) } else { text.to_lowercase().contains(word) })
}

/// The latest events of all runs.
#[derive(Clone, Debug, Default)]
pub struct Events {
    rings: [VecDeque<EventRow>; Category::ALL.len()],
    counts: [u64; Category::ALL.len()],
    failures: [u64; Category::ALL.len()],
    transitions: VecDeque<EventRow>,
    filter: EventFilter,
    filtered: VecDeque<EventRow>,
    marks: VecDeque<(u64, UtcMillis)>,
    last: u64,
    /// Events up to this number are not shown.
    cleared: u64,
}

impl Events {
    /// Takes an event.
    pub fn add(&mut self, mut event: EventRow) {
        self.last += 1;
        event.number = self.last;
        let place = event.category.index();
        self.counts[place] = self.counts[place].saturating_add(1);
        if event.failed {
            self.failures[place] = self.failures[place].saturating_add(1);
        }
        if event.transition.is_some() {
            push(&mut self.transitions, event.clone(), EACH);
        }
        if self.filter.is_active() && self.filter.takes(&event) {
            push(&mut self.filtered, event.clone(), FILTERED);
        }
        push(&mut self.rings[place], event, EACH);
    }

    /// Lists only what a filter takes, from now on and of what is kept.
    pub fn set_filter(&mut self, filter: EventFilter) {
        if filter == self.filter {
            return;
        }
        self.filter = filter;
        self.filtered.clear();
        if self.filter.is_active() {
            let taken = merged(self.rings.iter(), 0).filter(|event| self.filter.takes(event)).cloned();
            let taken: VecDeque<_> = taken.collect();
            self.filtered = taken;
            while self.filtered.len() > FILTERED {
                self.filtered.pop_front();
            }
        }
    }

    /// The filter that is set.
    #[must_use]
    pub const fn filter(&self) -> &EventFilter {
        &self.filter
    }

    /// The events that are listed, oldest first.
    #[must_use]
    pub fn listed(&self) -> Vec<&EventRow> {
        if self.filter.is_active() {
            self.filtered.iter().filter(|event| event.number > self.cleared).collect()
        } else {
            merged(self.rings.iter(), self.cleared).collect()
        }
    }

    /// The transitions of states that are listed, oldest first.
    pub fn transitions(&self) -> impl DoubleEndedIterator<Item = &EventRow> {
        let shown = |event: &&EventRow| event.number > self.cleared && self.filter.takes(event);
        self.transitions.iter().filter(shown)
    }

    /// The latest event of a category that is kept.
    #[must_use]
    pub fn latest(&self, category: Category) -> Option<&EventRow> {
        self.rings[category.index()].back()
    }

    /// Events of a category since the board was opened.
    #[must_use]
    pub const fn count(&self, category: Category) -> u64 {
        self.counts[category.index()]
    }

    /// Those among them that report a failure.
    #[must_use]
    pub const fn failures(&self, category: Category) -> u64 {
        self.failures[category.index()]
    }

    /// Events since the board was opened.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.last
    }

    /// Marks the place behind the last event.
    pub fn mark(&mut self, at: UtcMillis) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((self.last, at));
    }

    /// The marks that are shown: each behind the event of the number.
    pub fn marks(&self) -> impl DoubleEndedIterator<Item = (u64, UtcMillis)> {
        self.marks.iter().copied().filter(|(number, _)| *number >= self.cleared)
    }

    /// Shows nothing of what there is. The records stay as they are, and so do all counts.
    pub fn clear(&mut self) {
        self.cleared = self.last;
        self.marks.clear();
    }

    /// Shows again what was cleared, as far as it is kept.
    pub const fn restore(&mut self) {
        self.cleared = 0;
    }

    /// Whether something is not shown because it was cleared.
    #[must_use]
    pub const fn is_cleared(&self) -> bool {
        self.cleared > 0
    }
}

fn push(ring: &mut VecDeque<EventRow>, event: EventRow, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(event);
}

/// Events behind a number, in the order of their numbers.
fn merged<'a>(
    rings: impl Iterator<Item = &'a VecDeque<EventRow>>,
    behind: u64,
) -> impl Iterator<Item = &'a EventRow> {
    let mut all: Vec<&EventRow> = rings.flatten().filter(|event| event.number > behind).collect();
    all.sort_unstable_by_key(|event| event.number);
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(category: Category, text: &str) -> EventRow {
        EventRow {
            number: 0,
            at: UtcMillis(1),
            run: RunId::parse("run-1").unwrap(),
            run_name: "r1".into(),
            step: Some("build".into()),
            category,
            kind: "tool.call",
            text: text.to_owned(),
            failed: false,
            transition: None,
        }
    }

    #[test]
    fn a_flood_of_one_category_displaces_no_other() {
        let mut events = Events::default();
        events.add(event(Category::Run, "the first"));
        for number in 0..10_000 {
            events.add(event(Category::Tool, &number.to_string()));
        }
        let listed = events.listed();
        assert_eq!(listed.len(), EACH + 1);
        assert_eq!((listed[0].text.as_str(), listed[EACH].text.as_str()), ("the first", "9999"));
        assert!(listed.is_sorted_by_key(|event| event.number), "in order");
        assert_eq!((events.total(), events.count(Category::Tool)), (10_001, 10_000));
    }

    #[test]
    fn what_a_filter_takes_is_not_displaced_by_what_it_does_not_take() {
        let mut events = Events::default();
        events.add(event(Category::Tool, "before the filter: Needle"));
        events.set_filter(EventFilter { words: vec!["needle".into()], ..EventFilter::default() });
        events.add(event(Category::Tool, "a needle"));
        (0..10_000).for_each(|_| events.add(event(Category::Tool, "hay")));
        let texts: Vec<_> = events.listed().iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["before the filter: Needle", "a needle"]);
        events.set_filter(EventFilter::default());
        assert_eq!(events.listed().len(), EACH, "without a filter the latest are listed again");
    }

    #[test]
    fn clearing_hides_and_loses_nothing() {
        let mut events = Events::default();
        events.add(event(Category::Tool, "one"));
        events.mark(UtcMillis(2));
        assert_eq!(events.marks().collect::<Vec<_>>(), [(1, UtcMillis(2))]);
        events.clear();
        assert!(events.listed().is_empty() && events.marks().next().is_none() && events.is_cleared());
        events.add(event(Category::Tool, "two"));
        assert_eq!((events.listed().len(), events.count(Category::Tool)), (1, 2));
        events.restore();
        assert_eq!(events.listed().len(), 2);
    }
}
