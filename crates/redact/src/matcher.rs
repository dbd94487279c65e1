//! Finds all patterns in a text, and the place from which more bytes could still make one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, Span, packed};
use zeroize::Zeroizing;

/// Length of the windows that are searched for. Every pattern has one: the shortest value has as many bytes.
const WINDOW: usize = crate::SHORTEST;

/// Length of the beginnings that are searched for at the end of a text.
const HEAD: usize = 4;

/// Windows that one searcher looks for at once. Measured by `benches/redact.rs`: smaller groups read the text
/// more often, larger ones stop at places where nothing is.
const GROUP: usize = 64;

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
struct Matcher {
    /// In order, so that all with one beginning are neighbours.
    patterns: Vec<Zeroizing<Vec<u8>>>,
    windows: Vec<Group>,
    heads: Vec<Group>,
    longest: usize,
}

/// The patterns that a window stands for, and where in them it lies.
type Owners = Vec<(usize, usize)>;

/// What is searched for in one pass over the text.
struct Group {
    search: Search,
    /// Those of each window.
    owners: Vec<Owners>,
}

enum Search {
    Packed(packed::Searcher),
    /// Where the processor has no vectors to search with.
    Automaton(AhoCorasick),
}

impl Search {
    /// None when `needles` cannot be searched for, which does not happen for some few short ones.
    fn new(needles: &[&[u8]]) -> Option<Self> {
        let packed = packed::Config::new().builder().extend(needles).build().map(Self::Packed);
        packed.or_else(|| AhoCorasick::new(needles).ok().map(Self::Automaton))
    }

    /// The first needle at or after `from`: its place and which one it is.
    fn next(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let found = match self {
            Self::Packed(search) => search.find_in(text, Span::from(from..text.len())),
            Self::Automaton(search) => search.find(aho_corasick::Input::new(text).range(from..)),
        }?;
        Some((found.start(), found.pattern().as_usize()))
    }
}

fn groups(needles: &BTreeMap<&[u8], Owners>) -> Vec<Group> {
    let needles: Vec<_> = needles.iter().collect();
    let group = |part: &[(&&[u8], &Owners)]| {
        let texts: Vec<&[u8]> = part.iter().map(|(needle, _)| **needle).collect();
        let owners = part.iter().map(|(_, owners)| (*owners).clone()).collect();
        Search::new(&texts).map(|search| Group { search, owners })
    };
    let groups: Vec<_> = needles.chunks(GROUP).filter_map(group).collect();
    assert_eq!(groups.len(), needles.len().div_ceil(GROUP), "a pattern that is not searched for would leak");
    groups
}

impl Matcher {
    /// All patterns have at least [`SHORTEST`](crate::SHORTEST) bytes.
    fn new(patterns: BTreeSet<Vec<u8>>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().map(Zeroizing::new).collect();
        let mut windows: BTreeMap<&[u8], Owners> = BTreeMap::new();
        let mut heads: BTreeMap<&[u8], Owners> = BTreeMap::new();
        for (at, pattern) in patterns.iter().enumerate() {
            let offset = window(pattern);
            windows.entry(&pattern[offset..offset + WINDOW]).or_default().push((at, offset));
            heads.entry(&pattern[..HEAD]).or_default();
        }
        let (windows, heads) = (groups(&windows), groups(&heads));
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or(0);
        Self { patterns, windows, heads, longest }
    }

    /// Adds what the patterns cover of `text`, in no order.
    fn find(&self, text: &[u8], into: &mut Vec<Range<usize>>) {
        for group in &self.windows {
            let mut from = 0;
            while let Some((at, which)) = group.search.next(text, from) {
                for &(pattern, offset) in &group.owners[which] {
                    let pattern = &self.patterns[pattern];
                    let Some(start) = at.checked_sub(offset) else { continue };
                    if text[start..].starts_with(pattern) {
                        cover(into, start..start + pattern.len());
                    }
                }
                from = at + 1;
            }
        }
    }

    /// Where the longest end of `text` begins that more bytes could turn into a pattern; its length when none could.
    fn undecided(&self, text: &[u8]) -> usize {
        let tail = text.len().saturating_sub(self.longest.saturating_sub(1));
        let mut first = text.len();
        for group in &self.heads {
            let mut from = tail;
            while let Some((at, _)) =
                group.search.next(&text[..first.saturating_add(HEAD - 1).min(text.len())], from)
            {
                if self.begins(&text[at..]) {
                    first = at;
                    break;
                }
                from = at + 1;
            }
        }
        let short = text.len().saturating_sub(HEAD - 1);
        (short..first).find(|at| self.begins(&text[*at..])).unwrap_or(first)
    }

    /// Whether some pattern begins with `text` and goes on.
    fn begins(&self, text: &[u8]) -> bool {
        let at = self.patterns.partition_point(|pattern| pattern.as_slice() <= text);
        self.patterns.get(at).is_some_and(|pattern| pattern.starts_with(text))
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
        first.iter().enumerate().map(weight).sum::<usize>() * 2 + (WINDOW - changed)
    };
    let best = pattern.windows(WINDOW).enumerate().rev().max_by_key(|(_, window)| score(window));
    best.map_or(0, |(at, _)| at)
}
