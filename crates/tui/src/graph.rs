//! Where the steps of a run stand when their graph is drawn, and the lines between them.
//!
//! Steps stand in columns, each to the right of those it waits for. Lines leave a step to the right, go up or
//! down in the gap between two columns, and come to the next step from the left. Steps that lead to the same
//! others share their lines. Where two lines cross, the one across is whole.

use std::collections::{BTreeMap, BTreeSet};

use roboppi_run::Dependencies;

/// A graph that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) rows: usize,
    /// Columns it takes.
    pub(crate) columns: usize,
    pub(crate) nodes: Vec<Node>,
    /// Cells of the lines: row, column, and where they lead.
    pub(crate) lines: BTreeMap<(usize, usize), Ways>,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Index of the step.
    pub(crate) step: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
    /// Columns its label may take.
    pub(crate) width: usize,
}

/// The sides a piece of a line leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways(u8);

const UP: Ways = Ways(1);
const DOWN: Ways = Ways(2);
const LEFT: Ways = Ways(4);
const RIGHT: Ways = Ways(8);

impl Ways {
    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn symbol(self) -> &'static str {
        match self.0 {
            0 => " ",
            1..=3 => "│",
            5 => "┘",
            6 => "┐",
            7 => "┤",
            9 => "└",
            10 => "┌",
            11 => "├",
            4 | 8 | 12 => "─",
            13 => "┴",
            14 => "┬",
            _ => "┼",
        }
    }
}

/// Most rows of a graph; what has more is easier to read as a list.
const ROWS: usize = 60;

/// Widest label.
const LABEL: usize = 24;

/// Columns between two steps beside those of lines that go up and down.
const GAP: usize = 4;

/// Columns of each step beside its name: an icon and a space.
const ICON: usize = 2;

/// Steps by how many must be over before they can start.
pub(crate) fn layers(dependencies: &Dependencies) -> Vec<Vec<usize>> {
    let mut layer_of = vec![0; dependencies.before.len()];
    let mut layers: Vec<Vec<usize>> = Vec::new();
    for &step in &dependencies.order {
        let layer = dependencies.before[step].iter().map(|other| layer_of[*other] + 1).max().unwrap_or(0);
        layer_of[step] = layer;
        if layers.len() <= layer {
            layers.resize(layer + 1, Vec::new());
        }
        layers[layer].push(step);
    }
    for layer in &mut layers {
        layer.sort_unstable();
    }
    layers
}

/// What stands at a place of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Step(usize),
    /// The line of a step passes on its way to a later column.
    Pass(usize),
}

/// Places the steps, whose names are `widths` wide, in `columns` columns; `None` when they do not fit.
pub(crate) fn place(dependencies: &Dependencies, widths: &[usize], columns: usize) -> Option<Graph> {
    let layers = layers(dependencies);
    // Most graphs that do not fit are known by their size alone.
    let tallest = layers.iter().map(Vec::len).max().unwrap_or(0);
    let narrowest = layers.len() * (ICON + 1) + layers.len().saturating_sub(1) * GAP;
    if layers.len() < 2 || tallest > ROWS || narrowest > columns {
        return None;
    }
    let (stops, edges) = stops(dependencies, &layers);
    let rows = rows(&stops, &edges);
    let height = rows.iter().flat_map(|rows| rows.values()).max().map_or(0, |row| row + 1);
    if height > ROWS {
        return None;
    }
    let gaps: Vec<Vec<Bus>> =
        edges.iter().enumerate().map(|(gap, edges)| buses(edges, &rows[gap], &rows[gap + 1])).collect();
    // Between two columns: a line of each bus that goes up or down, and room on both sides.
    let gap_widths: Vec<usize> =
        gaps.iter().map(|buses| buses.iter().filter(|bus| bus.track.is_some()).count() + GAP).collect();
    let room = columns.checked_sub(gap_widths.iter().sum())?;
    let label_widths = fit_labels(&layers, widths, room)?;

    let mut graph = Graph { rows: height, ..Graph::default() };
    let mut column = 0;
    for (layer, width) in label_widths.iter().enumerate() {
        for (stop, row) in &rows[layer] {
            match stop {
                Stop::Step(step) => {
                    let width = (widths[*step] + ICON).min(*width);
                    graph.nodes.push(Node { step: *step, row: *row, column, width });
                }
                Stop::Pass(_) => graph.across(*row, column, column + width),
            }
        }
        let Some(gap) = gaps.get(layer) else {
            graph.columns = column + width;
            break;
        };
        let (start, end) = (column + width, column + width + gap_widths[layer]);
        for bus in gap {
            // A step that is narrower than its column gets its line up to itself.
            let begin = |stop: &Stop| match stop {
                Stop::Step(step) => column + (widths[*step] + ICON).min(*width) + 1,
                Stop::Pass(_) => start,
            };
            graph.draw(bus, begin, start, end);
        }
        column = end;
    }
    Some(graph)
}

