//! The latest events of a run, serialised once for all who follow it.
//!
//! A follower is a place in the ring and a cursor. The ring keeps no list of followers: a slow one costs nothing, and reads from
//! the record what the ring has given up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cursor::{Cursor, Place};
use super::pacing::Waiting;

/// Events among which an important one is looked for.
const LOOKAHEAD: usize = 32;

/// An event as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Tool of a call.
    pub(crate) tool: Option<String>,
    /// It is sent without delay, with all that is before it.
    pub(crate) important: bool,
    /// JSON of its fields without the cursor, from behind the opening brace on.
    pub(crate) body: String,
}

impl Sent {
    /// JSON of the event for a client whose cursor behind it is this one.
    pub(crate) fn with_cursor(&self, cursor: &str) -> String {
        format!("{{\"cursor\":\"{cursor}\",{}", self.body)
    }

    /// Bytes of it.
    pub(crate) fn len(&self, cursor: &str) -> usize {
        self.body.len() + cursor.len() + 13
    }
}

/// An event in the ring, with the cursor behind it in the order of the ring.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event: Arc<Sent>,
    pub(crate) cursor: Arc<str>,
}

/// What the ring keeps at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingBounds {
    /// Events.
    pub(crate) events: usize,
    /// Bytes of their JSON. The latest event is kept however long it is.
    pub(crate) bytes: usize,
}

impl Default for RingBounds {
    fn default() -> Self {
        Self { events: 4096, bytes: 4 * 1024 * 1024 }
    }
}

/// The latest events.
#[derive(Debug)]
pub(crate) struct Ring {
    bounds: RingBounds,
    entries: VecDeque<Entry>,
    /// Number of the first entry among all there were.
    first: u64,
    bytes: usize,
    /// Before the first entry.
    start: Cursor,
    /// Behind the last entry.
    head: Cursor,
}

/// A follower: a place in the ring, and what it knows beyond that.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// Number of the next entry.
    next: u64,
    /// Behind what it has; `None` when that is all before `next`, and nothing else.
    ahead: Option<Cursor>,
    /// As text.
    cursor: Arc<str>,
}

/// What a follower finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// The next event, and the cursor behind it.
    Event(Arc<Sent>, Arc<str>),
    /// It has everything.
    Nothing,
    /// The ring has given up what comes next.
    Lost,
}

impl Ring {
    /// A ring that begins at a cursor.
    pub(crate) fn new(bounds: RingBounds, at: Cursor) -> Self {
        let entries = VecDeque::new();
        Self { bounds, entries, first: 0, bytes: 0, start: at.clone(), head: at }
    }

    /// Takes an event that is not before the head.
    pub(crate) fn push(&mut self, event: Sent) {
        self.head.advance(event.place);
        self.bytes += event.body.len();
        let cursor = self.head.to_string().into();
        self.entries.push_back(Entry { event: Arc::new(event), cursor });
        while self.entries.len() > self.bounds.events.max(1)
            || (self.bytes > self.bounds.bytes && self.entries.len() > 1)
        {
            let Some(entry) = self.entries.pop_front() else { break };
            self.bytes -= entry.event.body.len();
            self.first += 1;
            self.start.advance(entry.event.place);
        }
    }

    /// Behind the last event.
    pub(crate) const fn head(&self) -> &Cursor {
        &self.head
    }

    /// Number of the next event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// A follower that has everything so far.
    pub(crate) fn at_head(&self) -> Follower {
        Follower { next: self.end(), ahead: None, cursor: self.head.to_string().into() }
    }

    /// A follower that has all but the latest `count` events; fewer when the ring has not as many.
    pub(crate) fn before_latest(&self, count: usize) -> Option<Follower> {
        let index = self.entries.len().checked_sub(count)?;
        let cursor = match index.checked_sub(1).and_then(|before| self.entries.get(before)) {
            Some(entry) => Arc::clone(&entry.cursor),
            None => self.start.to_string().into(),
        };
        Some(Follower { next: self.first + index as u64, ahead: None, cursor })
    }

    /// A follower that has everything before a cursor; `None` when the ring has not all that is behind it.
    pub(crate) fn follow(&self, after: &Cursor) -> Option<Follower> {
        if *after == self.head {
            return Some(self.at_head());
        }
        if !after.covers_all(&self.start) {
            return None;
        }
        let ahead = (*after != self.start).then(|| after.clone());
        Some(Follower { next: self.first, ahead, cursor: after.to_string().into() })
    }

