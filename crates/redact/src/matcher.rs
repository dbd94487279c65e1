//! Finds all patterns in a text, and the place from which more bytes could still make one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, Span, packed};
use zeroize::Zeroizing;

use crate::walk::{Pattern, Walks, same};

/// Length of the windows that are searched for. Every pattern has one: the shortest value has as many bytes.
const WINDOW: usize = crate::SHORTEST;

/// Length of the beginnings that are searched for at the end of a text.
const HEAD: usize = 4;

/// Windows that one searcher looks for at once. Measured by `benches/redact.rs`: smaller groups read the text
/// more often, larger ones stop at places where nothing is.
const GROUP: usize = 64;

/// Windows that may begin with the same [`HEAD`] bytes before they are searched for with an automaton: a packed searcher
/// looks at all of them wherever those bytes are.
const CROWD: usize = 8;

/// Bytes of a beginning that are looked at before anything else is compared.
const START: usize = 8;

/// All patterns, in parts that were made one after the other: what comes late costs no more than it must.
#[derive(Clone, Default)]
pub(crate) struct Matchers(Vec<Part>);

#[derive(Clone)]
struct Part {
    /// Number of values whose patterns it has.
    values: usize,
    matcher: Arc<Matcher>,
}

impl Matchers {
    /// Takes in the last `new` of all `values`. A part is never larger than the one before it, so there are few, and
    /// each value is compiled a few times at most. `patterns` gives those of some values.
    pub(crate) fn grow<V>(&mut self, values: &[V], new: usize, patterns: impl Fn(&[V]) -> BTreeSet<Vec<u8>>) {
        let mut count = new;
        while let Some(last) = self.0.pop_if(|last| last.values <= count) {
            count += last.values;
        }
        let matcher = Arc::new(Matcher::new(patterns(&values[values.len() - count..])));
        self.0.push(Part { values: count, matcher });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of patterns.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|part| part.matcher.patterns.len()).sum()
    }

    /// What the patterns cover of `text`: ranges in order that neither overlap nor touch.
    pub(crate) fn find(&self, text: &[u8], into: &mut Vec<Range<usize>>) {
        into.clear();
        for part in &self.0 {
            part.matcher.find(text, into);
        }
        into.sort_unstable_by_key(|range| range.start);
        into.dedup_by(|next, range| {
            let touches = next.start <= range.end;
            if touches {
                range.end = range.end.max(next.end);
            }
            touches
        });
    }

    /// Where the longest end of `text` begins that more bytes could turn into a pattern; its length when none could.
    pub(crate) fn undecided(&self, text: &[u8]) -> usize {
        self.0.iter().map(|part| part.matcher.undecided(text)).min().unwrap_or(text.len())
    }
}

/// A fixed set of patterns, made for searching.
///
/// Each pattern is known by one window of its bytes, taken where it looks least like prose. Encodings of one value
/// mostly share the window, so a set has far fewer windows than patterns.
///
/// Whoever writes the text may have chosen the values, so no text may make the search slow: of the patterns that could
/// begin at a place only a few are compared, and of a long one no byte is compared twice.
struct Matcher {
    /// In order, so that all with one beginning are neighbours.
    patterns: Vec<Pattern>,
    /// Those of up to [`LONG`](crate::walk::LONG) bytes, in order.
    short: Vec<usize>,
    windows: Vec<Group<Vec<Family>>>,
    /// Of short patterns.
    heads: Vec<Group<()>>,
    /// Of long patterns, with those that begin so.
    long_heads: Vec<Group<Vec<usize>>>,
    longest: usize,
    longest_short: usize,
}

/// Patterns whose window lies at the same place in them.
struct Family {
    offset: usize,
    /// What all of them begin with, as far as it is worth to look.
    start: Zeroizing<Vec<u8>>,
    /// Short ones in order, and for each the next shorter one that it begins with, by its place here.
    short: Vec<(usize, Option<usize>)>,
    /// Long ones: one that is not the beginning of another, and the lengths of all that are its beginning, its own
    /// included, the longest first.
    long: Vec<(usize, Vec<usize>)>,
}

/// What is searched for in one pass over the text, and what each needle stands for.
struct Group<T> {
    search: Search,
    owners: Vec<T>,
}

enum Search {
    Packed(packed::Searcher),
    /// For needles that begin alike, and where the processor has no vectors to search with.
    Automaton(AhoCorasick),
}