impl Graph {
    fn add(&mut self, row: usize, column: usize, ways: Ways) {
        let cell = self.lines.entry((row, column)).or_default();
        *cell = cell.and(ways);
    }

    fn across(&mut self, row: usize, from: usize, to: usize) {
        for column in from..to {
            let cell = self.lines.entry((row, column)).or_default();
            // What only goes up and down belongs to another line, which passes below.
            let joins = cell.has(LEFT) || cell.has(RIGHT);
            *cell = if joins { cell.and(LEFT).and(RIGHT) } else { LEFT.and(RIGHT) };
        }
    }

    fn draw(&mut self, bus: &Bus, begin: impl Fn(&Stop) -> usize, start: usize, end: usize) {
        // The last column stays free before a label.
        let until = |stop: &Stop| if matches!(stop, Stop::Step(_)) { end - 1 } else { end };
        let Some(track) = bus.track else {
            for ((source, row), (target, _)) in bus.sources.iter().zip(&bus.targets) {
                self.across(*row, begin(source), until(target));
            }
            return;
        };
        let column = start + 2 + track;
        let from = |(_, row): &(Stop, usize)| *row;
        let top = bus.sources.iter().chain(&bus.targets).map(from).min().unwrap_or(0);
        let bottom = bus.sources.iter().chain(&bus.targets).map(from).max().unwrap_or(0);
        for row in top..=bottom {
            let mut ways = Ways::default();
            if row > top {
                ways = ways.and(UP);
            }
            if row < bottom {
                ways = ways.and(DOWN);
            }
            if bus.sources.iter().any(|source| from(source) == row) {
                ways = ways.and(LEFT);
            }
            if bus.targets.iter().any(|target| from(target) == row) {
                ways = ways.and(RIGHT);
            }
            let crossed = self.lines.get(&(row, column)).is_some_and(|other| other.has(LEFT.and(RIGHT)));
            let passes = !ways.has(LEFT) && !ways.has(RIGHT);
            if !(crossed && passes) {
                self.add(row, column, ways);
            }
        }
        for (stop, row) in &bus.sources {
            self.across(*row, begin(stop), column);
        }
        for (stop, row) in &bus.targets {
            self.across(*row, column + 1, until(stop));
        }
    }
}

type Edges = BTreeSet<(Stop, Stop)>;

/// What stands in each column, and what leads from each column to the next.
fn stops(dependencies: &Dependencies, layers: &[Vec<usize>]) -> (Vec<BTreeSet<Stop>>, Vec<Edges>) {
    let mut layer_of = vec![0; dependencies.before.len()];
    for (layer, steps) in layers.iter().enumerate() {
        for step in steps {
            layer_of[*step] = layer;
        }
    }
    let mut stops: Vec<BTreeSet<Stop>> =
        layers.iter().map(|steps| steps.iter().map(|step| Stop::Step(*step)).collect()).collect();
    let mut edges = vec![Edges::new(); layers.len() - 1];
    for (step, before) in dependencies.before.iter().enumerate() {
        for other in before {
            let mut from = Stop::Step(*other);
            for layer in layer_of[*other] + 1..=layer_of[step] {
                let to = if layer == layer_of[step] { Stop::Step(step) } else { Stop::Pass(*other) };
                stops[layer].insert(to);
                edges[layer - 1].insert((from, to));
                from = to;
            }
        }
    }
    (stops, edges)
}

