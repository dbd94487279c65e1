//! The page with what was tested: its rows are those that are declared, its cells what was found last.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::agents::AGENTS;
use crate::capabilities::{PLACES, TRIED, Tried};
use crate::cases::CASES;

/// Where what was found begins, and where it ends.
const MARKS: [&str; 2] = ["<!-- generated: tested -->\n", "<!-- end -->"];

/// Stands where nothing was found yet.
const NOT_RUN: &str = "not run";

/// What was found about one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tested {
    pub(crate) version: String,
    /// When, as `2026-12-01`.
    pub(crate) date: String,
    /// By the name of the case, or of the row of capabilities.
    pub(crate) cells: BTreeMap<String, String>,
    /// What it wrote that its adapter does not know.
    pub(crate) drift: Vec<String>,
    /// Whether `drift` is that of all cases.
    pub(crate) is_whole: bool,
}

/// What was found, by agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results(BTreeMap<String, Tested>);

impl Results {
    pub(crate) fn add(&mut self, agent: &str, tested: Tested) {
        self.0.insert(agent.to_owned(), tested);
    }

    /// Takes over what was found now. What was found before stays where it is of the same version.
    pub(crate) fn renew(&mut self, newer: Self) {
        for (agent, now) in newer.0 {
            let known = self.0.entry(agent).or_default();
            if known.version != now.version {
                *known = now;
                continue;
            }
            known.date = now.date;
            known.cells.extend(now.cells);
            if now.is_whole {
                known.drift = now.drift;
            }
        }
    }

    /// A line for each thing that is unknown.
    pub(crate) fn drift(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(agent, tested)| {
            tested.drift.iter().map(move |part| format!("{agent} {}: {part}", tested.version))
        })
    }

    /// What a page shows.
    #[must_use]
    pub fn of_page(page: &str) -> Self {
        let mut results = Self::default();
        let text = page.split_once(MARKS[0]).map_or("", |(_, text)| text);
        let text = text.split_once(MARKS[1]).map_or(text, |(text, _)| text);
        for line in text.lines() {
            let cells: Vec<String> = split(line);
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            match cells[..] {
                [agent, version, date] => {
                    let known = AGENTS.iter().find(|known| known.title == agent && version != NOT_RUN);
                    if let Some(agent) = known {
                        let tested = results.0.entry(agent.word.to_owned()).or_default();
                        tested.version = version.to_owned();
                        tested.date = date.to_owned();
                    }
                }
                [name, _, ref found @ ..] if found.len() == AGENTS.len() && name.starts_with('`') => {
                    results.take(name.trim_matches('`'), found);
                }
                [capabilities, means, place, ref found @ ..]
                    if found.len() == AGENTS.len() && capabilities.starts_with('`') =>
                {
                    results.take(
                        &row(&capabilities.replace(['`', ' '], ""), means, place.trim_matches('`')),
                        found,
                    );
                }
                _ => {}
            }
            if let Some((agent, part)) = line.strip_prefix("* ").and_then(|line| line.split_once(": "))
                && let Some(agent) = AGENTS.iter().find(|known| known.title == agent)
            {
                results.0.entry(agent.word.to_owned()).or_default().drift.push(part.to_owned());
            }
        }
        results
    }

    fn take(&mut self, row: &str, found: &[&str]) {
        for (agent, found) in AGENTS.iter().zip(found).filter(|(_, found)| **found != NOT_RUN) {
            let tested = self.0.entry(agent.word.to_owned()).or_default();
            tested.cells.insert(row.to_owned(), (*found).to_owned());
        }
    }

    fn cells(&self, row: &str) -> String {
        let found =
            AGENTS.iter().map(|agent| self.0.get(agent.word).and_then(|tested| tested.cells.get(row)));
        found.map(|found| format!(" {} |", cell(found.map_or(NOT_RUN, String::as_str)))).collect()
    }
}

