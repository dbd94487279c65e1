//! The little Markdown that agents write, as lines: headings, lists, quotes, code, and what is strong.
//!
//! No more than looks right line by line: what is not understood stays as it was written.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::theme::Theme;
use crate::{sanitise, text};

/// Lines of a text, at most `columns` wide.
pub(crate) fn lines(markdown: &str, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut in_code = false;
    for line in sanitise::lines(markdown) {
        let bare = line.trim_start();
        if bare.starts_with("```") || bare.starts_with("~~~") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            let line = text::fit(&line, columns.saturating_sub(2));
            lines.push(Line::from(vec![Span::raw("  "), Span::styled(line, theme.note())]));
            continue;
        }
        let indent = line.len() - bare.len();
        let (mark, rest, style) = block(bare, theme);
        let first = format!("{}{mark}", " ".repeat(indent.min(columns / 2)));
        let room = columns.saturating_sub(text::width(&first)).max(2);
        let (plain, styles) = inline(rest, style, theme);
        let mut styles = styles.into_iter();
        for (index, part) in text::wrap(&plain, room).into_iter().enumerate() {
            let lead = if index == 0 { first.clone() } else { " ".repeat(text::width(&first)) };
            let mut spans = vec![Span::raw(lead)];
            dress(&part, &mut styles, &mut spans);
            lines.push(Line::from(spans));
        }
    }
    while lines.last().is_some_and(|line| line.width() == 0) {
        lines.pop();
    }
    lines
}

/// What stands before a line, the line without what marks it, and how it looks.
fn block(line: &str, theme: Theme) -> (&'static str, &str, Style) {
    let heading = line.trim_start_matches('#');
    if heading.len() < line.len() && line.len() - heading.len() <= 6 && heading.starts_with(' ') {
        return ("", heading.trim_start(), theme.strong());
    }
    for mark in ["- ", "* ", "+ "] {
        if let Some(item) = line.strip_prefix(mark) {
            return ("• ", item, Style::new());
        }
    }
    match line.strip_prefix("> ") {
        Some(quote) => ("│ ", quote, theme.faint()),
        None => ("", line, Style::new()),
    }
}

/// A line without its `**strong**` and `` `code` `` marks, and how each of its characters looks. A mark without its other
/// end is as it was written, and so is all after it.
fn inline(line: &str, style: Style, theme: Theme) -> (String, Vec<(char, Style)>) {
    let mut emphases = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let next = ["**", "`"].into_iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min();
        let found = next.and_then(|(at, mark)| {
            let inner = &rest[at + mark.len()..];
            let end = inner.find(mark).filter(|end| *end > 0)?;
            Some((at, mark, &inner[..end], &inner[end + mark.len()..]))
        });
        let (before, marked, after) = match found {
            Some((at, mark, inner, after)) => {
                let emphasis = if mark == "`" { theme.note() } else { theme.strong() };
                (&rest[..at], Some((inner, style.patch(emphasis))), after)
            }
            None => (rest, None, ""),
        };
        emphases.extend(before.chars().map(|char| (char, style)));
        if let Some((inner, emphasis)) = marked {
            emphases.extend(inner.chars().map(|char| (char, emphasis)));
        }
        rest = after;
    }
    (emphases.iter().map(|(char, _)| char).collect(), emphases)
}

/// Gives a wrapped line its looks. Wrapping leaves out white space and nothing else.
fn dress(line: &str, emphases: &mut impl Iterator<Item = (char, Style)>, spans: &mut Vec<Span<'static>>) {
    let mut run = (String::new(), Style::new());
    for char in line.chars() {
        let emphasis =
            emphases.by_ref().find(|(known, _)| *known == char).map_or(run.1, |(_, emphasis)| emphasis);
        if emphasis != run.1 && !run.0.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut run.0), run.1));
        }
        run.1 = emphasis;
        run.0.push(char);
    }
    if !run.0.is_empty() {
        spans.push(Span::styled(run.0, run.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Colours;

    fn plain(markdown: &str, columns: usize) -> Vec<String> {
        lines(markdown, columns, Theme::new(Colours::None)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn marks_become_looks() {
        let markdown = "# Plan\n\nI **run** `npm test`, then\n- one thing that is long\n  - inner\n> said\n```rust\nfn main() {}\n```\n2 * 3 ** 4\n\n";
        assert_eq!(
            plain(markdown, 20),
            [
                "Plan",
                "",
                "I run npm test, then",
                "• one thing that is",
                "  long",
                "  • inner",
                "│ said",
                "  fn main() {}",
                "2 * 3 ** 4",
            ]
        );
        let styled = lines("a **b** `c`", 20, Theme::new(Colours::Dark));
        let theme = Theme::new(Colours::Dark);
        let emphases: Vec<_> = styled[0].spans[1..].iter().map(|span| span.style).collect();
        assert_eq!(emphases, [Style::new(), theme.strong(), Style::new(), theme.note()]);
    }

    #[test]
    fn nothing_in_it_reaches_the_terminal() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}]0;x\u{7} **\u{1b}[2Jbold**", 40), ["red bold"]);
    }
}
