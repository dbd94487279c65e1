//! Inputs of a workflow: values that a run is given.

use std::collections::BTreeMap;

use crate::template::Template;

/// Variables of a step, by name.
pub type Variables = BTreeMap<String, Template>;

/// Bytes of the longest value: what a kernel takes as one variable, and room for its name.
pub const LONGEST_VALUE: usize = 100_000;

/// An input that a workflow declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// What it is for.
    pub description: Option<String>,
    /// What its value may be.
    pub kind: InputKind,
    /// Its value when a run is given none; `None` when it must be given.
    pub default: Option<String>,
    /// The value of this run; see [`Workflow::give`](crate::Workflow::give).
    pub value: Option<String>,
}

/// What the value of an input may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InputKind {
    /// `string`: any text.
    #[default]
    Text,
    /// `number`: a decimal number.
    Number,
    /// `boolean`: `true` or `false`.
    Boolean,
    /// `choice`: one of these.
    Choice(Vec<String>),
}

impl InputKind {
    /// The names of the kinds, in the order of the reference.
    pub(crate) const NAMES: [&str; 4] = ["string", "number", "boolean", "choice"];

    /// The kind of a name; that of a choice has no options yet.
    pub(crate) const fn of(index: usize) -> Self {
        match index {
            1 => Self::Number,
            2 => Self::Boolean,
            3 => Self::Choice(Vec::new()),
            _ => Self::Text,
        }
    }

    /// The word in workflow files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text => Self::NAMES[0],
            Self::Number => Self::NAMES[1],
            Self::Boolean => Self::NAMES[2],
            Self::Choice(_) => Self::NAMES[3],
        }
    }

    /// Whether a text is a value of this kind.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        let is_short = value.len() <= LONGEST_VALUE && !value.contains('\0');
        is_short
            && match self {
                Self::Text => true,
                Self::Number => number(value).is_some(),
                Self::Boolean => matches!(value, "true" | "false"),
                Self::Choice(options) => options.iter().any(|option| option == value),
            }
    }

    /// What a value must be, for people.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text => format!("a text of at most {LONGEST_VALUE} bytes without a NUL"),
            Self::Number => "a number, such as `3` or `0.5`".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Choice(options) => {
                let options: Vec<_> = options.iter().map(|option| format!("`{option}`")).collect();
                format!("one of {}", options.join(", "))
            }
        }
    }
}

/// A decimal number. `NaN` and infinities, which are spelt as words, are none.
pub(crate) fn number(text: &str) -> Option<f64> {
    let starts = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    text.parse::<f64>().ok().filter(|number| starts && number.is_finite())
}

impl InputSpec {
    /// The value, or else the default.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        self.value.as_deref().or(self.default.as_deref())
    }
}