impl Search {
    /// None when `needles` cannot be searched for, which does not happen for some short ones.
    fn new(needles: &[&[u8]], alike: bool) -> Option<Self> {
        let packed = || packed::Config::new().builder().extend(needles).build().map(Self::Packed);
        let packed = if alike { None } else { packed() };
        packed.or_else(|| AhoCorasick::new(needles).ok().map(Self::Automaton))
    }

    /// Gives each needle at or after `from`, in order, with its place and which one it is, until `found` says that
    /// this was the last.
    fn each(&self, text: &[u8], mut from: usize, mut found: impl FnMut(usize, usize) -> ControlFlow<()>) {
        match self {
            Self::Packed(search) => {
                while let Some(hit) = search.find_in(text, Span::from(from..text.len())) {
                    if found(hit.start(), hit.pattern().as_usize()).is_break() {
                        return;
                    }
                    from = hit.start() + 1;
                }
            }
            // Needles have one length, so those that overlap come in the order of their beginnings.
            Self::Automaton(search) => {
                for hit in search.find_overlapping_iter(&text[from..]) {
                    if found(from + hit.start(), hit.pattern().as_usize()).is_break() {
                        return;
                    }
                }
            }
        }
    }
}

/// Searchers for needles that have one length.
fn groups<T>(needles: BTreeMap<&[u8], T>) -> Vec<Group<T>> {
    let mut begin_alike: BTreeMap<&[u8], usize> = BTreeMap::new();
    for needle in needles.keys() {
        *begin_alike.entry(&needle[..HEAD]).or_default() += 1;
    }
    let (crowd, others): (Vec<_>, Vec<_>) =
        needles.into_iter().partition(|(needle, _)| begin_alike[&needle[..HEAD]] > CROWD);
    let mut groups = Vec::new();
    let mut add = |part: Vec<(&[u8], T)>, alike: bool| {
        let (needles, owners): (Vec<&[u8]>, Vec<T>) = part.into_iter().unzip();
        let search = Search::new(&needles, alike);
        assert!(search.is_some(), "a pattern that is not searched for would leak");
        groups.extend(search.map(|search| Group { search, owners }));
    };
    let mut others = others.into_iter().peekable();
    while others.peek().is_some() {
        add(others.by_ref().take(GROUP).collect(), false);
    }
    if !crowd.is_empty() {
        add(crowd, true);
    }
    groups
}

impl Matcher {
    /// All patterns have at least [`SHORTEST`](crate::SHORTEST) bytes.
    fn new(patterns: BTreeSet<Vec<u8>>) -> Self {
        let pattern = |bytes| Pattern { bytes: Zeroizing::new(bytes), repeats: OnceLock::new() };
        let patterns: Vec<_> = patterns.into_iter().map(pattern).collect();
        let mut windows: BTreeMap<&[u8], BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        let mut heads: BTreeMap<&[u8], ()> = BTreeMap::new();
        let mut long_heads: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (at, pattern) in patterns.iter().enumerate() {
            let offset = window(&pattern.bytes);
            let window = &pattern.bytes[offset..offset + WINDOW];
            windows.entry(window).or_default().entry(offset).or_default().push(at);
            if pattern.is_long() {
                long_heads.entry(&pattern.bytes[..HEAD]).or_default().push(at);
            } else {
                heads.insert(&pattern.bytes[..HEAD], ());
            }
        }
        let families = |places: BTreeMap<usize, Vec<usize>>| -> Vec<Family> {
            places.into_iter().map(|(offset, members)| Family::new(offset, members, &patterns)).collect()
        };
        let windows: BTreeMap<_, _> =
            windows.into_iter().map(|(window, places)| (window, families(places))).collect();
        let (windows, heads, long_heads) = (groups(windows), groups(heads), groups(long_heads));
        let short: Vec<_> = (0..patterns.len()).filter(|at| !patterns[*at].is_long()).collect();
        let longest = patterns.iter().map(Pattern::len).max().unwrap_or(0);
        let longest_short = short.iter().map(|at| patterns[*at].len()).max().unwrap_or(0);
        Self { windows, heads, long_heads, short, longest, longest_short, patterns }
    }

