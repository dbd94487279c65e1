//! A screen as a picture.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 18.0;
const FONT_SIZE: f64 = 14.0;
const MARGIN: f64 = 14.0;
const BAR: f64 = 28.0;
const BACKGROUND: &str = "#11151c";
const FOREGROUND: &str = "#d5dae3";

/// The sixteen named colours of the picture's terminal.
const NAMED: [&str; 16] = [
    "#1b212b", "#f07178", "#9ccc65", "#ffcb6b", "#64a8f5", "#c792ea", "#5fd0d6", "#c8cdd6", "#6b7686",
    "#ff8a8f", "#b9e27f", "#ffe08a", "#8cc2ff", "#dcb0f7", "#8ee6eb", "#ffffff",
];

/// How a stretch of cells looks.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

/// Draws the screen with its colours in a window with a title.
#[must_use]
pub fn draw(screen: &Screen, title: &str) -> String {
    let (rows, cols) = screen.size();
    let (rows, cols) = (rows.get(), cols.get());
    let width = f64::from(cols) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL_HEIGHT + 2.0 * MARGIN + BAR;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"{FONT_SIZE}\">\n\
         <title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n",
        title = escaped(title),
    );
    for (index, colour) in ["#ff5f57", "#febc2e", "#28c840"].iter().enumerate() {
        let x = 20.0 + 18.0 * f64::from(u8::try_from(index).unwrap_or(0));
        let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"18\" r=\"5.5\" fill=\"{colour}\"/>");
    }
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"22\" fill=\"{grey}\" text-anchor=\"middle\" font-size=\"12\">{title}</text>",
        x = width / 2.0,
        grey = NAMED[8],
        title = escaped(title),
    );
    for row in 0..rows {
        draw_row(screen, row, cols, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_row(screen: &Screen, row: u16, cols: u16, svg: &mut String) {
    let mut start = 0;
    while start < cols {
        let Some(first) = screen.cell(row, start) else { break };
        let look = Look::of(first);
        let (mut text, mut end) = (String::new(), start);
        while let Some(cell) = screen.cell(row, end).filter(|cell| Look::of(cell) == look) {
            if !cell.is_wide_continuation() {
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            end += 1;
        }
        draw_stretch(&look, &text, row, start, end, svg);
        start = end.max(start + 1);
    }
}

fn draw_stretch(look: &Look, text: &str, row: u16, start: u16, end: u16, svg: &mut String) {
    let x = MARGIN + f64::from(start) * CELL_WIDTH;
    let y = MARGIN + BAR + f64::from(row) * CELL_HEIGHT;
    let width = f64::from(end - start) * CELL_WIDTH;
    if let Some(background) = &look.background {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{background}\"/>"
        );
    }
    let visible = text.trim_end();
    if visible.is_empty() {
        return;
    }
    let indent = visible.chars().take_while(|c| *c == ' ').count();
    let indent = u16::try_from(indent).unwrap_or(0);
    let trailing = u16::try_from(text.chars().count() - visible.chars().count()).unwrap_or(0);
    let x = x + f64::from(indent) * CELL_WIDTH;
    let length = width - f64::from(indent + trailing) * CELL_WIDTH;
    let mut style = String::new();
    if look.bold {
        style.push_str(" font-weight=\"bold\"");
    }
    if look.dim {
        style.push_str(" opacity=\"0.65\"");
    }
    if look.italic {
        style.push_str(" font-style=\"italic\"");
    }
    if look.underline {
        style.push_str(" text-decoration=\"underline\"");
    }
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\" textLength=\"{length:.1}\" \
         lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{style}>{text}</text>",
        y = y + CELL_HEIGHT * 0.74,
        fill = look.foreground,
        text = escaped(visible.trim_start_matches(' ')),
    );
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let foreground = colour(cell.fgcolor(), cell.bold());
        let background = colour(cell.bgcolor(), false);
        let (foreground, background) = if cell.inverse() {
            let paper = background.unwrap_or_else(|| BACKGROUND.to_owned());
            (paper, Some(foreground.unwrap_or_else(|| FOREGROUND.to_owned())))
        } else {
            (foreground.unwrap_or_else(|| FOREGROUND.to_owned()), background)
        };
        Self {
            foreground,
            background,
            bold: cell.bold(),
            dim: cell.dim(),
            italic: cell.italic(),
            underline: cell.underline(),
        }
    }
}

/// A colour for the picture; `None` is the terminal's own.
fn colour(colour: Color, bright: bool) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index @ 0..8) if bright && index > 0 => Some(NAMED[usize::from(index) + 8].to_owned()),
        Color::Idx(index @ 0..16) => Some(NAMED[usize::from(index)].to_owned()),
        Color::Idx(index @ 16..232) => {
            let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            let cube = index - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn picture(bytes: &[u8]) -> String {
        let size = |n| NonZeroU16::new(n).unwrap();
        let mut parser = vt100::Parser::new(size(2), size(12), 0);
        parser.process(bytes);
        draw(parser.screen(), "a & b")
    }

    #[test]
    fn text_keeps_its_place_and_colour() {
        let svg = picture(b"\x1b[31m  <red>\x1b[0m\r\n\x1b[7mback\x1b[0m");
        assert!(svg.contains("a &amp; b"));
        assert!(svg.contains("<text x=\"30.8\" y=\"55.3\" fill=\"#f07178\" textLength=\"42.0\""), "{svg}");
        assert!(svg.contains(">&lt;red&gt;</text>"), "{svg}");
        assert!(svg.contains(&format!("width=\"33.6\" height=\"18\" fill=\"{FOREGROUND}\"")), "{svg}");
    }

    #[test]
    fn the_same_screen_gives_the_same_picture() {
        assert_eq!(picture(b"x\x1b[38;5;202my"), picture(b"x\x1b[38;5;202my"));
        assert!(picture(b"\x1b[38;5;202my").contains("#ff5f00"));
    }
}