/// The row of everything: near what leads to it, in the order that crosses least.
fn rows(stops: &[BTreeSet<Stop>], edges: &[Edges]) -> Vec<BTreeMap<Stop, usize>> {
    let mut rows: Vec<BTreeMap<Stop, usize>> = Vec::new();
    for (layer, stops) in stops.iter().enumerate() {
        let mut wanted: Vec<(usize, Stop)> = stops
            .iter()
            .enumerate()
            .map(|(place, stop)| {
                let before: Vec<usize> = match layer.checked_sub(1) {
                    None => vec![place],
                    Some(gap) => edges[gap]
                        .iter()
                        .filter(|(_, to)| to == stop)
                        .filter_map(|(from, _)| rows[gap].get(from).copied())
                        .collect(),
                };
                // Twice the mean, so that halves count.
                (2 * before.iter().sum::<usize>() / before.len().max(1), *stop)
            })
            .collect();
        wanted.sort_unstable();
        let mut placed = BTreeMap::new();
        let mut next = 0;
        for (twice, stop) in wanted {
            let row = next.max(twice / 2);
            placed.insert(stop, row);
            next = row + 1;
        }
        rows.push(placed);
    }
    rows
}

/// Stops that all lead to the same others.
#[derive(Debug)]
struct Bus {
    sources: Vec<(Stop, usize)>,
    targets: Vec<(Stop, usize)>,
    /// Where it goes up and down, counted from the left; `None` when it goes straight.
    track: Option<usize>,
}

fn buses(edges: &Edges, left: &BTreeMap<Stop, usize>, right: &BTreeMap<Stop, usize>) -> Vec<Bus> {
    let mut targets_of: BTreeMap<Stop, BTreeSet<Stop>> = BTreeMap::new();
    for (from, to) in edges {
        targets_of.entry(*from).or_default().insert(*to);
    }
    let mut sources_of: BTreeMap<BTreeSet<Stop>, Vec<Stop>> = BTreeMap::new();
    for (from, targets) in targets_of {
        sources_of.entry(targets).or_default().push(from);
    }
    let at = |stops: &BTreeMap<Stop, usize>, stop: Stop| (stop, stops.get(&stop).copied().unwrap_or(0));
    let mut buses: Vec<Bus> = sources_of
        .into_iter()
        .map(|(targets, sources)| Bus {
            sources: sources.into_iter().map(|stop| at(left, stop)).collect(),
            targets: targets.into_iter().map(|stop| at(right, stop)).collect(),
            track: None,
        })
        .collect();
    let mut bent: Vec<usize> = (0..buses.len())
        .filter(|bus| {
            let Bus { sources, targets, .. } = &buses[*bus];
            sources.len() != 1 || targets.len() != 1 || sources[0].1 != targets[0].1
        })
        .collect();
    bent.sort_by_key(|bus| buses[*bus].sources.iter().map(|(_, row)| *row).min());
    // A line that comes from the left in some row must bend before another one leaves to the right in it.
    let mut track = 0;
    while !bent.is_empty() {
        let blocked = |bus: usize| {
            bent.iter().any(|other| {
                *other != bus
                    && buses[*other]
                        .sources
                        .iter()
                        .any(|(_, row)| buses[bus].targets.iter().any(|(_, target)| target == row))
            })
        };
        // In a circle somebody has to begin.
        let next = bent.iter().position(|bus| !blocked(*bus)).unwrap_or(0);
        buses[bent.remove(next)].track = Some(track);
        track += 1;
    }
    buses
}