    /// Adds what the patterns cover of `text`, in no order.
    fn find(&self, text: &[u8], into: &mut Vec<Range<usize>>) {
        let mut walks = Walks::new(text);
        for group in &self.windows {
            group.search.each(text, 0, |at, which| {
                for family in &group.owners[which] {
                    let Some(start) = at.checked_sub(family.offset) else { continue };
                    if !text[start..].starts_with(&family.start) {
                        continue;
                    }
                    let long = family.long.iter().filter_map(|(longest, lengths)| {
                        let length = walks.length_at(start, *longest, &self.patterns[*longest]);
                        lengths.get(lengths.partition_point(|known| *known > length)).copied()
                    });
                    if let Some(length) = long.max().or_else(|| self.short_at(family, &text[start..])) {
                        cover(into, start..start + length);
                    }
                }
                ControlFlow::Continue(())
            });
        }
    }

    /// The length of the longest short one of a family that `text` begins with.
    fn short_at(&self, family: &Family, text: &[u8]) -> Option<usize> {
        // All that it begins with are before it, and the last of those before it begins with all of them.
        let bytes = |member: &(usize, Option<usize>)| self.patterns[member.0].bytes.as_slice();
        let mut member = family.short.partition_point(|member| bytes(member) <= text).checked_sub(1);
        while let Some(at) = member {
            let (pattern, shorter) = &family.short[at];
            if text.starts_with(&self.patterns[*pattern].bytes) {
                return Some(self.patterns[*pattern].len());
            }
            member = *shorter;
        }
        None
    }

