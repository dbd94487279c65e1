//! The same screen with ASCII characters only.

use ratatui::buffer::Buffer;

use crate::text;

/// Replaces every character that a terminal without Unicode cannot show.
pub(crate) fn fold(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let symbol = match cell.symbol() {
                // The second half becomes visible again, too.
                wide if text::width(wide) > 1 => "?",
                other => ascii(other),
            };
            cell.set_symbol(symbol);
        }
    }
}

fn ascii(symbol: &str) -> &'static str {
    match symbol {
        "○" => "o",
        "◎" => "O",
        "◌" => ".",
        "◷" => "@",
        "↻" => "r",
        "◑" => "/",
        "✓" => "+",
        "✗" => "x",
        "⊘" => "-",
        "≈" => "~",
        "■" => "#",
        "●" => "*",
        "›" | "▸" | "▶" | "→" => ">",
        "▾" | "▼" | "↓" => "v",
        "↑" => "^",
        "←" => "<",
        "·" => ".",
        "…" => "~",
        "−" | "–" | "—" | "─" | "┄" => "-",
        "━" | "█" => "=",
        "▓" => "%",
        "░" => ":",
        "│" | "┃" | "╷" => "|",
        "╭" | "╮" | "╰" | "╯" | "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" | "┼" => {
            "+"
        }
        "⠋" | "⠴" => "|",
        "⠙" | "⠦" => "/",
        "⠹" | "⠧" => "-",
        "⠸" | "⠇" => "\\",
        "⠼" | "⠏" => "*",
        _ => "?",
    }
}