    /// Events that a follower does not have yet, and whether an important one is among the next ones.
    pub(crate) fn waiting(&self, follower: &Follower) -> Waiting {
        let begin = usize::try_from(follower.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let important = self.entries.iter().skip(begin).take(LOOKAHEAD).any(|entry| entry.event.important);
        Waiting { events: self.end().saturating_sub(follower.next), important }
    }

    /// The next event of a follower, which goes behind it.
    pub(crate) fn next(&self, follower: &mut Follower) -> Found {
        loop {
            let Some(index) = follower.next.checked_sub(self.first) else { return Found::Lost };
            let Some(entry) = usize::try_from(index).ok().and_then(|index| self.entries.get(index)) else {
                return Found::Nothing;
            };
            follower.next += 1;
            let place = entry.event.place;
            let Some(ahead) = &mut follower.ahead else {
                follower.cursor = Arc::clone(&entry.cursor);
                return Found::Event(Arc::clone(&entry.event), Arc::clone(&follower.cursor));
            };
            let has_it = ahead.covers(place);
            if !has_it {
                ahead.advance(place);
                follower.cursor = ahead.to_string().into();
            }
            if *entry.cursor == *follower.cursor {
                follower.ahead = None;
            }
            if has_it {
                continue;
            }
            return Found::Event(Arc::clone(&entry.event), Arc::clone(&follower.cursor));
        }
    }
}

impl Follower {
    /// Behind what it has.
    pub(crate) fn cursor(&self) -> &Arc<str> {
        &self.cursor
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cursor::Effect;
    use super::*;

    fn event(place: Place) -> Sent {
        Sent { place, kind: "k", tool: None, important: false, body: format!("{place:?}") }
    }

    /// Events of a journal and of attempts, in one order of reading: each number opens, closes or adds to one.
    fn story(choices: &[u8]) -> Vec<Place> {
        let (mut seq, mut open, mut begun) = (0, Vec::<(u32, u64)>::new(), 0);
        let mut places = Vec::new();
        for choice in choices {
            let pick = usize::from(*choice) % (open.len() + 1);
            places.push(match (choice % 5, pick.checked_sub(1)) {
                (0, _) | (_, None) => {
                    (seq, begun) = (seq + 1, begun + 1);
                    open.push((begun, 0));
                    Place::Journal { seq, effect: Effect::Opens }
                }
                (1, Some(index)) => {
                    seq += 1;
                    Place::Journal { seq, effect: Effect::Closes(open.swap_remove(index).0) }
                }
                (_, Some(index)) => {
                    let (attempt, next) = &mut open[index];
                    *next += 1 + u64::from(choice % 3);
                    Place::Attempt { attempt: *attempt, seq: *next - 1 }
                }
            });
        }
        places
    }

    fn drain(ring: &Ring, follower: &mut Follower, into: &mut Vec<Place>) -> bool {
        loop {
            match ring.next(follower) {
                Found::Event(event, cursor) => {
                    into.push(event.place);
                    assert_eq!(cursor, follower.cursor);
                }
                Found::Nothing => return true,
                Found::Lost => return false,
            }
        }
    }

    #[test]
    fn bounds_hold_and_a_follower_that_is_too_slow_is_told() {
        let mut ring = Ring::new(RingBounds { events: 3, bytes: 1000 }, Cursor::default());
        let mut slow = ring.at_head();
        for seq in 1..=5 {
            ring.push(event(Place::Journal { seq, effect: Effect::None }));
        }
        assert_eq!((ring.entries.len(), ring.start.journal(), ring.waiting(&slow).events), (3, 2, 5));
        assert!(matches!(ring.next(&mut slow), Found::Lost));
        assert!(ring.follow(&"1".parse().unwrap()).is_none());
        let mut resumed = ring.follow(&"3".parse().unwrap()).unwrap();
        let mut got = Vec::new();
        assert!(drain(&ring, &mut resumed, &mut got));
        assert_eq!(got.len(), 2);
        ring.push(Sent { body: "x".repeat(2000), ..event(Place::Journal { seq: 6, effect: Effect::None }) });
        assert_eq!(ring.entries.len(), 1, "the latest is kept");
    }

    /// SplitMix64.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Clients of one small ring, each cut at random moments, whose missed events the record has: 10,000 cuts, and every client
    /// has every event once and in order.
    #[test]
    fn ten_thousand_cuts_lose_and_double_nothing() {
        const CUTS: usize = 10_000;
        let (mut cuts, mut seed, mut from_record) = (0, 22_u64, 0);
        while cuts < CUTS {
            seed += 1;
            let mut state = seed;
            let choices: Vec<u8> = (0..300).map(|_| random(&mut state).to_le_bytes()[0]).collect();
            let places = story(&choices);
            let mut ring = Ring::new(RingBounds { events: 40, bytes: usize::MAX }, Cursor::default());
            let mut clients: Vec<(Follower, Vec<Place>)> =
                (0..5).map(|_| (ring.at_head(), Vec::new())).collect();
            for (index, place) in places.iter().enumerate() {
                ring.push(event(*place));
                for (follower, got) in &mut clients {
                    for _ in 0..random(&mut state) % 3 {
                        if let Found::Event(event, _) = ring.next(follower) {
                            got.push(event.place);
                        }
                    }
                    if random(&mut state).is_multiple_of(8) {
                        cuts += 1;
                        // All that is left of a client is the text of its cursor.
                        let mut cursor: Cursor = follower.cursor().parse().unwrap();
                        *follower = ring.follow(&cursor).unwrap_or_else(|| {
                            from_record += 1;
                            for place in &places[..=index] {
                                if !cursor.covers(*place) {
                                    got.push(*place);
                                    cursor.advance(*place);
                                }
                            }
                            ring.follow(&cursor).unwrap()
                        });
                    }
                }
            }
            for (number, (mut follower, mut got)) in clients.into_iter().enumerate() {
                if !drain(&ring, &mut follower, &mut got) {
                    let mut cursor: Cursor = follower.cursor().parse().unwrap();
                    for place in &places {
                        if !cursor.covers(*place) {
                            got.push(*place);
                            cursor.advance(*place);
                        }
                    }
                }
                assert_eq!(got, places, "seed {seed}, client {number}");
            }
        }
        assert!(from_record > 100, "{from_record} resumed from the record");
    }

    proptest! {
        #[test]
        fn a_follower_that_is_cut_anywhere_has_every_event_once_and_in_order(
            choices in prop::collection::vec(any::<u8>(), 1..200),
            cuts in prop::collection::vec(0usize..200, 0..20),
        ) {
            let places = story(&choices);
            let mut ring = Ring::new(RingBounds { events: 1000, bytes: usize::MAX }, Cursor::default());
            let mut follower = ring.at_head();
            let mut got = Vec::new();
            for (index, place) in places.iter().enumerate() {
                ring.push(event(*place));
                if cuts.contains(&index) {
                    // As much as was applied, and then a new connection with its cursor alone.
                    for _ in 0..index % 4 {
                        if let Found::Event(event, _) = ring.next(&mut follower) {
                            got.push(event.place);
                        }
                    }
                    let cursor: Cursor = follower.cursor().parse().unwrap();
                    follower = ring.follow(&cursor).unwrap();
                }
            }
            prop_assert!(drain(&ring, &mut follower, &mut got));
            prop_assert_eq!(got, places);
        }

        #[test]
        fn another_order_of_reading_gives_every_event_once(
            choices in prop::collection::vec(any::<u8>(), 1..200),
            cut in 0usize..200,
        ) {
            // A server read the journal and attempts in one order, and the next one in another: stable by stream.
            let places = story(&choices);
            let cut = cut.min(places.len());
            let mut known = Cursor::default();
            places[..cut].iter().for_each(|place| known.advance(*place));
            let mut other = Ring::new(RingBounds { events: 1000, bytes: usize::MAX }, Cursor::default());
            // Events of attempts as late as they may be: directly before the record that ends them.
            let mut held: Vec<Place> = Vec::new();
            for place in &places {
                match place {
                    Place::Attempt { .. } => held.push(*place),
                    Place::Journal { effect: Effect::Closes(ended), .. } => {
                        let of_it = |held: &&Place| matches!(held, Place::Attempt { attempt, .. } if attempt == ended);
                        held.iter().filter(of_it).for_each(|place| other.push(event(*place)));
                        held.retain(|place| !of_it(&place));
                        other.push(event(*place));
                    }
                    Place::Journal { .. } => other.push(event(*place)),
                }
            }
            held.iter().for_each(|place| other.push(event(*place)));
            let mut follower = other.follow(&known).unwrap();
            let mut got = Vec::new();
            prop_assert!(drain(&other, &mut follower, &mut got));
            let sorted = |places: &[Place]| {
                let mut texts: Vec<_> = places.iter().map(|place| format!("{place:?}")).collect();
                texts.sort();
                texts
            };
            prop_assert_eq!(sorted(&got), sorted(&places[cut..]));
            prop_assert_eq!(follower.cursor().to_string(), other.head().to_string());
        }
    }
}