    /// Where the longest end of `text` begins that more bytes could turn into a pattern; its length when none could.
    fn undecided(&self, text: &[u8]) -> usize {
        let mut first = text.len();
        let tail = |longest: usize| text.len().saturating_sub(longest.saturating_sub(1));

        let mut walks = Walks::new(text);
        let long_tail = tail(self.longest);
        for group in &self.long_heads {
            let end = first.saturating_add(HEAD - 1).min(text.len());
            group.search.each(&text[..end], long_tail, |at, which| {
                let goes_on = |pattern: &usize| {
                    let pattern = (*pattern, &self.patterns[*pattern]);
                    text.len() - at < pattern.1.len()
                        && walks.length_at(at, pattern.0, pattern.1) == text.len() - at
                };
                if group.owners[which].iter().any(goes_on) {
                    first = at;
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
        }
        let short_tail = tail(self.longest_short);
        for group in &self.heads {
            let end = first.saturating_add(HEAD - 1).min(text.len());
            group.search.each(&text[..end], short_tail.min(end), |at, _| {
                if self.begins(&text[at..]) {
                    first = at;
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
        }
        let short = text.len().saturating_sub(HEAD - 1);
        (short..first).find(|at| self.begins_any(&text[*at..])).unwrap_or(first)
    }

    /// Whether some short pattern begins with `text` and goes on.
    fn begins(&self, text: &[u8]) -> bool {
        let bytes = |at: usize| self.patterns[at].bytes.as_slice();
        let at = self.short.partition_point(|at| bytes(*at) <= text);
        self.short.get(at).is_some_and(|at| bytes(*at).starts_with(text))
    }

    /// Whether some pattern begins with `text`, which is very short, and goes on.
    fn begins_any(&self, text: &[u8]) -> bool {
        let at = self.patterns.partition_point(|pattern| pattern.bytes.as_slice() <= text);
        self.patterns.get(at).is_some_and(|pattern| pattern.bytes.starts_with(text))
    }
}

impl Family {
    /// `members` are in order.
    fn new(offset: usize, members: Vec<usize>, patterns: &[Pattern]) -> Self {
        let bytes = |at: usize| patterns[at].bytes.as_slice();
        let start = match members.as_slice() {
            [] => &[],
            // What the first and the last begin with, all between them do.
            [first, .., last] => &bytes(*first)[..same(bytes(*first), bytes(*last)).min(START)],
            [only] => &bytes(*only)[..START],
        };
        let start = Zeroizing::new(start.to_vec());
        let (mut longs, short): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|at| patterns[*at].is_long());
        longs.sort_by_key(|at| std::cmp::Reverse(patterns[*at].len()));
        let mut long: Vec<(usize, Vec<usize>)> = Vec::new();
        for at in longs {
            match long.iter_mut().find(|(longest, _)| bytes(*longest).starts_with(bytes(at))) {
                Some((_, lengths)) => lengths.push(patterns[at].len()),
                None => long.push((at, vec![patterns[at].len()])),
            }
        }
        let mut chained: Vec<(usize, Option<usize>)> = Vec::with_capacity(short.len());
        for at in short {
            let mut shorter = chained.len().checked_sub(1);
            while let Some(before) = shorter
                && !bytes(at).starts_with(bytes(chained[before].0))
            {
                shorter = chained[before].1;
            }
            chained.push((at, shorter));
        }
        Self { offset, start, short: chained, long }
    }
}

/// Adds a range, or lengthens the last one when both overlap.
fn cover(ranges: &mut Vec<Range<usize>>, new: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if new.start >= last.start && new.start <= last.end => last.end = last.end.max(new.end),
        _ => ranges.push(new),
    }
}

/// Where in a pattern the bytes lie that are rarest in ordinary text: different ones, rather digits and capitals,
/// and none that an encoding would change.
fn window(pattern: &[u8]) -> usize {
    let score = |window: &[u8]| {
        // The searcher decides by the first bytes where it looks closer.
        let first = &window[..HEAD];
        let weight = |(at, byte): (usize, &u8)| match byte {
            _ if first[..at].contains(byte) => 0,
            b'0'..=b'9' | b'A'..=b'Z' => 4,
            b'a'..=b'z' => 3,
            _ => 1,
        };
        let changed = window.iter().filter(|byte| !byte.is_ascii_alphanumeric()).count();
        let rare = first.iter().enumerate().map(weight).sum::<usize>() * 2 + (WINDOW - changed);
        // Of windows that are as good, the one that is less often within the value itself.
        let different = window.iter().enumerate().filter(|(at, byte)| !window[..*at].contains(byte)).count();
        (rare, different)
    };
    let best = pattern.windows(WINDOW).enumerate().rev().max_by_key(|(_, window)| score(window));
    best.map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values as somebody chooses them who wants the search to be slow: long, short, repeating, and alike.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let repeated = (prop_oneof![Just("a"), Just("ab"), Just("aab"), Just("abcdefgh")], 8_usize..700);
        let repeated =
            repeated.prop_map(|(what, length)| what.bytes().cycle().take(length).collect::<Vec<u8>>());
        (repeated, "[abz]{0,3}", "[abz]{0,12}")
            .prop_map(|(middle, start, end)| [start.into_bytes(), middle, end.into_bytes()].concat())
    }

    fn plain_ranges(patterns: &BTreeSet<Vec<u8>>, text: &[u8]) -> Vec<Range<usize>> {
        let mut hidden = vec![false; text.len()];
        for pattern in patterns {
            for at in 0..text.len() {
                if text[at..].starts_with(pattern) {
                    hidden[at..at + pattern.len()].fill(true);
                }
            }
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for at in (0..text.len()).filter(|at| hidden[*at]) {
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end += 1,
                _ => ranges.push(at..at + 1),
            }
        }
        ranges
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_is_what_comparing_everywhere_finds(
            values in proptest::collection::btree_set(value(), 1..30),
            pieces in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..1200, "[abz]{0,3}"), 1..6),
        ) {
            let list: Vec<_> = values.iter().collect();
            let mut text = Vec::new();
            for (which, length, between) in pieces {
                let value = list[which.index(list.len())];
                text.extend(value.iter().cycle().take(length));
                text.extend(between.bytes());
            }
            let mut matchers = Matchers::default();
            matchers.grow(&list, list.len(), |values| values.iter().map(|value| (*value).clone()).collect());
            let mut found = Vec::new();
            matchers.find(&text, &mut found);
            prop_assert_eq!(found, plain_ranges(&values, &text));
            let goes_on = |at: &usize| values.iter().any(|value| value.len() > text.len() - at && value.starts_with(&text[*at..]));
            prop_assert_eq!(matchers.undecided(&text), (0..text.len()).find(goes_on).unwrap_or(text.len()));
        }
    }

    #[test]
    fn values_that_hardly_differ_have_windows_that_do() {
        let values: Vec<_> =
            (0..100).map(|number| format!("{}{number:03}", "a".repeat(60)).into_bytes()).collect();
        let windows: BTreeSet<_> = values.iter().map(|value| &value[window(value)..]).collect();
        assert_eq!(windows.len(), 100);
        let long = [vec![b'a'; 60_000], vec![b'b']].concat();
        assert_eq!(window(&long), 60_001 - WINDOW);
    }
}