/// The page with its tables made again: their rows as they are declared, with these results.
///
/// # Errors
/// When the page has no place for them.
pub fn with_results(page: &str, results: &Results) -> Result<String, String> {
    let [begin, end] = MARKS;
    let (before, rest) = page.split_once(begin).ok_or_else(|| format!("{} is missing", begin.trim()))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| format!("{end} is missing"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", tables(results)))
}

fn tables(results: &Results) -> String {
    let mut text = "| agent | version | tested on |\n|---|---|---|\n".to_owned();
    for agent in &AGENTS {
        let unknown = Tested { version: NOT_RUN.to_owned(), date: "–".to_owned(), ..Tested::default() };
        let tested =
            results.0.get(agent.word).filter(|tested| !tested.version.is_empty()).unwrap_or(&unknown);
        let _ = writeln!(text, "| {} | {} | {} |", agent.title, tested.version, tested.date);
    }
    let titles: String = AGENTS.iter().map(|agent| format!(" {} |", agent.title)).collect();
    let dashes = "---|".repeat(AGENTS.len());
    let _ = write!(text, "\n## Cases\n\n| case | what must come of it |{titles}\n|---|---|{dashes}\n");
    for case in &CASES {
        let _ = writeln!(text, "| `{}` | {} |{}", case.name, cell(case.about), results.cells(case.name));
    }
    let _ = write!(
        text,
        "\n## Capabilities\n\n| capabilities | means | place |{titles}\n|---|---|---|{dashes}\n"
    );
    for tried in &TRIED {
        for means in tried.means {
            for place in PLACES {
                let found = results.cells(&row(tried.capabilities, means.name(), place));
                let words: Vec<_> = tried.capabilities.split(',').map(|word| format!("`{word}`")).collect();
                let _ = writeln!(text, "| {} | {} | {place} |{found}", words.join(", "), means.name());
            }
        }
    }
    text.push_str("\n## Output that the adapters do not know\n\n");
    let begin = text.len();
    for agent in &AGENTS {
        for part in results.0.get(agent.word).into_iter().flat_map(|tested| &tested.drift) {
            let _ = writeln!(text, "* {}: {part}", agent.title);
        }
    }
    if text.len() == begin {
        text.push_str("Nothing.\n");
    }
    text
}

/// The rows that a list of capabilities has, in the order in which they are tried.
pub(crate) fn rows_of(tried: &'static Tried) -> impl Iterator<Item = String> {
    let places = |means: &'static str| PLACES.map(|place| row(tried.capabilities, means, place));
    tried.means.iter().flat_map(move |means| places(means.name()))
}

fn row(capabilities: &str, means: &str, place: &str) -> String {
    format!("{capabilities}/{means}/{place}")
}

/// A text in a cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// The cells of a line of a table, as they were before [`cell`].
fn split(line: &str) -> Vec<String> {
    let Some(line) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return Vec::new();
    };
    let cells = line.replace("\\|", "\u{0}");
    cells.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "# Page\n\n<!-- generated: tested -->\n<!-- end -->\nafter\n";

    fn tested(version: &str, cells: &[(&str, &str)]) -> Tested {
        let cells = cells.iter().map(|(row, found)| ((*row).to_owned(), (*found).to_owned())).collect();
        Tested { version: version.to_owned(), date: "2026-12-01".to_owned(), cells, ..Tested::default() }
    }

    #[test]
    fn a_page_says_what_was_found_and_is_read_again() {
        let mut results = Results::default();
        let read = row("READ", "its tool reads", "$HOME");
        let found = [("text", "ok"), ("cancel", "failed: a | b"), (read.as_str(), "refused")];
        let mut one = tested("1.0", &found);
        one.drift.push("item type `foo` unknown (3 lines)".to_owned());
        results.add("codex", one);
        let page = with_results(EMPTY, &results).unwrap();
        assert!(page.contains("failed: a \\| b") && page.ends_with("after\n"), "{page}");
        assert_eq!(Results::of_page(&page), results);
        assert_eq!(with_results(&page, &Results::of_page(&page)).unwrap(), page);
        for case in &CASES {
            assert!(page.contains(&format!("| `{}` |", case.name)), "{page}");
        }
    }

    #[test]
    fn what_is_of_another_version_does_not_stay() {
        let mut results = Results::default();
        results.add("codex", tested("1.0", &[("text", "ok"), ("cancel", "ok")]));
        let mut newer = Results::default();
        newer.add("codex", tested("1.0", &[("text", "failed: x")]));
        results.renew(newer.clone());
        assert_eq!(results.0["codex"].cells.len(), 2);
        assert_eq!(results.0["codex"].cells["text"], "failed: x");
        newer.add("codex", tested("2.0", &[("text", "ok")]));
        results.renew(newer);
        assert_eq!(results.0["codex"].cells.len(), 1);
    }
}
