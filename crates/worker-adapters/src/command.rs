//! What the core is to start for a task, and how it treats the output.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A command as an adapter describes it. The core finds the program, makes the files, sets the working
/// directory to the task's workspace and adds the task's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandSpec {
    /// Names or paths of the program, best first; the first one that exists is started.
    pub programs: Vec<String>,
    /// Arguments, without the program itself.
    pub args: Vec<Arg>,
    /// Environment variables to set, over those of the task.
    pub env: BTreeMap<String, String>,
    /// Environment variables the worker must not see.
    pub env_remove: Vec<String>,
    /// Standard input.
    pub stdin: StdinPlan,
    /// Private files made before the start and removed after the end.
    pub files: Vec<TempFile>,
    /// Standard output.
    pub stdout: StreamPlan,
    /// Standard error.
    pub stderr: StreamPlan,
    /// Time the session is given to end its worker politely after a cancel, before TERM is sent. Taken
    /// from the grace time, never added to it.
    pub soft_stop: Duration,
    /// Files that an agent writes into its temporary directory to report a failure. A few of them are kept in the record.
    pub reports: Vec<ReportFiles>,
    /// What of the task was understood differently from how it is written, one sentence each: shown to the user.
    pub warnings: Vec<String>,
}

impl CommandSpec {
    /// A command that reads nothing, whose output is for people and whose lines the session never sees.
    pub fn new<P: Into<String>>(programs: impl IntoIterator<Item = P>) -> Self {
        Self {
            programs: programs.into_iter().map(Into::into).collect(),
            args: Vec::new(),
            env: BTreeMap::new(),
            env_remove: Vec::new(),
            stdin: StdinPlan::Null,
            files: Vec::new(),
            stdout: StreamPlan::FOR_PEOPLE,
            stderr: StreamPlan::FOR_PEOPLE,
            soft_stop: Duration::ZERO,
            reports: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<Arg>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// As it is.
    Text(String),
    /// The absolute path of the [`TempFile`] of that name.
    File(String),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Where a worker's standard input comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinPlan {
    /// `/dev/null`: reading it ends at once. Some agents wait for ever on a silent pipe.
    #[default]
    Null,
    /// A pipe the session writes to and closes.
    Piped,
}

/// A file for the worker alone, with mode 0600.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TempFile {
    /// File name: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

impl TempFile {
    /// A file of this name and content.
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into() }
    }
}

/// Files of a temporary directory, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportFiles {
    /// How their names begin.
    pub prefix: String,
    /// How their names end.
    pub suffix: String,
}

impl ReportFiles {
    /// Files whose names begin and end like this.
    pub fn new(prefix: impl Into<String>, suffix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), suffix: suffix.into() }
    }

    /// Whether a file of this name is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        name.strip_prefix(&*self.prefix).is_some_and(|rest| rest.ends_with(&*self.suffix))
    }
}

/// How one output stream is treated. It is recorded whole in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamPlan {
    /// Which lines the session is given.
    pub lines: LineFilter,
    /// Whether the text itself is shown (`stdout` and `stderr` events). A stream that speaks JSON to the
    /// session says no.
    pub raw: bool,
}

impl StreamPlan {
    /// Text for people: shown, not looked at.
    pub const FOR_PEOPLE: Self = Self { lines: LineFilter::None, raw: true };
    /// Lines for the session: translated, not shown.
    pub const FOR_SESSION: Self = Self { lines: LineFilter::All, raw: false };

    /// Text for people, of which the session is given some lines.
    #[must_use]
    pub const fn for_people_and_session(lines: LineFilter) -> Self {
        Self { lines, raw: true }
    }
}

/// Which lines of a stream the session is given. Looking at a line costs time, and a command may print a
/// gigabyte of them, so a session asks for no more than it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFilter {
    /// None.
    None,
    /// Every line.
    All,
    /// Lines that begin with this text, which holds no newline and is not empty.
    StartingWith(Cow<'static, str>),
}

impl LineFilter {
    /// Lines that begin with this text, which holds no newline and is not empty.
    pub fn starting_with(prefix: impl Into<Cow<'static, str>>) -> Self {
        Self::StartingWith(prefix.into())
    }
}
