//! A figure as it is declared, and while it is measured: what was found so far, on standard output and in the file of
//! results.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::place::{Built, Place};
use super::row::{Cache, Row};
use super::times::{Pair, Times};

/// A set of figures with a target of its own: `cargo bench --bench NAME`.
pub struct Bench {
    /// The name of the target.
    pub name: &'static str,
    /// What its figures are about, in a sentence.
    pub about: &'static str,
    /// Its figures, in the order in which they are measured.
    pub figures: &'static [Figure],
}

/// One subject, and everything that is measured of it.
pub struct Figure {
    /// A short name without spaces; words on the command line select by it.
    pub name: &'static str,
    /// What is done, in words, with what it is compared with.
    pub compared: &'static str,
    /// The state of the page cache.
    pub cache: Cache,
    /// What is measured, in the order of the table.
    pub rows: &'static [Row],
    /// Measures the rows.
    pub measure: fn(&mut Measurement<'_>),
}

/// What the command line requests.
pub(crate) struct Options {
    /// One round, and a hundredth of the size.
    pub(crate) quick: bool,
    /// Where results are appended as JSON lines.
    pub(crate) results: Option<PathBuf>,
}

/// The measurement of one figure.
pub struct Measurement<'a> {
    bench: &'static str,
    figure: &'static Figure,
    built: Built,
    options: &'a Options,
    missed: usize,
    found: Vec<&'static str>,
}

impl<'a> Measurement<'a> {
    pub(crate) fn new(
        bench: &'static str,
        figure: &'static Figure,
        built: Built,
        options: &'a Options,
    ) -> Self {
        Self { bench, figure, built, options, missed: 0, found: Vec::new() }
    }

    /// Measures. Returns how many goals were missed.
    pub(crate) fn measure(mut self) -> usize {
        println!("\n{}: {}; {}", self.figure.name, self.figure.compared, self.figure.cache.described());
        (self.figure.measure)(&mut self);
        for row in self.figure.rows.iter().filter(|row| !self.found.contains(&row.name)) {
            println!("  {:<44} not measured", row.name);
        }
        self.missed
    }

    /// A directory of its own for everything that is written.
    pub(crate) fn place(&self) -> Place {
        Place::new(self.built, self.figure.name)
    }

    /// The rows of the figure.
    pub(crate) fn rows(&self) -> &'static [Row] {
        self.figure.rows
    }

    /// The program.
    pub(crate) fn program(&self) -> &'static str {
        self.built.program
    }

    /// Whether a rough result in a short time is requested.
    pub(crate) fn is_quick(&self) -> bool {
        self.options.quick
    }

    /// How often something is repeated.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        if self.is_quick() { 1 } else { usual }
    }

    /// How large something is.
    pub(crate) fn scaled(&self, usual: u64) -> u64 {
        if self.is_quick() { usual.div_ceil(100) } else { usual }
    }

    /// Says something that is not a result.
    pub(crate) fn note(&self, text: &str) {
        println!("  {text}");
    }

    /// The value of a row.
    pub(crate) fn put(&mut self, row: &Row, value: f64) {
        self.put_with(row, value, "");
    }

    /// The value of a row, and what else is to be known about it.
    pub(crate) fn put_with(&mut self, row: &Row, value: f64, detail: &str) {
        let shown = format!("{value:.*} {}", decimals(value), row.unit);
        let verdict = row.goal.map_or_else(String::new, |goal| {
            let reached = goal.is_reached(value);
            self.missed += usize::from(!reached);
            format!("goal {}: {}", goal.described(row.unit), if reached { "ok" } else { "MISSED" })
        });
        self.line(row, shown.trim_end(), &[&verdict, detail]);
    }

    /// The median of times, with how many they are and the least of them.
    pub(crate) fn put_times(&mut self, row: &Row, times: &Times) {
        let Some(median) = times.median() else { return self.put_absent(row, "failed") };
        let (median, min) = (in_unit(median, row.unit), in_unit(times.min(), row.unit));
        let detail = match times.len() {
            1 => "once".to_owned(),
            count => format!("median of {count}, at least {min:.*}", decimals(min)),
        };
        self.put_with(row, median, &detail);
    }

    /// The times of both sides, and their ratio.
    pub(crate) fn put_pair(&mut self, ours: &Row, theirs: &Row, ratio: &Row, pair: &Pair) {
        self.put_times(ours, &pair.ours);
        self.put_times(theirs, &pair.theirs);
        self.put(ratio, pair.ratio());
    }

    /// Prints how times are distributed.
    pub(crate) fn note_times(&self, what: &str, times: &Times) {
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| times.percentile(percent) * 1e3);
        self.note(&format!(
            "{what:<44} p50 {p50:.3} ms, p95 {p95:.3} ms, p99 {p99:.3} ms, max {max:.3} ms, of {}",
            times.len()
        ));
    }

    /// A row without a value, and why.
    pub(crate) fn put_absent(&mut self, row: &Row, why: &str) {
        self.line(row, "–", &[why]);
    }

    fn line(&mut self, row: &Row, shown: &str, rest: &[&str]) {
        assert!(self.figure.rows.contains(row), "{} does not declare {:?}", self.figure.name, row.name);
        self.found.push(row.name);
        let detail = rest.last().copied().unwrap_or_default();
        let rest: Vec<_> = rest.iter().copied().filter(|text| !text.is_empty()).collect();
        println!("{}", format!("  {:<44} {shown:>14}   {}", row.name, rest.join("; ")).trim_end());
        let result = json!({
            "bench": self.bench,
            "figure": self.figure.name,
            "row": row.name,
            "unit": row.unit,
            "goal": row.goal.map(|goal| goal.described(row.unit)),
            "value": shown,
            "detail": detail,
            "compared": self.figure.compared,
            "cache": self.figure.cache.described(),
        });
        if let Some(path) = &self.options.results {
            write_line(path, &result);
        }
    }
}

/// Appends a line to the file of results.
fn write_line(path: &Path, line: &Value) {
    let file = File::options().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
        println!("cannot write {}: {error}", path.display());
    }
}

/// Three digits are shown, or all before the point.
fn decimals(value: f64) -> usize {
    match value.abs() {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    }
}

fn in_unit(time: std::time::Duration, unit: &str) -> f64 {
    let seconds = time.as_secs_f64();
    match unit {
        "s" => seconds,
        "ms" => seconds * 1e3,
        "µs" => seconds * 1e6,
        other => panic!("{other} is no unit of time"),
    }
}