/// The width of each column of labels, as wide as they need to be and as narrow as they must.
fn fit_labels(layers: &[Vec<usize>], widths: &[usize], room: usize) -> Option<Vec<usize>> {
    [LABEL, 16, 12, 9, 6].into_iter().find_map(|most| {
        let fitted: Vec<usize> = layers
            .iter()
            .map(|steps| steps.iter().map(|step| widths[*step].min(most) + ICON).max().unwrap_or(0))
            .collect();
        (fitted.iter().sum::<usize>() <= room).then_some(fitted)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_run::{TestRun, plan};

    /// The graph as text; steps by their names.
    fn drawn(steps: &[(&str, &[&str])], columns: usize) -> String {
        let run = TestRun::with(steps.iter().map(|(step, before)| plan(step, before)).collect(), true);
        let view = run.view();
        let widths: Vec<usize> = steps.iter().map(|(step, _)| step.len()).collect();
        let Some(graph) = place(&Dependencies::of(&view.steps), &widths, columns) else {
            return "does not fit\n".to_owned();
        };
        let mut cells = vec![vec![" ".to_owned(); columns]; graph.rows];
        for ((row, column), ways) in &graph.lines {
            cells[*row][*column] = ways.symbol().to_owned();
        }
        for node in &graph.nodes {
            for (at, char) in format!("* {}", steps[node.step].0).chars().take(node.width).enumerate() {
                cells[node.row][node.column + at] = char.to_string();
            }
        }
        cells.into_iter().map(|row| row.concat().trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn a_chain_with_a_fork() {
        let steps: &[(&str, &[&str])] = &[
            ("fetch", &[]),
            ("build", &["fetch"]),
            ("test", &["build"]),
            ("lint", &["build"]),
            ("publish", &["test", "lint"]),
        ];
        insta::assert_snapshot!(drawn(steps, 60), @r"
        * fetch ── * build ─┬─ * test ─┬─ * publish
                            └─ * lint ─┘
        ");
    }

    #[test]
    fn lines_that_pass_and_lines_that_cross() {
        let steps: &[(&str, &[&str])] = &[
            ("a", &[]),
            ("b", &[]),
            ("c", &[]),
            ("ab", &["a", "b"]),
            ("bc", &["b", "c"]),
            ("late", &["a", "ab"]),
            ("alone", &[]),
            ("end", &["late", "bc", "c"]),
        ];
        insta::assert_snapshot!(drawn(steps, 60), @r"
        * a ───────┬────────┬─ * late ─┐
        * b ──────┬┴─ * ab ─┘          ├─ * end
        * c ─────┬┴── * bc ────────────┤
        * alone  └─────────────────────┘
        ");
    }

    #[test]
    fn names_give_way_before_the_graph_does() {
        let steps: &[(&str, &[&str])] =
            &[("a-name-of-some-length", &[]), ("another-name-like-it", &["a-name-of-some-length"])];
        insta::assert_snapshot!(drawn(steps, 60), @"* a-name-of-some-length ── * another-name-like-it");
        insta::assert_snapshot!(drawn(steps, 24), @"* a-name ── * anothe");
        assert_eq!(drawn(steps, 12), "does not fit\n");
        assert_eq!(drawn(&[("a", &[]), ("b", &[])], 80), "does not fit\n", "there is nothing to draw");
    }

    proptest! {
        #[test]
        fn whatever_fits_stays_in_its_room(
            edges in prop::collection::vec((0usize..30, 0usize..30), 0..60),
            columns in 0usize..200,
        ) {
            let names: Vec<String> = (0..30).map(|step| format!("step-{step}")).collect();
            let mut before = vec![Vec::new(); names.len()];
            for (one, other) in edges {
                // Backwards too: a record may tell of circles.
                before[one].push(names[other].as_str());
            }
            let steps: Vec<(&str, &[&str])> =
                names.iter().zip(&before).map(|(name, before)| (name.as_str(), before.as_slice())).collect();
            let run = TestRun::with(steps.iter().map(|(step, before)| plan(step, before)).collect(), true);
            let widths = vec![7; names.len()];
            if let Some(graph) = place(&Dependencies::of(&run.view().steps), &widths, columns) {
                prop_assert_eq!(graph.nodes.len(), names.len());
                prop_assert!(graph.columns <= columns);
                let mut taken = BTreeSet::new();
                for node in &graph.nodes {
                    prop_assert!(node.row < graph.rows && node.column + node.width <= columns);
                    for at in 0..node.width {
                        prop_assert!(taken.insert((node.row, node.column + at)), "two steps at one place");
                    }
                }
                for (row, column) in graph.lines.keys() {
                    prop_assert!(*row < graph.rows && *column < columns);
                    prop_assert!(!taken.contains(&(*row, *column)), "a line through a step");
                }
            }
        }
    }
}
