//! Colours and attributes of workers, as styles.

use ratatui::style::{Color, Modifier, Style};

/// Parameters of a control sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params {
    /// Values and whether the value belongs to the one before it (`4:3`).
    values: Vec<(Option<u16>, bool)>,
}

/// Parameters a sequence may have; what is beyond is ignored.
const LONGEST: usize = 32;

impl Params {
    pub(super) fn parse(text: &str) -> Self {
        let mut params = Self::default();
        text.chars().for_each(|char| params.push(char));
        params
    }

    fn push(&mut self, char: char) {
        if self.values.is_empty() {
            self.values.push((None, false));
        }
        match char.to_digit(10) {
            Some(digit) => {
                if let Some((value, _)) = self.values.last_mut() {
                    let digit = u16::try_from(digit).unwrap_or(0);
                    *value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                }
            }
            None if self.values.len() < LONGEST => self.values.push((None, char == ':')),
            // The last value swallows the digits of those that do not fit; it is beyond any meaning.
            None => self.values[LONGEST - 1] = (Some(u16::MAX), false),
        }
    }

    pub(super) fn first(&self) -> Option<u16> {
        self.values.first().and_then(|(value, _)| *value)
    }

    /// Values with their sub-values, as `38;5;1` and `38:5:1` both are written.
    fn groups(&self) -> impl Iterator<Item = Vec<u16>> + '_ {
        let mut rest = self.values.as_slice();
        std::iter::from_fn(move || {
            let (first, tail) = rest.split_first()?;
            let mut group = vec![first.0.unwrap_or(0)];
            let colons = tail.iter().take_while(|(_, sub)| *sub).count();
            let taken = if colons > 0 {
                colons
            } else {
                match (group[0], tail.first().and_then(|(value, _)| *value)) {
                    (38 | 48 | 58, Some(5)) => 2,
                    (38 | 48 | 58, Some(2)) => 4,
                    _ => 0,
                }
            };
            let taken = taken.min(tail.len());
            group.extend(tail[..taken].iter().map(|(value, _)| value.unwrap_or(0)));
            rest = &tail[taken..];
            Some(group)
        })
    }
}

/// The style after `params`. Without `colour` only attributes are taken over. Hidden and blinking text is
/// shown as plain text.
pub(super) fn apply(style: Style, params: &Params, colour: bool) -> Style {
    let mut style = style;
    if params.values.is_empty() {
        return Style::new();
    }
    for group in params.groups() {
        style = match group[0] {
            0 => Style::new(),
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 if group.get(1) == Some(&0) => drop_modifier(style, Modifier::UNDERLINED),
            4 | 21 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            9 => style.add_modifier(Modifier::CROSSED_OUT),
            22 => drop_modifier(style, Modifier::BOLD | Modifier::DIM),
            23 => drop_modifier(style, Modifier::ITALIC),
            24 => drop_modifier(style, Modifier::UNDERLINED),
            27 => drop_modifier(style, Modifier::REVERSED),
            29 => drop_modifier(style, Modifier::CROSSED_OUT),
            39 => Style { fg: None, ..style },
            49 => Style { bg: None, ..style },
            code if colour => coloured(style, code, &group),
            _ => style,
        };
    }
    style
}

fn coloured(style: Style, code: u16, group: &[u16]) -> Style {
    let index = |base: u16| u8::try_from(code - base).map_or(Color::Reset, Color::Indexed);
    match code {
        30..=37 => style.fg(index(30)),
        40..=47 => style.bg(index(40)),
        90..=97 => style.fg(index(82)),
        100..=107 => style.bg(index(92)),
        38 => extended(group).map_or(style, |colour| style.fg(colour)),
        48 => extended(group).map_or(style, |colour| style.bg(colour)),
        _ => style,
    }
}

/// `38;5;n`, `38;2;r;g;b`, and with colons an optional colour space before the three.
fn extended(group: &[u16]) -> Option<Color> {
    let byte = |value: &u16| u8::try_from(*value).ok();
    match group {
        [_, 5, index, ..] => Some(Color::Indexed(byte(index)?)),
        [_, 2, _, r, g, b, ..] | [_, 2, r, g, b] => Some(Color::Rgb(byte(r)?, byte(g)?, byte(b)?)),
        _ => None,
    }
}

fn drop_modifier(style: Style, modifier: Modifier) -> Style {
    Style { add_modifier: style.add_modifier.difference(modifier), ..style }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, colour: bool) -> Style {
        apply(Style::new().bold(), &Params::parse(text), colour)
    }

    #[test]
    fn colours_of_all_spellings() {
        let bold = Style::new().bold();
        let cases = [
            ("", Style::new()),
            ("0", Style::new()),
            ("31", bold.fg(Color::Indexed(1))),
            ("97", bold.fg(Color::Indexed(15))),
            ("104", bold.bg(Color::Indexed(12))),
            ("38;5;200", bold.fg(Color::Indexed(200))),
            ("38:5:200", bold.fg(Color::Indexed(200))),
            ("48;2;1;2;3", bold.bg(Color::Rgb(1, 2, 3))),
            ("38:2::1:2:3", bold.fg(Color::Rgb(1, 2, 3))),
            ("38:2:1:2:3", bold.fg(Color::Rgb(1, 2, 3))),
            ("38;2;1;2;999", bold),
            ("38;5", bold),
            ("58;5;1;4", bold.underlined()),
            ("22;3", Style::new().italic()),
            ("5;8", bold),
            ("31;39", bold),
        ];
        for (text, expected) in cases {
            assert_eq!(after(text, true), expected, "{text:?}");
        }
    }

    #[test]
    fn without_colour_attributes_stay() {
        assert_eq!(after("31;4;48;5;7", false), Style::new().bold().underlined());
    }

    #[test]
    fn endless_parameters_are_cut() {
        assert_eq!(after(&"1;".repeat(10_000), true), Style::new().bold());
    }
}
