//! The page with all figures: their rows and goals as declared, with the values that were measured last.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::{BENCHES, Bench, Figure};

/// Where the table of all figures begins, and where it ends.
const FIGURES: [&str; 2] = ["<!-- generated: figures -->\n", "<!-- end -->"];

/// Where the description of the machine begins, and where it ends.
const MACHINE: [&str; 2] = ["<!-- generated: machine -->\n", "<!-- end -->"];

/// What was measured, by figure and row: the value with its unit, and what else is to be known about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Results(BTreeMap<(String, String), (String, String)>);

impl Results {
    /// What benches have written to `ROBOPPI_FIGURES`. A later line replaces an earlier one of the same row.
    #[must_use]
    pub fn of_lines(lines: &str) -> Self {
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Self(
            lines
                .map(|line| {
                    (
                        (text(&line, "figure"), text(&line, "row")),
                        (text(&line, "value"), text(&line, "detail")),
                    )
                })
                .collect(),
        )
    }

    /// What a page shows.
    #[must_use]
    pub fn of_page(page: &str) -> Self {
        let mut results = Self::default();
        let mut figure = "";
        for line in parts(page, FIGURES).map_or("", |[_, figures, _]| figures).lines() {
            if let Some(name) = line.strip_prefix("### ") {
                figure = name;
            }
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            if let ["", row, value, _, _, detail, ""] = cells[..]
                && value != NOT_MEASURED
            {
                results.0.insert((figure.into(), row.into()), (value.into(), detail.into()));
            }
        }
        results
    }
}

const NOT_MEASURED: &str = "not measured";

/// The page with its table made again: rows and goals as they are declared, with these values.
///
/// # Errors
/// When the page has no place for it.
pub fn with_figures(page: &str, results: &Results) -> Result<String, String> {
    let mut table = summary(results);
    for bench in BENCHES {
        let Bench { name, about, figures } = bench;
        let _ = write!(table, "\n## {name}\n\n{about} `cargo bench --bench {name}`\n");
        for figure in *figures {
            section(&mut table, figure, results);
        }
    }
    replaced(page, FIGURES, &table)
}

/// The page with the description of a machine.
///
/// # Errors
/// When the page has no place for it.
pub fn with_machine(page: &str, machine: &str) -> Result<String, String> {
    replaced(page, MACHINE, machine)
}

fn section(table: &mut String, figure: &Figure, results: &Results) {
    let Figure { name, compared, cache, rows, .. } = figure;
    let _ = write!(table, "\n### {name}\n\n{}. Page cache: {}.\n\n", capital(compared), cache.described());
    table.push_str("| row | measured | goal | | |\n|---|---:|---:|---|---|\n");
    for row in *rows {
        let key = (name.to_string(), row.name.to_owned());
        let (value, detail) =
            results.0.get(&key).map_or((NOT_MEASURED, ""), |(value, detail)| (value, detail));
        let goal = row.goal.map_or_else(String::new, |goal| goal.described(row.unit));
        let verdict = match is_reached(row, value) {
            Some(true) => "ok",
            Some(false) => "**missed**",
            None => "",
        };
        let cells = [row.name, value, &goal, verdict, detail];
        let cell = |cell: &str| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
        let _ = writeln!(table, "|{}", cells.map(cell).concat());
    }
}

/// How many goals are reached, and which are not.
fn summary(results: &Results) -> String {
    let (mut reached, mut missed) = (0, Vec::new());
    for figure in BENCHES.iter().flat_map(|bench| bench.figures) {
        for row in figure.rows {
            let key = (figure.name.to_owned(), row.name.to_owned());
            match results.0.get(&key).and_then(|(value, _)| is_reached(row, value)) {
                Some(true) => reached += 1,
                Some(false) => {
                    missed.push(format!("* [{}](#{}): {}\n", figure.name, anchor(figure.name), row.name));
                }
                None => {}
            }
        }
    }
    let all = reached + missed.len();
    let end = if missed.is_empty() { ".\n" } else { "; these are missed:\n\n" };
    format!("\n{reached} of {all} goals that were measured are reached{end}{}", missed.concat())
}

/// Whether the value that is shown reaches the goal of its row.
fn is_reached(row: &crate::Row, shown: &str) -> Option<bool> {
    let value = shown.split(' ').next()?.parse().ok()?;
    Some(row.goal?.is_reached(value))
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What is before, between and after two marks.
fn parts<'a>(page: &'a str, [begin, end]: [&str; 2]) -> Option<[&'a str; 3]> {
    let at = page.find(begin)? + begin.len();
    let len = page[at..].find(end)?;
    Some([&page[..at], &page[at..at + len], &page[at + len..]])
}

fn replaced(page: &str, marks: [&str; 2], text: &str) -> Result<String, String> {
    let [before, _, after] = parts(page, marks).ok_or_else(|| format!("the page has no {:?}", marks[0]))?;
    Ok(format!("{before}{text}\n{after}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = "# Page\n\n<!-- generated: figures -->\n<!-- end -->\nthe end\n";

    #[test]
    fn a_page_shows_results_and_keeps_them() {
        let lines = r#"{"figure":"chain","row":"roboppi by floor","value":"9.99 x","detail":"of 5"}
            {"figure":"version","row":"roboppi","value":"2.12 ms","detail":""}
            {"figure":"gone","row":"roboppi","value":"1","detail":""}"#;
        let page = with_figures(PAGE, &Results::of_lines(lines)).unwrap();
        assert!(
            page.contains(
                "\n1 of 2 goals that were measured are reached; these are missed:\n\n* [chain](#chain)"
            ),
            "{page}"
        );
        assert!(page.contains("| roboppi | 2.12 ms | ≤ 5 ms | ok | |"), "{page}");
        assert!(page.contains("| 9.99 x |") && page.contains("| **missed** | of 5 |"), "{page}");
        assert!(page.ends_with("<!-- end -->\nthe end\n"));
        assert_eq!(with_figures(&page, &Results::of_page(&page)).unwrap(), page);
        assert!(with_figures("# Page\n", &Results::default()).is_err());
    }

    #[test]
    fn names_are_unique_and_fit_in_a_table() {
        let mut names = BTreeSet::new();
        for figure in BENCHES.iter().flat_map(|bench| bench.figures) {
            assert!(names.insert(figure.name), "{} is there twice", figure.name);
            assert!(!figure.name.contains(' '), "{} cannot be selected on a command line", figure.name);
            let mut rows = BTreeSet::new();
            for row in figure.rows {
                assert!(rows.insert(row.name), "{}: {} is there twice", figure.name, row.name);
                assert!(!row.name.contains('|') && !row.name.is_empty());
            }
        }
    }
}
