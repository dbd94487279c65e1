//! What a row of a figure declares before it is measured.

/// The state of the page cache while a figure is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// No file matters.
    Unconcerned,
    /// What is read was written just before.
    Warm,
    /// What is written is removed after each round, so that the cache never fills up.
    Removed,
    /// What is written stays until the figure is measured: a file system is slower for a while where thousands of files were
    /// removed.
    Kept,
}

impl Cache {
    /// The state in words.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Unconcerned => "no file matters",
            Self::Warm => "warm, what is read was written just before",
            Self::Removed => "files are written, and removed after each round",
            Self::Kept => "files are written, in a new directory for each round, and removed at the end",
        }
    }
}

/// A row of the table of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What is measured, different for each row of the figure.
    pub name: &'static str,
    /// The unit: `ms`, `MiB`, `x`, `%` and so on.
    pub unit: &'static str,
    /// What it should be, when something is promised.
    pub goal: Option<Goal>,
}

/// What a value should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    /// Whether a value reaches it.
    #[must_use]
    pub fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    /// The goal in words, with its unit.
    #[must_use]
    pub fn described(self, unit: &str) -> String {
        let (sign, value) = match self {
            Self::AtMost(most) => ('≤', most),
            Self::AtLeast(least) => ('≥', least),
        };
        format!("{sign} {value} {unit}").trim_end().to_owned()
    }
}

/// A row without a goal.
pub(crate) const fn plain(name: &'static str, unit: &'static str) -> Row {
    Row { name, unit, goal: None }
}

/// A row that should be no more than `goal`.
pub(crate) const fn at_most(name: &'static str, goal: f64, unit: &'static str) -> Row {
    Row { name, unit, goal: Some(Goal::AtMost(goal)) }
}

/// A row that should be no less than `goal`.
pub(crate) const fn at_least(name: &'static str, goal: f64, unit: &'static str) -> Row {
    Row { name, unit, goal: Some(Goal::AtLeast(goal)) }
}
