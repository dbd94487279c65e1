//! Whether to use colour, and what it means.

/// What `--color` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourChoice {
    /// `auto`, or not given.
    #[default]
    Auto,
    /// `always`.
    Always,
    /// `never`.
    Never,
}

/// The environment variables that have a say in colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColourVariables {
    /// `NO_COLOR`: any text at all forbids colour.
    pub no_color: Option<String>,
    /// `CLICOLOR_FORCE`: anything but `0` asks for colour.
    pub clicolor_force: Option<String>,
    /// `FORCE_COLOR`: anything but `0` and `false` asks for colour.
    pub force_color: Option<String>,
    /// `CLICOLOR`: `0` asks for none.
    pub clicolor: Option<String>,
    /// `TERM`: `dumb` cannot show any.
    pub term: Option<String>,
}

impl ColourVariables {
    /// Looks the variables up.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            no_color: variable("NO_COLOR"),
            clicolor_force: variable("CLICOLOR_FORCE"),
            force_color: variable("FORCE_COLOR"),
            clicolor: variable("CLICOLOR"),
            term: variable("TERM"),
        }
    }
}

/// What is at the other end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// A terminal.
    Terminal,
    /// The log of a CI system that shows colours.
    CiLog,
    /// A file, a program, or what is not known.
    Other,
}

impl From<bool> for StreamKind {
    fn from(is_terminal: bool) -> Self {
        if is_terminal { Self::Terminal } else { Self::Other }
    }
}

/// Whether to write colour codes to a stream.
///
/// The first of these that says something decides: `NO_COLOR`, `--color`, `CLICOLOR_FORCE` or `FORCE_COLOR`,
/// `CLICOLOR=0`, whether the stream is the log of a CI system that shows colours, and then whether it is a terminal that does.
#[must_use]
pub fn use_colour(choice: ColourChoice, variables: &ColourVariables, stream: StreamKind) -> bool {
    let set = |value: &Option<String>| value.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    if set(&variables.no_color).is_some() {
        return false;
    }
    match choice {
        ColourChoice::Always => return true,
        ColourChoice::Never => return false,
        ColourChoice::Auto => {}
    }
    let forced = set(&variables.clicolor_force).is_some_and(|text| text != "0")
        || set(&variables.force_color).is_some_and(|text| text != "0" && text != "false");
    if forced {
        return true;
    }
    variables.clicolor.as_deref() != Some("0")
        && match stream {
            StreamKind::CiLog => true,
            StreamKind::Terminal => variables.term.as_deref() != Some("dumb"),
            StreamKind::Other => false,
        }
}

/// Variables of the CI systems whose logs show colours.
const CI_WITH_COLOUR: [&str; 5] =
    ["GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "TEAMCITY_VERSION", "TF_BUILD"];

/// Whether the output of this process goes to the log of a CI system that shows colours, although it is no terminal.
#[must_use]
pub fn ci_shows_colour(variable: impl Fn(&str) -> Option<String>) -> bool {
    CI_WITH_COLOUR
        .iter()
        .any(|name| variable(name).is_some_and(|value| !matches!(value.trim(), "" | "0" | "false")))
}

/// What a stretch of text means. Colour only repeats what words and signs say already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Good,
    Bad,
    Caution,
    Faint,
    Strong,
    /// As the terminal has it.
    Plain,
}

impl Ink {
    /// `text` in this ink, or as it is without colour.
    pub(crate) fn paint(self, colour: bool, text: &str) -> String {
        let code = match self {
            Self::Good => 32,
            Self::Bad => 31,
            Self::Caution => 33,
            Self::Faint => 2,
            Self::Strong => 1,
            Self::Plain => return text.to_owned(),
        };
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_says_something_decides_colour() {
        use ColourChoice::{Always, Auto, Never};

        let cases: &[(&str, ColourChoice, bool, bool)] = &[
            // variables, --color, terminal, colour
            ("", Auto, true, true),
            ("", Auto, false, false),
            ("", Always, false, true),
            ("", Never, true, false),
            ("NO_COLOR=1", Auto, true, false),
            ("NO_COLOR=1", Always, true, false),
            ("NO_COLOR=", Auto, true, true),
            ("NO_COLOR=", Always, false, true),
            ("NO_COLOR=0", Auto, true, false),
            ("NO_COLOR=1 CLICOLOR_FORCE=1 FORCE_COLOR=1", Auto, true, false),
            ("CLICOLOR_FORCE=1", Auto, false, true),
            ("CLICOLOR_FORCE=0", Auto, false, false),
            ("CLICOLOR_FORCE=", Auto, false, false),
            ("CLICOLOR_FORCE=1", Never, true, false),
            ("FORCE_COLOR=1", Auto, false, true),
            ("FORCE_COLOR=3", Auto, false, true),
            ("FORCE_COLOR=0", Auto, false, false),
            ("FORCE_COLOR=0", Auto, true, true),
            ("FORCE_COLOR=false", Auto, false, false),
            ("FORCE_COLOR=1 CLICOLOR=0", Auto, false, true),
            ("CLICOLOR_FORCE=1 TERM=dumb", Auto, false, true),
            ("CLICOLOR=0", Auto, true, false),
            ("CLICOLOR=0", Always, true, true),
            ("CLICOLOR=1", Auto, true, true),
            ("CLICOLOR=1", Auto, false, false),
            ("TERM=dumb", Auto, true, false),
            ("TERM=dumb", Always, true, true),
            ("TERM=xterm", Auto, true, true),
        ];
        for (variables, choice, terminal, expected) in cases {
            let set: Vec<(&str, &str)> =
                variables.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
            let look =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            let got = use_colour(*choice, &ColourVariables::read(look), (*terminal).into());
            assert_eq!(got, *expected, "{variables:?} {choice:?} terminal: {terminal}");
        }
    }

    #[test]
    fn the_log_of_a_ci_system_has_colour_unless_it_is_refused() {
        let none = |_: &str| None;
        let dumb = |name: &str| (name == "TERM").then(|| "dumb".to_owned());
        let no_color = |name: &str| (name == "NO_COLOR").then(|| "1".to_owned());
        let ci = |choice, variables: &ColourVariables| use_colour(choice, variables, StreamKind::CiLog);
        assert!(ci(ColourChoice::Auto, &ColourVariables::read(none)));
        assert!(ci(ColourChoice::Auto, &ColourVariables::read(dumb)));
        assert!(!ci(ColourChoice::Auto, &ColourVariables::read(no_color)));
        assert!(!ci(ColourChoice::Never, &ColourVariables::read(none)));

        let shows =
            |known: &str, value: &str| ci_shows_colour(|name| (name == known).then(|| value.to_owned()));
        assert!(shows("GITHUB_ACTIONS", "true") && shows("TF_BUILD", "True") && shows("BUILDKITE", "1"));
        assert!(!shows("GITHUB_ACTIONS", "false") && !shows("GITLAB_CI", "") && !shows("CI", "true"));
    }
}
